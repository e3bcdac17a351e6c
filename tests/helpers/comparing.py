"""Fixtures of the tests that compare: the repository of ``compared_project``, a copy for each test, and the command."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from compared_project import dvc, make_compared_project
from tiny_project import environment, run

from commands import compare_revisions
from threephase.base.errors import run_stage


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Path:
    """The committed project and an experiment ``one_seed`` beside it; the working tree is at ``after``."""
    root = make_compared_project(tmp_path_factory.mktemp("compare") / "project")
    dvc(root, "exp", "run", "--name", "one_seed", "-S", "seeds=[0]")
    run(root, "git", "checkout", "--quiet", "--force", "after")
    dvc(root, "checkout", "--force")
    return root


@pytest.fixture
def project(original, tmp_path, monkeypatch) -> Path:
    root = tmp_path / "project"
    shutil.copytree(original, root, symlinks=True)
    for name, value in environment(original).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def compare(project, monkeypatch, capsys):
    """Compares two revisions by the command: rows by cell and metric, what was printed, and the folder."""

    def compare(first: str, second: str = "workspace", *options: str) -> tuple[pd.DataFrame, str, Path]:
        monkeypatch.setattr(sys, "argv", ["compare_revisions", "--first", first, "--second", second, *options])
        compare_revisions.main()
        printed = capsys.readouterr().out
        folder = Path(printed.splitlines()[-1]).parent
        rows = pd.read_csv(folder / "comparison.csv", keep_default_na=False, na_values={"a": "", "ci_low": ""})
        return rows.set_index(["cell", "metric"]), " ".join(printed.split()), folder

    return compare


@pytest.fixture
def refusal(project, monkeypatch, capsys):
    """Gives the one line by which the command refuses two names."""

    def refusal(first: str, second: str) -> str:
        monkeypatch.setattr(sys, "argv", ["compare_revisions", "--first", first, "--second", second])
        with pytest.raises(SystemExit) as end:
            run_stage(compare_revisions.main)
        error = capsys.readouterr().err
        assert end.value.code == 2 and error.count("\n") == 1
        return error

    return refusal
