"""All trials of faults, as many as docs/reliability.md promises: python tests/chaos/run.py [NAME ...] [--seed N].

They run in blocks, two at a time, each by its script's own command line. A block that ended as expected on this code is
not run again, so that a second call goes on where the first one stopped; with changes that are not committed nothing is
kept. None begins after two hours.
"""

import argparse
import math
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP))

from threephase.base.files import read_json, write_json, write_text  # noqa: E402
from threephase.base.provenance import code_revision  # noqa: E402

FOLDER = TOP / "reports/chaos"
# What the trials copy or run.
CODE = ("commands", "data", "encoders", "paper", "stages", "studies", "tests", "threephase")
CODE += ("Makefile", "params.yaml", "requirements.txt", "shared.yaml")
SIDE_BY_SIDE, LIMIT = 2, 2 * 3600  # blocks, and seconds after which none begins
COUNTED = re.compile(r"(\d+) of \d+ trials as expected")


class Trials(NamedTuple):
    """What a script is asked for: ``python tests/chaos/SCRIPT KIND TRIALS SEED``; ``block``: so many in one call."""

    name: str
    script: str
    kind: str
    asked: int
    block: int


TABLE = (
    Trials("kills-tiny", "kills.py", "tiny", 67, 34),  # three kills a trial: 200
    Trials("kills-minilm", "kills.py", "minilm", 7, 7),  # 20
    Trials("dvc-kills", "dvc_kills.py", "dvc", 40, 20),
    Trials("make-kills", "dvc_kills.py", "make", 10, 5),
    Trials("worker-kills", "distribution.py", "worker", 20, 10),
    Trials("head-kills", "distribution.py", "head", 20, 10),
    Trials("flips", "flips.py", "read", 500, 50),
    Trials("cache-flips", "flips.py", "cache", 50, 25),
    Trials("disk-full", "faults.py", "disk_full", 50, 25),
    Trials("output", "faults.py", "output", 20, 20),
    Trials("twice", "faults.py", "twice", 40, 20),
    Trials("params", "params.py", "files", 10_000, 1_000),
    Trials("data", "data.py", "files", 2_000, 500),
    Trials("soak", "soak.py", "stages", 1_000, 1_000),
)


class Block(NamedTuple):
    """Some of the trials; the seed is its own."""

    trials: Trials
    count: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.trials.name}-{self.seed}-{self.count}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [trials.name for trials in TABLE]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(names)}; all if left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the trials that are asked for, as a try")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"got {', '.join(sorted(unknown))}, expected some of: {', '.join(names)}")
    asked = [trials for trials in TABLE if trials.name in (arguments.names or names)]
    blocks = {trials: list(blocks_of(trials, arguments.share, arguments.seed)) for trials in asked}
    good = run_all([block for trials in asked for block in blocks[trials] if (HERE / trials.script).is_file()])
    print(f"\n{'trials':14}{'asked':>8}{'as expected':>13}")
    short = 0
    for trials, parts in blocks.items():
        wanted, reached = sum(block.count for block in parts), sum(good.get(block.name, 0) for block in parts)
        missing = "" if (HERE / trials.script).is_file() else f"  tests/chaos/{trials.script} is missing"
        short += reached < wanted
        print(f"{trials.name:14}{wanted:8,}{reached:13,}{missing}")
    print(f"{len(asked) - short} of {len(asked)} kinds of trials reached what is asked, on {code_revision()}")
    sys.exit(bool(short))


def blocks_of(trials: Trials, share: float, seed: int) -> Iterator[Block]:
    """The blocks of so large a share, at least of one trial; the seeds of two calls with other seeds differ."""
    left = math.ceil(trials.asked * share)
    for number in range(math.ceil(left / trials.block)):
        yield Block(trials, min(trials.block, left - number * trials.block), 1000 * seed + number)


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=TOP, check=True, capture_output=True, text=True).stdout


def committed_code() -> list[str]:
    """What git calls the content of files and folders of code; empty where a file differs from it."""
    changed = git("status", "--porcelain", "--", *CODE)
    return [] if changed else git("rev-parse", *(f"HEAD:{path}" for path in CODE)).split()


def run_all(blocks: list[Block]) -> dict[str, int]:
    """Run what has not yet ended as expected; returns how many trials of each block have, and keeps it."""
    log, code, end = FOLDER / "done.json", committed_code(), time.monotonic() + LIMIT
    kept = read_json(log) if log.is_file() else {}
    good: dict[str, int] = kept["good"] if code and kept.get("code") == code else {}
    waiting = [block for block in blocks if good.get(block.name) != block.count]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for block, count in zip(waiting, pool.map(lambda block: run_block(block, end), waiting), strict=True):
            if count is not None:
                good[block.name] = count
            if count is not None and code:
                write_json(log, {"code": code, "good": good})
    return good


def run_block(block: Block, end: float) -> int | None:
    """How many trials ended as expected; None where it is too late to begin."""
    if (start := time.monotonic()) > end:
        return None
    script, words = HERE / block.trials.script, (block.trials.kind, str(block.count), str(block.seed))
    result = subprocess.run([sys.executable, script, *words], cwd=TOP, capture_output=True, text=True)
    said = FOLDER / f"{block.name}.txt"
    write_text(said, result.stdout + result.stderr)
    told = COUNTED.findall(result.stdout)
    count = block.count if not result.returncode else min(int(told[-1]), block.count - 1) if told else 0
    where = "" if count == block.count else f"; see {said.relative_to(TOP)}"
    print(f"{block.name}: {count} of {block.count} in {time.monotonic() - start:.0f} s{where}", flush=True)
    return count


if __name__ == "__main__":
    main()
