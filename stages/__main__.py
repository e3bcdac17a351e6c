"""Run a stage of this checkout for the study in whose folder one stands: python3 stages NAME [options].

dvc starts stages by this path, so that an experiment's copy of the repository runs its own code whatever is installed.
"""

import importlib
import os
import sys
from pathlib import Path

TOP = Path(os.path.abspath(__file__)).parents[1]  # links stay: a project may link to this code


def use_environment() -> None:
    """Go on in the environment that make installs, where there is one and another Python comes first in the path.

    As where nobody has activated it, or where conda's has been since. An experiment's copy lies below the repository.
    """
    for folder in (TOP, *TOP.parents):
        environment = folder / ".venv"
        if (environment / "installed").is_file():
            if not environment.samefile(sys.prefix):
                python = str(environment / "bin/python")
                os.execv(python, [python, *sys.argv])
            return


def main() -> None:
    use_environment()
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
        try:
            importlib.import_module(f"stages.{sys.argv[0]}").main()
        except ModuleNotFoundError as error:
            raise UserError(
                f"{sys.executable}: got no package {error.name}, expected those of requirements.txt; type: source "
                ".venv/bin/activate, then the same again"
            ) from None

    run_stage(run)


if __name__ == "__main__":
    main()
