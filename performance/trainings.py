"""A study's trainings side by side: python -m performance.trainings --study sst5_l6 --output FOLDER

A small encoder leaves most of a GPU idle, as its kernels take no longer than their start: several trainings at once
fill it. Each is the stage's own command, by the settings files that resolve_settings wrote. What has its history is not
trained again, so that a run that was cut off goes on. Adds to trainings.csv, with the seconds of each, and keeps logs.
"""

import argparse
import csv
import os
import subprocess
import sys
import time
from collections.abc import Sequence
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
    """Phases 1 to 3 for every seed, in the study's order; named as in dvc, with the seed."""
    trained = [training for training in trainings(study) if training.stage not in BASELINE_STAGES]

    def job(training: Training, seed: int) -> Job:
        encoder, variant = training.encoder, training.variant
        options = ("--study", study.params.name, "--encoder", encoder, "--variant", variant, "--seed", str(seed))
        # What it starts from, and what it may take over.
        needed = (ENCODER_PHASE, training.start), (training.phase, training.compared)
        behind = (other for other in trained if other.encoder == encoder and (other.phase, other.variant) in needed)
        return Job(
            f"{training.stage} {training.cell} {seed}",
            (sys.executable, "-m", "stages", training.program, *options),
            frozenset(f"{other.stage} {other.cell} {seed}" for other in behind),
            paths.history(study.folder, encoder, variant, seed, training.phase),
        )

    return [job(training, seed) for training in trained for seed in study.params.seeds]


def run_all(jobs: Sequence[Job], together: int, deadline: float, logs: Path) -> list[tuple]:
    """Run the jobs that are not done, so many at once; returns a row (``COLUMNS``) for each that was started.

    Nothing starts after ``deadline`` (of ``time.monotonic``), and what then runs is ended. What waits for a job that
    failed does not start.
    """
    logs.mkdir(parents=True, exist_ok=True)
    waiting, running, rows = [job for job in jobs if not job.made.is_file()], {}, []
    missing, began = {job.name for job in waiting}, time.monotonic()
    # Threads that wait without work would take the core that they share.
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
    while True:
        ready = [job for job in waiting if not job.behind & missing] if time.monotonic() < deadline else []
        for job in ready[: together - len(running)]:
            waiting.remove(job)
            log, start = logs / f"{job.name.replace(' ', '-')}.log", time.monotonic()
            with log.open("w", encoding="utf-8") as file:
                process = subprocess.Popen(job.command, stdout=file, stderr=subprocess.STDOUT, env=environment)
            running[job] = process, log, start
        if not running:
            return rows
        time.sleep(0.02)
        for job, (process, log, start) in list(running.items()):
            if process.poll() is None and time.monotonic() < deadline:
                continue
            del running[job]
            end, state = time.monotonic(), state_of(process)
            if state == DONE:
                missing.remove(job.name)
            if state == "failed":
                lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                warn(f"{job.name}: {lines[-1] if lines else 'no message'}")
            rows.append((job.name, state, round(end - began, 2), round(end - start, 2)))
            print(f"{end - began:.0f} s: {job.name}: {state}, {end - start:.1f} s", flush=True)


def state_of(process: subprocess.Popen) -> str:
    """How a process ended; what still runs is ended here."""
    if process.poll() is None:
        process.kill()
        process.wait()
        return "out of time"
    return "failed" if process.returncode else DONE


if __name__ == "__main__":
    run_stage(main)
