"""What a GPU changes, in one command: python -m performance.gpu --output FOLDER; five minutes with a small encoder.

First each phase's loss and gradient against the CPU, and in pieces where the batch does not fit into memory; then the
bench. Needs no network: data and encoder must be there (dvc repro prepare_data fetch_encoder, in a study's folder), and
the peers of the bench (make .venv/peers). Writes CSV files and gpu.md into the folder after each step.
"""

import argparse
import contextlib
import dataclasses
import os
import time
from pathlib import Path

import pandas as pd
import torch

from performance import agreement, bench
from performance.kept import KeptSide
from performance.peers import SETTINGS
from performance.work import PHASES, inputs
from threephase.base.errors import UserError, run_stage
from threephase.base.files import write_table, write_text
from threephase.model.machine import choose_machine
from threephase.results.tables import to_markdown
from threephase.study.read_params import load_shared
from threephase.study.settings import Machine

STEPS = ("agreement", "bench")
SETUP_SECONDS = 120  # of the bench's sides, which are set up side by side
TABLES = ("agreement", "memory", "engine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--data", default="sst5", help="that a study has prepared (sst5)")
    parser.add_argument("--encoder", default="minilm_l6", help="that a study has fetched (minilm_l6)")
    parser.add_argument("--steps", nargs="+", default=STEPS, choices=STEPS)
    parser.add_argument("--minutes", type=float, default=10, help="behind which no phase of the bench is started (10)")
    parser.add_argument("--phases", nargs="+", default=PHASES, choices=PHASES, help="of the bench")
    parser.add_argument("--updates", type=bench.positive, default=bench.UPDATES, help="counted ones of the bench")
    parser.add_argument("--pairs", type=bench.positive, default=3, help="of the bench (3)")
    arguments = parser.parse_args()
    deadline, folder = time.monotonic() + 60 * arguments.minutes, arguments.output
    data, encoder = arguments.data, arguments.encoder
    inputs(data, encoder)
    bench.check_folder(folder)
    machine = dataclasses.replace(choose_machine(load_shared().engine), threads=os.cpu_count() or 1)
    failures = []
    for step in arguments.steps:
        if step == "agreement":
            tables = agreement.compare(data, encoder, machine.device)
            failures += [check(rows, folder / f"{name}.csv") for name, rows in tables.items()]
        if step == "bench":
            run_bench(arguments, data, encoder, machine, deadline)
        write_page(folder, machine)
    if any(failures):
        raise UserError("; ".join(filter(None, failures)))


def check(rows: list[dict], file: Path) -> str:
    """Write and print a table of ``agreement``; returns what did not come out as it must, else nothing."""
    table = pd.DataFrame(rows)
    write_table(file, table)
    print(table.to_string(index=False), flush=True)
    wrong = ", ".join(table["phase"][~table["agrees"]])
    return wrong and f"{file.stem}: {wrong}: expected errors of at most {agreement.LARGEST_ERROR}"


def run_bench(arguments: argparse.Namespace, data: str, encoder: str, machine: Machine, deadline: float) -> None:
    """Our phases beside the peers', by processes that are set up side by side and then measured in turn.

    A peer that can't be set up is left out with a warning.
    """
    about, rows = bench.about_of(encoder, arguments.updates, arguments.pairs, machine), []
    tasks = [bench.task_of(phase, data, encoder, arguments.updates, machine) for phase in arguments.phases]
    with contextlib.ExitStack() as stack:
        sides = [side for task in tasks for side in bench.sides_of(task, SETTINGS)]
        kept = {side: stack.enter_context(KeptSide(side)) for side in sides}
        limit = time.monotonic() + SETUP_SECONDS
        ready = [side for side in sides if kept[side].is_ready(limit - time.monotonic())]
        for phase in arguments.phases:
            of_phase = [side for side in ready if side.phase == phase]
            if len(of_phase) > 2 and time.monotonic() < deadline:
                rows += bench.compare(of_phase, arguments.pairs, lambda side: kept[side].measure())
                bench.write(pd.DataFrame(rows), arguments.output, about)


def write_page(folder: Path, machine: Machine) -> None:
    """gpu.md: what it ran on, and every table that is there."""
    parts = [f"{bench.about_machine(machine)}; {os.cpu_count()} cores, CUDA {torch.version.cuda}.\n"]
    for file in (folder / f"{name}.csv" for name in TABLES):
        if file.is_file():
            table = pd.read_csv(file)
            text = table.assign(**table.select_dtypes("float").map("{:.4g}".format))
            parts += [f"\n## {file.stem}\n", to_markdown(text)]
    write_text(folder / "gpu.md", "\n".join(parts))


if __name__ == "__main__":
    run_stage(main)
