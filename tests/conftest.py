"""The trained projects that several files of tests read; each is made once, on first use, and never changed."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny_project


@dataclass(frozen=True)
class Study:
    """A project whose study is finished: its folder, what dvc printed, and every command in dvc's order."""

    root: Path
    output: str
    commands: list[str]

    def copy(self, root: Path) -> Path:
        """A copy that a test may change; dvc works in it as in the original."""
        shutil.copytree(self.root, root, symlinks=True)
        return root


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Study:
    """The whole default study, all variants and baselines with two seeds, run by ``dvc repro``."""
    root = tiny_project.make_tiny_project(tmp_path_factory.mktemp("study") / "project")
    output = tiny_project.run(root, "dvc", "repro")
    return Study(root, output, re.findall("^> (.*)$", output, flags=re.MULTILINE))


@pytest.fixture(scope="session")
def second_study(study, tmp_path_factory) -> tuple[Path, dict[str, dict[str, list[str]]]]:
    """The same study from nothing in another folder, without dvc and in one process, and what each command read."""
    root = tiny_project.make_tiny_project(tmp_path_factory.mktemp("second") / "project")
    return root, tiny_project.run_recorded(root, study.commands)
