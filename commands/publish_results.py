"""Copy a finished study's results to reports/published/, which is kept in git; not a part of the pipeline."""

from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_datasets, load_paper, study_in


def main() -> None:
    study = study_in(stage_parser(__doc__).parse_args().study)

    from threephase.revisions.published import publish

    titles = {name: dataset.title for name, dataset in load_datasets().items()}
    print(publish(study, load_paper(), titles))


if __name__ == "__main__":
    run_stage(main)
