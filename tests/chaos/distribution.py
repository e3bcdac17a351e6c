"""Kill what runs a study at random moments: python tests/chaos/distribution.py worker|head TRIALS [SEED].

A trial runs a small study on two workers and kills one of them, or the command itself. It says whether lock and outputs
are the bytes of an undisturbed `dvc repro`, what ran twice, and whether a process was left after three seconds.
"""

import contextlib
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "tests/helpers")]

from distributed_project import DISTRIBUTE, copy, made, make_study  # noqa: E402
from tiny_project import environment, run  # noqa: E402
from trials import outcome_of, run_trials  # noqa: E402

COMMAND = (*DISTRIBUTE, "--workers", "2")
RAN = re.compile(r"; (\S+): [\d.]+ s$", re.MULTILINE)
ORPHANS_AFTER = 3.0  # seconds


def trials(killed: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        new = make_study(Path(name) / "new")
        undisturbed = copy(new, Path(name) / "undisturbed")
        start = time.monotonic()
        run(undisturbed, *COMMAND)
        seconds = time.monotonic() - start
        by_dvc = copy(new, Path(name) / "by_dvc")
        run(by_dvc, "dvc", "repro")
        expected = made(by_dvc)
        assert made(undisturbed) == expected
        for number in range(count):
            root = copy(new, Path(name) / str(number))
            yield trial(root, killed, draw.uniform(0, seconds), draw, expected)


def trial(root: Path, killed: str, moment: float, draw: random.Random, expected: dict[str, bytes]):
    """What it came to, and what happened."""
    log = root.parent / "said"
    with log.open("w") as out:
        head = psutil.Popen(COMMAND, cwd=root, env=environment(root), stdout=out, stderr=subprocess.STDOUT)
        time.sleep(moment)
        victims = workers_of(head) if killed == "worker" else [head]
        victim = draw.choice(victims) if victims and head.is_running() else None
        with contextlib.suppress(psutil.NoSuchProcess):
            if victim:
                victim.kill()
        status = head.wait()
    first = RAN.findall(log.read_text())
    faults, second = [], []
    time.sleep(ORPHANS_AFTER)
    if left := processes_in(root):
        faults.append(f"left behind: {left}")
    if killed == "head":
        second = RAN.findall(run(root, *COMMAND))
        # The command runs where no worker does; a stage that was finished but not yet told may be told by the second.
        if again := set(first) & set(second):
            faults.append(f"computed again: {', '.join(sorted(again))}")
    elif status:
        faults.append(f"ended with {status}: {log.read_text()[-500:]}")
    if twice := [stage for stage, times in Counter(first).items() if times > 1]:
        faults.append(f"told twice: {', '.join(twice)}")
    if not (root / "dvc.lock").is_file() or made(root) != expected:
        faults.append("other bytes")
    what = f"{killed} killed after {moment:.1f} s" if victim else f"nothing to kill after {moment:.1f} s"
    return outcome_of(faults), f"{what}, {len(first)} and {len(second)} stages ran"


def workers_of(head: psutil.Process) -> list[psutil.Process]:
    """The processes that run stages: each is a child of a nanny's, or of the command."""
    # Named at once: one that ends meanwhile has no command line any more.
    found = {one.pid: one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])}
    return [one for one in head.children(recursive=True) if "spawn_main" in str(found.get(one.pid))]


def processes_in(root: Path) -> list[str]:
    found = psutil.process_iter(["cwd", "cmdline"])
    return [" ".join(one.info["cmdline"] or [])[-80:] for one in found if (one.info["cwd"] or "").startswith(str(root))]


if __name__ == "__main__":
    run_trials(__doc__, ["worker", "head"], trials)
