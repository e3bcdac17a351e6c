"""Run a stage of this checkout for the study in whose folder one stands: python stages NAME [options].

dvc starts stages by this path, so that an experiment's copy of the repository runs its own code whatever is installed.
"""

import importlib
import os
import sys
from pathlib import Path

TOP = Path(os.path.abspath(__file__)).parents[1]  # links stay: a search runs the code that its workspace links to


def main() -> None:
    study = Path.cwd().resolve()
    sys.path[0] = str(TOP)
    os.chdir(TOP)
    from threephase.base.errors import UserError, run_stage

    names = sorted(file.stem for file in (TOP / "stages").glob("[a-z]*.py"))

    def run() -> None:
        if len(sys.argv) < 2 or sys.argv[1] not in names:
            raise UserError(f"stages: got {' '.join(sys.argv[1:2]) or 'nothing'}, expected one of: {', '.join(names)}")
        named = ["--study", study.name] if study.parent == (TOP / "studies").resolve() else []
        sys.argv = [sys.argv[1], *named, *sys.argv[2:]]
        importlib.import_module(f"stages.{sys.argv[0]}").main()

    run_stage(run)


if __name__ == "__main__":
    main()
