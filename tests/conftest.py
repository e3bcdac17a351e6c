"""The trained projects that several files of tests read, made on first use by each worker, which has its own core."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny_project

RELEASED = ("three_phase", "joint", "no_imbalance", "cl_ft", "ft")


def pytest_configure() -> None:
    """Give a worker of pytest-xdist a core of its own, which what it starts inherits."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture
def all_cores():
    """Whatever a worker of pytest-xdist has."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count()))
    yield
    os.sched_setaffinity(0, cores)


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


@pytest.fixture(scope="session")
def released_study(study, tmp_path_factory) -> tuple[Path, dict[str, dict[str, list[str]]]]:
    """The study's project under ``released`` on three folds and long texts, and what each of its commands read.

    Of its runs there are those that lead to RELEASED for the first seed, the encoders' pictures and the baselines.
    """
    root = study.copy(tmp_path_factory.mktemp("released") / "project")
    for folder in (root / "runs").iterdir():
        if folder.name not in ("data", "pretrained"):
            shutil.rmtree(folder)
    tiny_project.use_released_protocol(root)
    ran = [f"--variant ({'|'.join(RELEASED)}) --seed 0$", "train_(dae|joint) .*--seed 0$", "split_data .*--seed 0$"]
    ran += ["resolve_settings", "prepare_data", "train_baselines", "render_representations"]
    commands = [command for command in study.commands if re.search("|".join(ran), command)]
    return root, tiny_project.run_recorded(root, commands)
