"""What `dvc repro` would run in a study, and why, before it does; writes nothing."""

from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_paper, study_in


def main() -> None:
    study, paper = study_in(stage_parser(__doc__).parse_args().study), load_paper()

    from threephase.project.preview import preview_text
    from threephase.project.project import check_pipeline

    check_pipeline(study)
    print(preview_text(study, paper))


if __name__ == "__main__":
    run_stage(main)
