"""Kill dvc while it checks stages: python tests/chaos/dvc_kills.py dvc|make TRIALS [SEED].

A trial takes from a finished study its lock or an output, so that dvc has stages to check and to take from its cache,
and kills (SIGKILL) `dvc repro` or `make repro` before, between or after them. Then `make doctor` and `dvc repro`, or
`make repro` alone, must not be blocked, and give the same bytes.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "tests/helpers")]

from distributed_project import made, make_study  # noqa: E402
from small_project import change  # noqa: E402
from tiny_project import STUDY, commit, environment, make_pipelines, run  # noqa: E402
from trials import outcome_of, run_trials  # noqa: E402

# Make takes the environment as installed; what the files' dates say of it is no matter here.
MAKE = ("make", "--silent", "--old-file=.venv/installed")
KILLED = {"dvc": ("dvc", "repro"), "make": (*MAKE, "repro")}
AFTER = {"dvc": [(*MAKE, "doctor"), ("dvc", "repro")], "make": [(*MAKE, "repro")]}
BEGINS = {"dvc": "repro", "make": "commands.distribute"}  # a word of the process that checks


def trials(kind: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        whole = finished(Path(name) / "whole/project")
        root = shutil.copytree(whole, Path(name) / "work/project", symlinks=True)
        expected = made(root)
        disturb(root, random.Random(0))
        seconds = checking(root, kind, None)
        for _ in range(count):
            faults, told = trial(root, kind, draw.uniform(0, seconds), draw, expected)
            yield outcome_of(faults), told
            if faults:
                shutil.rmtree(root)
                shutil.copytree(whole, root, symlinks=True)


def finished(root: Path) -> Path:
    """A study of few quick stages that has run, with all that make needs."""
    make_study(root)
    change(root, STUDY, {"variants": ["ft"], "baselines": ["majority"], "seeds": [0]})
    make_pipelines(root)
    for file in ("Makefile", "README.md"):
        shutil.copy(TOP / file, root / file)
    (root / ".venv").symlink_to(sys.prefix)
    run(root, "dvc", "repro")
    commit(root)
    return root


def disturb(root: Path, draw: random.Random) -> str:
    """Give dvc something to check; returns what."""
    outputs = [file for file in sorted((root / "runs").rglob("*.*")) if file.is_file() and "reports" not in file.parts]
    lost = draw.choice([root / "dvc.lock", root / "dvc.lock", draw.choice(outputs), None])
    if lost:
        lost.unlink()
    return f"{lost.relative_to(root)} lost" if lost else "nothing lost"


def checking(root: Path, kind: str, moment: float | None) -> float:
    """Run the command and kill it so many seconds after it began to check, if it still runs then.

    Returns the seconds from there to its end.
    """
    process = subprocess.Popen(
        KILLED[kind], cwd=root, env=environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and not checks(psutil.Process(process.pid), kind):
        time.sleep(0.01)
    start = time.monotonic()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    if process.poll() is None:
        # Of make also what it has started; a stage of dvc may outlive it.
        (os.killpg if kind == "make" else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    return time.monotonic() - start


def checks(process: psutil.Process, kind: str) -> bool:
    """Whether the process that checks has begun: it has opened dvc's list of the paths in use or its own lock."""
    with contextlib.suppress(psutil.Error):
        of_group = [process, *process.children(recursive=True)]
        checking = [one for one in of_group if BEGINS[kind] in one.cmdline()]
        return any(Path(file.path).parent.name == "tmp" for one in checking for file in one.open_files())
    return False


def trial(root: Path, kind: str, moment: float, draw: random.Random, expected: dict[str, bytes]):
    """What is not as it should be, and what happened."""
    lost = disturb(root, draw)
    checking(root, kind, moment)
    left = [name for name in ("rwlock", "lock") if (root / ".dvc/tmp" / name).exists()]
    faults = []
    for command in AFTER[kind]:
        result = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, timeout=300)
        if result.returncode:
            said = (result.stdout + result.stderr).strip().splitlines()
            faults.append(f"{' '.join(command)} ended with {result.returncode}: {said[-1:]}")
    now = made(root)  # make adds pages over all studies
    if not faults and (others := sorted(file for file, content in expected.items() if now.get(file) != content)):
        faults.append(f"other bytes: {', '.join(others)}")
    return faults, f"{lost}, {kind} repro killed {moment:.2f} s after it began to check, left: {', '.join(left) or '-'}"


if __name__ == "__main__":
    run_trials(__doc__, list(KILLED), trials)
