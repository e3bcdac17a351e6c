"""What `dvc repro` would run in a study, and why, before it does; writes nothing."""

from stages.common.arguments import stage_parser
from stages.common.config import load_paper, study_in
from stages.common.errors import run_stage


def main() -> None:
    study, paper = study_in(stage_parser(__doc__).parse_args().study), load_paper()

    from stages.common.engine.machine import choose_machine
    from stages.common.preview_text import never_run, preview_text
    from stages.common.project import check_pipeline
    from stages.common.run_state import predictions_made, preview

    check_pipeline(study)
    if not predictions_made(study)[0]:
        print(never_run(study))
        return
    print(preview_text(study, preview(study, choose_machine(study.shared.engine), paper)))


if __name__ == "__main__":
    run_stage(main)
