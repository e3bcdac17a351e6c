"""What a `dvc repro` spends in its stages, and what beside them: python -m performance.share [--study NAME] [TARGETS].

A hook that Python loads at its start notes when a stage's process begins and when it leaves. The rest of the wall time
is dvc's own, the shells' that it starts, and the ends of the processes, which free their memory. Stages that dvc finds
done or in its run cache start no process, so measure in a fresh clone, with the environment active.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from threephase.base.errors import UserError, run_stage
from threephase.study.arguments import stage_parser

HOOK = """
import atexit, json, os, sys, time, uuid
began = time.monotonic()
if os.path.basename(sys.orig_argv[1]) == "stages":
    def note():
        with open(os.path.join(os.environ["STAGE_TIMES"], uuid.uuid4().hex), "w") as file:
            json.dump({"module": sys.orig_argv[2], "seconds": time.monotonic() - began}, file)
    atexit.register(note)
"""
BASELINES = "train_baselines"


def measure(folder: Path, targets: list[str]) -> tuple[pd.DataFrame, float]:
    """Run ``dvc repro`` in a study's folder; returns its stages' processes (columns module, seconds) and its seconds.

    Raises UserError where it fails or starts no stage.
    """
    with tempfile.TemporaryDirectory() as hook, tempfile.TemporaryDirectory() as times:
        Path(hook, "sitecustomize.py").write_text(HOOK, encoding="utf-8")
        search = os.pathsep.join(filter(None, (hook, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "dvc", "--cd", str(folder), "repro", *targets]
        start = time.perf_counter()
        result = subprocess.run(command, env=os.environ | {"PYTHONPATH": search, "STAGE_TIMES": times}, check=False)
        seconds = time.perf_counter() - start
        if result.returncode:
            raise UserError(f"dvc repro: got status {result.returncode}, expected 0; its own message stands above")
        found = [json.loads(file.read_text()) for file in Path(times).iterdir()]
    if not found:
        raise UserError("dvc repro: no stage ran, expected at least one; measure in a fresh clone")
    return pd.DataFrame(found), seconds


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("targets", nargs="*", help="of dvc repro")
    arguments = parser.parse_args()
    processes, seconds = measure(arguments.study, arguments.targets)
    sums = processes.groupby("module")["seconds"].agg(["count", "sum"]).sort_values("sum", ascending=False)
    for module, (count, taken) in sums.iterrows():
        print(f"{module}: {count:.0f} processes, {taken:.1f} s, {taken / seconds:.1%}")
    trains = processes["module"].str.startswith("train_") & (processes["module"] != BASELINES)
    training, rest = processes.loc[trains, "seconds"].sum(), seconds - processes["seconds"].sum()
    print(
        f"dvc repro: {seconds:.1f} s, {len(processes)} processes; trainings {training / seconds:.1%}, "
        f"beside the stages {rest / seconds:.1%}"
    )


if __name__ == "__main__":
    run_stage(main)
