"""CPU seconds that a stage costs beyond its command when `make repro` runs it: dvc's books, the head, the workers.

Stages that copy a file, in a clone of this repository, on two workers; what start and end cost is taken off.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
FEW, MANY = 2, 402


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", TOP, clone], check=True)
        spent = {number: cpu_seconds(clone, number) for number in (FEW, MANY)}
    print(f"{(spent[MANY] - spent[FEW]) / (MANY - FEW):.3f} CPU seconds a stage, its copying and checksums included")


def cpu_seconds(clone: Path, number: int) -> float:
    """Of a run of so many stages, two of which can always run side by side."""
    lines = ["stages:"]
    for stage in range(number):
        source = "params.yaml" if stage < 2 else f"copies/{number}-{stage - 2}"
        copy = f"copies/{number}-{stage}"
        lines += [f"  s{stage}:", f"    cmd: cp {source} {copy}", f"    deps: [{source}]", f"    outs: [{copy}]"]
    (clone / "dvc.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (clone / "dvc.lock").unlink(missing_ok=True)
    (clone / "copies").mkdir(exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "commands.distribute", "--workers", "2"]
    subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
