"""A study's trainings side by side: python -m performance.trainings --study sst5_l6 --output FOLDER

A small encoder leaves most of a GPU idle, as its kernels take no longer than their start: several trainings at once
fill it. Each is the stage's own command, by the settings files that resolve_settings wrote. What has its history is not
trained again, so that a run that was cut off goes on. Adds to trainings.csv, with the seconds of each, and keeps logs.
"""

import argparse
import csv
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError, run_stage, warn
from threephase.study.params import Study
from threephase.study.read_params import load_study
from threephase.study.topology import BASELINE_STAGES, ENCODER_PHASE, Training, trainings

COLUMNS = ("job", "state", "end", "seconds")
DONE = "done"


def main() -> None:
    # This module imports nothing large: the system counts a starter's memory as the peak of what it starts.
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="a study whose data, splits and settings are there")
    parser.add_argument("--output", type=Path, required=True, help="folder of the table and the logs")
    parser.add_argument("--minutes", type=float, default=10, help="behind which what still runs is ended (10)")
    parser.add_argument("--together", type=int, default=os.cpu_count(), help="at once; without it one a core")
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    jobs = jobs_of(load_study(arguments.study))
    rows = run_all(jobs, arguments.together, deadline, arguments.output / "logs")
    with (arguments.output / "trainings.csv").open("a", encoding="utf-8", newline="") as table:
        header = [] if table.tell() else [COLUMNS]
        csv.writer(table, lineterminator="\n").writerows(header + rows)
    if missing := [job.name for job in jobs if not job.made.is_file()]:
        raise UserError(f"{len(missing)} of {len(jobs)} trainings are not done, first {missing[0]}; run again")


@dataclass(frozen=True)
class Job:
    """A training for one seed; ``behind``: the names of those that it waits for, ``made``: what it writes last."""

    name: str
    command: tuple[str, ...]
    behind: frozenset[str]
    made: Path


def jobs_of(study: Study) -> list[Job]:
    """Phases 1 to 3 for every seed, in the study's order."""
    trained = [one for one in trainings(study) if one.stage not in BASELINE_STAGES]
    jobs = []
    for one, seed in itertools.product(trained, study.params.seeds):
        options = ("--encoder", one.encoder, "--variant", one.variant, "--seed", str(seed))
        command = (sys.executable, "-m", f"stages.{one.program}", "--study", study.params.name, *options)
        behind = frozenset(name_of(other, seed) for other in trained if waits_for(one, other))
        made = paths.history(study.folder, one.encoder, one.variant, seed, one.phase)
        jobs.append(Job(name_of(one, seed), command, behind, made))
    return jobs


def name_of(training: Training, seed: int) -> str:
    """As the stage is called in dvc, with the seed: train_dae minilm_l6-dae_ft 0."""
    return f"{training.stage} {training.cell} {seed}"


def waits_for(training: Training, other: Training) -> bool:
    """Whether a training starts from what the other makes, or may take it over."""
    needed = (ENCODER_PHASE, training.start), (training.phase, training.compared)
    return training.encoder == other.encoder and (other.phase, other.variant) in needed


def run_all(jobs: Sequence[Job], together: int, deadline: float, logs: Path) -> list[tuple]:
    """Run the jobs that are not done, so many at once; returns a row (``COLUMNS``) for each that was started.

    Nothing starts after ``deadline`` (of ``time.monotonic``), and what then runs is ended. What waits for a job that
    failed does not start.
    """
    logs.mkdir(parents=True, exist_ok=True)
    waiting, running, rows = [job for job in jobs if not job.made.is_file()], {}, []
    missing, began = {job.name for job in waiting}, time.monotonic()
    with ThreadPoolExecutor(together) as pool:
        while True:
            ready = [job for job in waiting if not job.behind & missing] if time.monotonic() < deadline else []
            for job in ready[: together - len(running)]:
                waiting.remove(job)
                running[pool.submit(run_one, job, deadline, logs)] = job
            if not running:
                return rows
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, (state, seconds) = running.pop(future), future.result()
                if state == DONE:
                    missing.remove(job.name)
                end = round(time.monotonic() - began, 2)
                rows.append((job.name, state, end, seconds))
                print(f"{end:.0f} s: {job.name}: {state}, {seconds:.1f} s", flush=True)


def run_one(job: Job, deadline: float, logs: Path) -> tuple[str, float]:
    """Run a job in a process of its own; returns how it ended and its seconds."""
    start, log = time.monotonic(), logs / f"{job.name.replace(' ', '-')}.log"
    # Threads that wait without work would take the core that they share.
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
    with log.open("w", encoding="utf-8") as file:
        told = {"stdout": file, "stderr": subprocess.STDOUT, "env": environment}
        try:
            ended = subprocess.run(job.command, timeout=max(0.0, deadline - start), check=False, **told)
            state = "failed" if ended.returncode else DONE
        except subprocess.TimeoutExpired:
            state = "out of time"
    if state == "failed":
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        warn(f"{job.name}: {lines[-1] if lines else 'no message'}")
    return state, round(time.monotonic() - start, 2)


if __name__ == "__main__":
    run_stage(main)
