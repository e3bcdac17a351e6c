"""A small study that workers run, and what it must have made of it."""

import shutil
import sys
from pathlib import Path

from small_project import change
from tiny_project import STUDY, commit, make_pipelines, make_tiny_project

VALUES = {"variants": ["three_phase", "ft"], "baselines": ["majority"], "seeds": [0], "draw_encoders": False}
DISTRIBUTE = (sys.executable, "-m", "commands.distribute")


def make_study(root: Path) -> Path:
    """A small study that has never run, committed."""
    make_tiny_project(root)
    change(root, STUDY, VALUES)
    make_pipelines(root)
    commit(root)
    return root


def copy(root: Path, folder: Path) -> Path:
    shutil.copytree(root, folder / "project", symlinks=True)
    return folder / "project"


def made(root: Path) -> dict[str, bytes]:
    """All that dvc answers for, and its lock: not the run reports, which hold times."""
    files = [file for name in ("runs", "reports") for file in (root / name).rglob("*") if file.is_file()]
    files = [file for file in files if not file.is_relative_to(root / "runs/reports")]
    return {
        str(file.relative_to(root)): file.read_bytes() for file in (*files, root / "dvc.lock", root / "resolved.yaml")
    }
