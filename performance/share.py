"""What a `dvc repro` spends in its stages and what in dvc itself: python -m performance.share <arguments of dvc repro>.

A hook that Python loads at its start notes when the process of each stage begins and ends; dvc's own share is the rest
of the wall time. Stages that dvc finds done or in its run cache start no process, so measure in a fresh clone.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from stages.common.errors import UserError, run_stage

HOOK = """
import atexit, json, os, sys, time
began = time.time()
if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2].startswith("stages."):
    def note():
        with open(os.path.join(os.environ["STAGE_TIMES"], str(os.getpid())), "w") as file:
            json.dump({"stage": sys.orig_argv[2].removeprefix("stages."), "seconds": time.time() - began}, file)
    atexit.register(note)
"""


def measure(arguments: list[str]) -> tuple[pd.DataFrame, float]:
    """Run ``dvc repro`` with the arguments; returns its stages' processes (columns stage, seconds) and its seconds."""
    with tempfile.TemporaryDirectory() as hook, tempfile.TemporaryDirectory() as times:
        Path(hook, "sitecustomize.py").write_text(HOOK, encoding="utf-8")
        search = os.pathsep.join(filter(None, (hook, os.environ.get("PYTHONPATH"))))
        start = time.perf_counter()
        result = subprocess.run(
            ["dvc", "repro", *arguments], env=os.environ | {"PYTHONPATH": search, "STAGE_TIMES": times}, check=False
        )
        seconds = time.perf_counter() - start
        if result.returncode:
            raise UserError(f"dvc repro {' '.join(arguments)}: ended with status {result.returncode}, expected 0")
        found = [json.loads(file.read_text()) for file in Path(times).iterdir()]
    if not found:
        raise UserError("dvc repro: no stage ran, expected at least one; measure in a fresh clone")
    return pd.DataFrame(found), seconds


def main() -> None:
    processes, seconds = measure(sys.argv[1:])
    sums = processes.groupby("stage")["seconds"].agg(["count", "sum"]).sort_values("sum", ascending=False)
    for stage, (count, taken) in sums.iterrows():
        print(f"{stage}: {count:.0f} processes, {taken:.1f} s, {taken / seconds:.1%}")
    training = processes.loc[processes["stage"].str.startswith("train_"), "seconds"].sum()
    own = seconds - processes["seconds"].sum()
    print(f"dvc repro: {seconds:.1f} s; trainings {training / seconds:.1%}, dvc itself {own / seconds:.1%}")


if __name__ == "__main__":
    run_stage(main)
