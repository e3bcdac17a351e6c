"""Choose device and precision for this machine, once, before dvc starts.

Where the study's settings are those of another machine, they are taken away, so that dvc resolves them anew.
"""

import dataclasses
import shutil

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_shared
from threephase.study.schema import read_yaml


def main() -> None:
    folder = stage_parser(__doc__).parse_args().study
    wish = load_shared().engine

    from threephase.model.machine import choose_machine

    machine = choose_machine(wish)
    print(f"engine: {machine.device}, {machine.precision}, {machine.threads} threads")
    resolved, settings = folder / paths.RESOLVED, paths.settings(folder, "").parent
    if not (resolved.is_file() and settings.is_dir()):
        return
    before = read_yaml(resolved).get("machine")
    if before != dataclasses.asdict(machine):
        shutil.rmtree(settings)
        print(f"engine: the settings were those of another machine ({before}); all trainings run anew here")


if __name__ == "__main__":
    run_stage(main)
