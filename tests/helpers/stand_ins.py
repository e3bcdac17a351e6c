"""make with stand-ins for the programs that its recipes start."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from small_project import REPOSITORY

MAKE = shutil.which("make")
# All that the recipes need besides git, Python and what is installed into .venv.
TOOLS = ("bash", "cat", "chmod", "cp", "dirname", "grep", "mkdir", "rm", "sed", "touch")
GOOD_PYTHON = """
case "$1" in
  -c) exit 0;;
  -m) mkdir -p .venv/bin
      printf '#!/bin/sh\\n%s\\n' "$FAKE_PIP" > .venv/bin/pip; printf '#!/bin/sh\\n' > .venv/bin/python
      chmod +x .venv/bin/pip .venv/bin/python;;
esac"""


def bare_project(tmp_path: Path) -> Path:
    """A folder with the Makefile alone, beside stand-ins for all programs that it starts."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    executable(tmp_path / "bin/python3", GOOD_PYTHON)
    executable(tmp_path / "bin/git", "pwd -P")  # a repository's top folder is what the installation asks for
    root = tmp_path / "project"
    root.mkdir()
    for name in ("Makefile", "requirements.txt", "requirements-torch.txt", "requirements-torch-cpu.txt"):
        shutil.copy(REPOSITORY / name, root / name)
    return root


def executable(file: Path, script: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def make(project: Path, *arguments: str, pip: str = "exit 0") -> subprocess.CompletedProcess[str]:
    """Run make with nothing but the stand-ins on the search path."""
    environment = {"PATH": str(project.parent / "bin"), "HOME": os.environ.get("HOME", "/"), "FAKE_PIP": pip}
    return subprocess.run([MAKE, *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=60)


def error_of_make(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that says what is wrong; make adds one of its own, that the recipe has failed."""
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert len([line for line in lines if line.startswith("error: ")]) == 1
    assert lines[-1].startswith("make: ***") and lines[-2].startswith("error: "), result.stderr
    return lines[-2].removeprefix("error: ")


def stand_ins(project: Path) -> None:
    """The checks run as they are; what comes behind them only says its name. dvc keeps how it was called."""
    executable(
        project / ".venv/bin/python",
        f"""
case "$2" in
  commands.check_studies|commands.choose_engine|commands.add_study) exec {sys.executable} -B "$@";;
  *) echo "$@";;
esac""",
    )
    executable(project / ".venv/bin/dvc", 'echo "$@" > dvc-was-started')
    (project / ".venv/installed").touch()
