"""What a GPU changes, in one command: python -m performance.gpu --output FOLDER; ten minutes with a small encoder.

In turn: each phase's loss and gradient against the CPU, a batch that does not fit into memory, the trainings of a study
side by side, and the bench. Needs no network: the study's data and encoder must be there (dvc repro prepare_data
fetch_encoder, in the study's folder), and the peers of the bench (make .venv/peers). With engine.threads: 1 in
shared.yaml as many trainings run at once as there are cores. Writes CSV files and gpu.md into the folder after each
step, and the study's trainings into its runs/ as dvc would. Behind the time limit nothing is started.
"""

import argparse
import contextlib
import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from performance import agreement, bench
from performance.kept import KeptSide
from performance.peers import SETTINGS
from performance.process import output_of
from performance.work import PHASES, inputs
from threephase.base import paths, provenance
from threephase.base.errors import UserError, run_stage
from threephase.base.files import write_table, write_text
from threephase.model.machine import choose_machine, gpu_name
from threephase.results.tables import to_markdown
from threephase.study.params import Study
from threephase.study.read_params import load_study
from threephase.study.settings import Machine

STEPS = ("agreement", "memory", "study", "bench")
SETUP_SECONDS = 120  # of the bench's sides, which are set up side by side
TITLES = {
    "agreement": "Loss and gradient of one batch against the CPU, in fp32",
    "memory": "The gradient of a batch that does not fit, against that of the whole",
    "engine": "Bench",
    "trainings": "Trainings, side by side",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--study", default="sst5_l6", help="(sst5_l6)")
    parser.add_argument("--steps", nargs="+", default=STEPS, choices=STEPS)
    parser.add_argument("--minutes", type=float, default=10, help="behind which nothing is started (10)")
    parser.add_argument("--phases", nargs="+", default=PHASES, choices=PHASES, help="of the bench")
    parser.add_argument("--updates", type=bench.positive, default=64, help="counted ones of the bench (64)")
    parser.add_argument("--pairs", type=bench.positive, default=3, help="of the bench (3)")
    arguments = parser.parse_args()
    deadline, folder = time.monotonic() + 60 * arguments.minutes, arguments.output
    study = load_study(arguments.study)
    encoder = study.params.encoders[0]
    inputs(study.params.dataset, encoder)
    bench.check_folder(folder)
    machine = prepare(study)
    steps = {
        "agreement": lambda: check(agreement.compare(study, encoder, machine.device), folder / "agreement.csv"),
        "memory": lambda: check(agreement.retry(study, encoder, machine.device), folder / "memory.csv"),
        "study": lambda: train(study, machine, deadline, folder),
        "bench": lambda: run_bench(arguments, study, machine, deadline),
    }
    failures = []
    for step in arguments.steps:
        failures += steps[step]()
        write_page(folder, machine)
    if failures:
        raise UserError("; ".join(failures))


def prepare(study: Study) -> Machine:
    """Write the study's settings and the splits that are missing; returns the machine of the settings."""
    name = study.params.name
    output_of("stages.resolve_settings", "--study", name, what="resolve_settings")
    for seed in study.params.seeds:
        if not paths.splits(study.folder, seed).is_dir():
            output_of("stages.split_data", "--study", name, "--seed", str(seed), what=f"split_data, seed {seed}")
    return choose_machine(study.shared.engine)


def check(rows: list[dict], file: Path) -> list[str]:
    """Write and print a step's rows; returns what did not come out as it must."""
    table = pd.DataFrame(rows)
    write_table(file, table)
    print(table.to_string(index=False), flush=True)
    wrong = ", ".join(table["phase"][~table["agrees"]])
    return [f"{file.stem}: {wrong}: expected errors of at most {agreement.LARGEST_ERROR}"] if wrong else []


def train(study: Study, machine: Machine, deadline: float, folder: Path) -> list[str]:
    """Run ``performance.trainings``, a small process, as many at once as their threads leave cores for."""
    together = max(1, os.cpu_count() // machine.threads)
    left = max(0.0, deadline - time.monotonic()) / 60
    command = [sys.executable, "-m", "performance.trainings", "--study", study.params.name]
    command += ["--output", str(folder), "--minutes", f"{left:.3f}", "--together", str(together)]
    return ["trainings: not all are done"] if subprocess.run(command, check=False).returncode else []


def run_bench(arguments: argparse.Namespace, study: Study, machine: Machine, deadline: float) -> list[str]:
    """Our phases beside the peers', by processes that are set up side by side and then measured in turn.

    A peer that can't be set up is left out with a warning.
    """
    encoder, updates, pairs = study.params.encoders[0], arguments.updates, arguments.pairs
    about, rows = bench.about_of(encoder, updates, pairs, machine), []
    with contextlib.ExitStack() as stack:
        tasks = [bench.task_of(one, study.params.dataset, encoder, updates, machine) for one in arguments.phases]
        kept = {
            side: stack.enter_context(KeptSide(side))
            for task in tasks
            for name, setting in bench.sides_of(task.phase, list(SETTINGS))
            for side in [dataclasses.replace(task, side=name, setting=setting)]
        }
        limit = time.monotonic() + SETUP_SECONDS
        kept = {side: process for side, process in kept.items() if process.is_ready(limit - time.monotonic())}
        for task in tasks:
            sides = [(side.side, side.setting) for side in kept if side.phase == task.phase]
            if len(sides) > 2 and time.monotonic() < deadline:
                rows += bench.compare(task, sides, pairs, lambda side: kept[side].measure())
                bench.write(pd.DataFrame(rows, columns=bench.COLUMNS), arguments.output, about)
    return []


def write_page(folder: Path, machine: Machine) -> None:
    """gpu.md: what it ran on, and every table that is there."""
    about = {
        "device": gpu_name() or "cpu",
        "CUDA of torch": torch.version.cuda or "none",
        "precision of trainings and bench": machine.precision,
        "threads of a training": machine.threads,
        "cores": os.cpu_count(),
        "cpu": provenance.cpu_model(),
        "engine": provenance.code_revision(),
        **bench.peer_versions(),
    }
    parts = ["# On a GPU\n", to_markdown(pd.DataFrame(about.items(), columns=["what", "value"]).astype(str))]
    for name, title in TITLES.items():
        if (folder / f"{name}.csv").is_file():
            table = pd.read_csv(folder / f"{name}.csv")
            numbers = table.select_dtypes("float")
            parts += [f"\n## {title}\n", to_markdown(table.assign(**numbers.map("{:.4g}".format)))]
    write_text(folder / "gpu.md", "\n".join(parts))


if __name__ == "__main__":
    run_stage(main)
