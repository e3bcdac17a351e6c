"""A soak: python tests/chaos/soak.py stages N [SEED].

At least N stages of one study in a row, by one worker. Memory and open files of the command and of its worker stay as
they are, and nothing is left but what dvc answers for. The stages are one run, so that one fault fails them all.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from statistics import median

import psutil
from dvc.utils.serialize import load_yaml

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "tests/helpers")]

from distributed_project import DISTRIBUTE  # noqa: E402
from distribution import ORPHANS_AFTER, processes_in, workers_of  # noqa: E402
from small_project import change  # noqa: E402
from tiny_project import STUDY, commit, environment, make_pipelines, make_tiny_project, run  # noqa: E402
from trials import outcome_of, run_trials  # noqa: E402

# A seed's stages are then its split and a training.
VALUES, STAGES_OF_A_SEED = {"variants": ["ft"], "baselines": ["majority"], "draw_encoders": False}, 2
EVERY = 10  # stages between two looks
GROWTH = 1.05  # what counts as flat: a median of the last quarter of the looks, of that of the second
LOOKS = ("the command's megabytes", "its open files", "the worker's megabytes", "its open files")
Look = tuple[int, ...]
DVC = (".git", ".dvc")  # with dvc's cache and its books on files, which grow by what each stage makes


def trials(_: str, stages: int, first_seed: int) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        root, temporary = make_tiny_project(Path(folder, "project")), Path(folder, "temporary")
        temporary.mkdir()
        seeds = range(first_seed, first_seed + max(2, stages // STAGES_OF_A_SEED))
        change(root, STUDY, VALUES | {"seeds": list(seeds)})
        make_pipelines(root)
        commit(root)
        before = set(everything(root, temporary))
        ran, looks = run_and_look(root, temporary)
        faults = [*growing(looks), *left_behind(root, temporary, before)]
    for number in range(stages):
        told = f"{ran} stages ran; every {EVERY} {', '.join(LOOKS)}: {looks}" if number == 0 else "in the same run"
        yield outcome_of((faults if number == 0 else faults[:1]) if number < ran else ["not run"]), told


def run_and_look(root: Path, temporary: Path) -> tuple[int, list[Look]]:
    """Run the study, whose temporary files go to a folder of their own; how many stages ran, and what they took."""
    looks, ran = [], 0
    with tempfile.TemporaryFile("w+") as errors:
        variables = environment(root) | {"TMPDIR": str(temporary)}
        head = psutil.Popen(
            [*DISTRIBUTE, "--workers", "1"], cwd=root, env=variables, text=True, stdout=subprocess.PIPE, stderr=errors
        )
        for line in head.stdout:
            ran += bool(re.search(r": [\d.]+ s$", line))
            if ran % EVERY == 1:
                looks.append(look(head))
        if head.wait():
            errors.seek(0)
            raise SystemExit(errors.read())
    return ran, looks


def look(head: psutil.Popen) -> Look:
    worker = max(workers_of(head), key=lambda process: process.memory_info().rss)
    return tuple(number for one in (head, worker) for number in (one.memory_info().rss // 10**6, one.num_fds()))


def growing(looks: Sequence[Look]) -> Iterator[str]:
    quarter = max(1, len(looks) // 4)
    for what, numbers in zip(LOOKS, zip(*looks, strict=True), strict=True):
        before, after = median(numbers[quarter : 2 * quarter] or numbers), median(numbers[-quarter:])
        if after > GROWTH * before:
            yield f"{what} from {before} to {after}"


def everything(root: Path, temporary: Path) -> Iterator[Path]:
    """Files and folders, but for what Python compiles."""
    for path in [*root.rglob("*"), *temporary.rglob("*")]:
        if path.relative_to(root.parent).parts[1] not in DVC and "__pycache__" not in path.parts:
            yield path


def left_behind(root: Path, temporary: Path, before: Collection[Path]) -> Iterator[str]:
    """Files and folders for which nobody answers, and processes."""
    entries = load_yaml(str(root / "dvc.lock"))["stages"].values()
    known = [root / out["path"] for entry in entries for out in entry.get("outs", [])] + [root / "runs/reports"]
    known += [root / "dvc.lock", root / ".engine.json"]
    known.append(temporary / "dask-scratch-space")  # with two locks that Dask keeps for its next start
    time.sleep(ORPHANS_AFTER)
    for path in set(everything(root, temporary)).difference(before):
        if not any(path.is_relative_to(one) or one.is_relative_to(path) for one in known):
            yield f"left: {path.relative_to(root.parent)}"
    yield from processes_in(root)
    if "up to date" not in (said := run(root, "dvc", "status")):
        yield said


if __name__ == "__main__":
    run_trials(__doc__, ["stages"], trials)
