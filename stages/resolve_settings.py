"""Stage resolve_settings: what each stage of a study uses, one small JSON each, and resolved.yaml, all of it."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_paper, study_in


def main() -> None:
    folder = stage_parser(__doc__).parse_args().study
    study, paper = study_in(folder), load_paper()

    from threephase.base.files import new_folder, write_text
    from threephase.model.machine import choose_machine
    from threephase.project import project
    from threephase.study import resolve

    project.check_pipeline(study)
    machine = choose_machine(study.shared.engine)
    with new_folder(paths.settings(folder, "").parent) as new:
        for resolved in resolve.settings_of(study, machine, paper):
            file = new / paths.settings(folder, resolved.program, resolved.item).name
            file.write_text(resolved.as_text(), encoding="utf-8")
    write_text(folder / paths.RESOLVED, project.resolved_text(study, machine))
