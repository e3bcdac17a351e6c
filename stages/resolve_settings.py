"""Stage resolve_settings: what each stage of a study uses, one small JSON each, and resolved.yaml, all of it."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import load_paper, study_in
from stages.common.errors import run_stage


def main() -> None:
    folder = stage_parser(__doc__).parse_args().study
    study, paper = study_in(folder), load_paper()

    from stages.common import project, resolve
    from stages.common.engine.machine import choose_machine
    from stages.common.files import new_folder, write_text

    project.check_pipeline(study)
    machine = choose_machine(study.shared.engine)
    with new_folder(paths.settings(folder, "").parent) as new:
        for resolved in resolve.settings_of(study, machine, paper):
            file = new / paths.settings(folder, resolved.program, resolved.item).name
            file.write_text(resolved.as_text(), encoding="utf-8")
    write_text(folder / paths.RESOLVED, project.resolved_text(study, machine))


if __name__ == "__main__":
    run_stage(main)
