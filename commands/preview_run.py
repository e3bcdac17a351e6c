"""What `dvc repro` would run in a study, and why, before it does; writes nothing."""

from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_paper, study_in


def main() -> None:
    study, paper = study_in(stage_parser(__doc__).parse_args().study), load_paper()

    from threephase.model.machine import choose_machine
    from threephase.project.preview_text import never_run, preview_text
    from threephase.project.project import check_pipeline
    from threephase.project.run_state import predictions_made, preview

    check_pipeline(study)
    if not predictions_made(study)[0]:
        print(never_run(study))
        return
    print(preview_text(study, preview(study, choose_machine(study.shared.engine), paper)))


if __name__ == "__main__":
    run_stage(main)
