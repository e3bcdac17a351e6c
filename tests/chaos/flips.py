"""Flip bits in what stages hand to each other: python tests/chaos/flips.py read|cache TRIALS [SEED].

A trial flips one bit of a small finished study. With ``read`` it is in a file that a stage reads, which then runs: it
must name the file in one line, or dvc makes the file again, or no result changes. With ``cache`` it is in dvc's cache:
``make doctor`` must find it. What they say is done, and must give the same bytes as before.
"""

import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "tests/helpers")]

from distributed_project import made, make_study  # noqa: E402
from flipped import flip  # noqa: E402
from tiny_project import environment, run  # noqa: E402
from trials import run_trials  # noqa: E402

DOCTOR = (sys.executable, "-m", "commands.doctor")
SEEN_BY_DVC = 0.2  # share of the flips that change the file's time
REMOVED = re.compile(r"type: rm -r (\S+) && ")
GOOD = ("named", "made again by dvc", "no difference", "found, same bytes")


def trials(where: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        root = make_study(Path(name) / "study")
        run(root, "dvc", "repro")
        expected, trial = made(root), read if where == "read" else in_cache
        for _ in range(count):
            outcome, told = trial(root, draw, expected)
            if made(root) != expected:
                yield "other bytes", f"{told}: {outcome}"
                break  # with which the next trial would begin
            yield outcome, told


def read(root: Path, draw: random.Random, expected: dict[str, bytes]) -> tuple[str, str]:
    """Flip a bit in a file that a stage reads, and run the stage; what it came to, and of which file and stage."""
    lock = YAML(typ="safe").load(root / "dvc.lock")["stages"]
    stage = draw.choice([name for name in lock if name != "resolve_settings"])
    deps = [root / dep["path"] for dep in lock[stage]["deps"]]
    files = [file for dep in deps for file in sorted([dep, *dep.rglob("*")]) if file.is_file()]
    file = draw.choice([file for file in files if not file.is_relative_to(root / "runs/reports")])
    name, seen = str(file.relative_to(root)), draw.random() < SEEN_BY_DVC
    links = [str(one.relative_to(root)) for one in (root / "runs").rglob("*") if one.samefile(file)]
    flip(file, draw)
    if seen:
        file.touch()
        run(root, "dvc", "repro")
        if made(root) == expected:
            return "made again by dvc", f"{name}, seen by dvc"
    said = try_to(root, "dvc", "repro", "--single-item", "--force", stage)
    if said.returncode:
        outcome = judged(said.stdout + said.stderr, name, links)
    else:
        own = tuple(out["path"] for out in lock[stage]["outs"])
        is_same = all(made(root)[other] == content for other, content in expected.items() if other.startswith(own))
        outcome = "no difference" if is_same else "silent"
    outputs = [out["path"] for entry in lock.values() for out in entry["outs"] if inside(name, out["path"])]
    mend(root, REMOVED.findall(said.stdout + said.stderr) or outputs)
    return outcome, f"{name}, read by {stage}{', seen by dvc' * seen}"


def in_cache(root: Path, draw: random.Random, expected: dict[str, bytes]) -> tuple[str, str]:
    """Flip a bit in an object or a finished run of dvc's cache, let ``make doctor`` look, and make all again."""
    cache = [file for name in ("files", "runs") for file in (root / ".dvc/cache" / name).rglob("*") if file.is_file()]
    file = draw.choice(sorted(cache))
    links = file.stat().st_nlink
    flip(file, draw)
    said = run(root, *DOCTOR)
    found = f"{file.relative_to(root)}: removed, as its content is not what its name says" in said
    remove_named(root, said)
    run(root, "dvc", "repro")
    outcome = "found, same bytes" if found else "not found"
    if made(root) == expected:  # from the cache, or where that lacks it by the stage
        for folder in {name.split("/")[0] + "/" + name.split("/")[1] for name in expected if "/" in name}:
            shutil.rmtree(root / folder, ignore_errors=True)
        run(root, "dvc", "repro")
    return outcome, f"{file.relative_to(root)}, {links} links"


def try_to(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, timeout=900)


def judged(said: str, name: str, links: list[str]) -> str:
    """What a stage that fails has said: one line about the file or the folder in which it is, or something else.

    ``links``: the same file in other outputs, as dvc's cache has it once.
    """
    lines = re.findall("^error: (.*)$", said, re.MULTILINE)
    if "Traceback" in said:
        return "traceback"
    told = [line.partition(":")[0] for line in lines]
    return "named" if len(told) == 1 and (inside(name, told[0]) or told[0] in links) else "not one short line"


def inside(name: str, output: str) -> bool:
    return Path(name).is_relative_to(output)


def remove_named(root: Path, said: str) -> None:
    """Remove the outputs that ``make doctor`` names: one file of dvc's cache may be in several, by hard links."""
    for output in REMOVED.findall(said):
        run(root, "rm", "-rf", output)


def mend(root: Path, outputs: list[str]) -> None:
    """Do what the one line says, and what ``make doctor`` says of other outputs that are the same file."""
    run(root, "rm", "-r", *outputs)
    remove_named(root, run(root, *DOCTOR))
    run(root, "dvc", "repro")


if __name__ == "__main__":
    run_trials(__doc__, ["read", "cache"], trials, good=GOOD)
