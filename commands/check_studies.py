"""Refuse what is wrong in any params file, or a study's generated files that do not fit it, before dvc starts."""

from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_datasets, load_paper, load_studies


def main() -> None:
    stage_parser(__doc__).parse_args()
    load_datasets()
    load_paper()
    studies = load_studies()

    from threephase.project.project import check_project

    for study in studies.values():
        check_project(study)


if __name__ == "__main__":
    run_stage(main)
