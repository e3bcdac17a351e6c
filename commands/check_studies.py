"""Refuse what is wrong in a study's params or generated files, before dvc starts; warn of what is in another one's."""

from threephase.base.errors import UserError, run_stage, warn
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_datasets, load_paper, read_studies, study_in


def main() -> None:
    study = study_in(stage_parser(__doc__).parse_args().study)
    load_datasets()
    load_paper()

    from threephase.project.project import check_project

    check_project(study)
    for other in read_studies().values():
        try:
            if isinstance(other, UserError):
                raise other
            check_project(other)
        except UserError as error:
            warn(f"another study is broken: {error}")


if __name__ == "__main__":
    run_stage(main)
