"""Which Python a stage runs with where the environment is not active, and what a wrong one says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_project import error_line, make_project


@pytest.fixture
def project(tmp_path) -> Path:
    """A project in a folder with a space, beside a Python without packages that comes first in the path."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(f'#!/bin/sh\nexec "{sys._base_executable}" -S -E "$@"\n')
    (tmp_path / "bin/python3").chmod(0o755)
    return make_project(tmp_path / "mes données")


def run(project: Path, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(project.parent / "bin"), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        ["python3", *words], cwd=folder or project, env=environment, capture_output=True, text=True, timeout=120
    )


def install(project: Path) -> None:
    """An environment as make leaves it: here with the packages of the test's own."""
    environment = project / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").symlink_to(sys.executable)
    (environment / "lib").symlink_to(Path(sys.prefix) / "lib")
    (environment / "pyvenv.cfg").write_text(f"home = {Path(sys._base_executable).parent}\n")
    (environment / "installed").touch()


def test_a_stage_goes_on_in_the_environment_that_make_installed(project):
    said = error_line(run(project, "stages", "resolve_settings"))
    python = Path(sys._base_executable)
    assert said.endswith("expected those of requirements.txt; type: source .venv/bin/activate, then the same again")
    assert "got no package " in said and said.startswith(str(python.parent))
    install(project)
    result = run(project, str(project / "stages"), "resolve_settings")
    assert (result.returncode, result.stderr) == (0, "")
    assert (project / "runs/settings/fetch_data.json").is_file()
    # dvc runs an experiment in a copy below the repository.
    copy = make_project(project / ".dvc/tmp/exps/one")
    assert run(project, str(copy / "stages"), "resolve_settings", folder=copy).returncode == 0
    assert (copy / "runs/settings/fetch_data.json").is_file()


def test_a_command_says_that_its_python_has_no_packages(project):
    said = error_line(run(project, "-m", "commands.list_studies"))
    assert "type: source .venv/bin/activate (make studies installs them there), then the same again" in said
