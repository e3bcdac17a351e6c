"""Our phases beside the peers' on the same work, in turn, on this machine; writes reports/performance/."""

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from performance.measure import LIMIT, OURS, Task
from performance.peers import PEERS, SETTINGS
from performance.work import PHASES, inputs
from threephase.base import paths, provenance
from threephase.base.errors import UserError, run_stage
from threephase.base.files import write_table, write_text
from threephase.model.machine import choose_machine, gpu_name
from threephase.results.tables import to_markdown
from threephase.study.read_params import load_shared
from threephase.study.settings import Machine

FOLDER = paths.REPORTS / "performance"
UPDATES, EMBEDDED = 16, 8  # counted ones, and the batches that are embedded for each, as they take less
NOT_INSTALLED = "not installed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["snips2", "sst5"], help="that a study has prepared")
    parser.add_argument("--phases", nargs="+", default=PHASES, choices=PHASES)
    parser.add_argument("--encoder", default="minilm_l6", help="an encoder that a study has fetched")
    parser.add_argument("--settings", nargs="+", default=SETTINGS, choices=SETTINGS, help="of the peers")
    parser.add_argument("--pairs", type=positive, default=3, help="measurements of each side, in turn")
    parser.add_argument("--updates", type=positive, default=UPDATES, help="counted ones, at best a multiple of 8")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="without it what the probe chooses")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder; by default that of the committed table")
    arguments = parser.parse_args()
    check_peers(arguments.phases)
    for data in arguments.data:
        inputs(data, arguments.encoder)
    check_folder(arguments.output)
    machine = choose_machine(load_shared().engine)
    machine = dataclasses.replace(
        machine, precision=arguments.precision or machine.precision, threads=os.cpu_count() or 1
    )
    about = about_of(arguments.encoder, arguments.updates, arguments.pairs, machine)
    rows = []
    for data in arguments.data:
        for phase in arguments.phases:
            task = task_of(phase, data, arguments.encoder, arguments.updates, machine)
            rows += compare(sides_of(task, arguments.settings), arguments.pairs)
            write(pd.DataFrame(rows), arguments.output, about)


def about_of(encoder: str, updates: int, pairs: int, machine: Machine) -> str:
    """What was measured and on what, for the foot of its table."""
    return f"{encoder}, {updates} counted updates, medians of {pairs} pairs; {about_machine(machine)}."


def about_machine(machine: Machine) -> str:
    """The machine's threads, hardware and precision, and the versions of our engine and of the peers."""
    # What torch uses of the flags: ATEN_CPU_CAPABILITY caps it, to measure what a lesser CPU would do.
    used = f"{' '.join(provenance.cpu_flags())}; used: {torch.backends.cpu.get_cpu_capability()}"
    hardware = f"{provenance.cpu_model()} ({used}), {gpu_name() or 'no GPU'}, {platform.system()}"
    versions = ", ".join(f"{name} {version}" for name, version in peer_versions().items())
    ours = f"{machine.threads} threads, {machine.precision}; engine of {provenance.code_revision()}"
    return f"{ours}; {hardware}; {versions}"


def task_of(phase: str, data: str, encoder: str, updates: int, machine: Machine) -> Task:
    return Task(phase, data, encoder, updates * (EMBEDDED if phase == "embedding" else 1), **vars(machine))


def positive(text: str) -> int:
    """The whole number that an option was given; argparse says what is wrong with another."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"got {text}, expected a whole number of at least 1")
    return int(text)


def check_folder(folder: Path) -> None:
    """UserError if nothing can be written into the folder, before an hour of measurements; makes it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output: got {folder}, expected a folder that can be made: {error.strerror}") from error


def check_peers(phases: list[str]) -> None:
    """UserError if a peer of these phases is not installed, before an hour of measurements."""
    versions = peer_versions()
    for name in (peer for phase in phases for peer in PEERS[phase]):
        if versions[name] == NOT_INSTALLED:
            raise UserError(f"{name}: not installed, expected as a peer of these phases; run: make .venv/peers")


def sides_of(task: Task, settings: Sequence[str]) -> list[Task]:
    """The task by our side, by every peer of its phase in every setting, and by the limit."""
    named = (OURS, ""), *((peer, setting) for peer in PEERS[task.phase] for setting in settings), (LIMIT, "")
    return [dataclasses.replace(task, side=side, setting=setting) for side, setting in named]


def compare(sides: list[Task], pairs: int, measure: Callable[[Task], dict] | None = None) -> list[dict]:
    """A row for every peer and setting of ``sides``, which begin with ours and end with the limit.

    So many rounds, each of which measures every side once, every other round in the opposite order; a pair is two
    measurements of the same round. ``measure``: without it a process each.
    """
    measured, (ours, *peers, limit) = {side: [] for side in sides}, sides
    for number in range(pairs):
        print(f"{ours.phase}, {ours.data}: round {number + 1} of {pairs}", file=sys.stderr, flush=True)
        for side in reversed(sides) if number % 2 else sides:
            measured[side].append((measure or measure_alone)(side))
    rates, peaks = (
        {side: pd.Series([said[name] for said in measured[side]]) for side in sides}
        for name in ("examples_per_s", "peak_mb")
    )
    rows = []
    for peer in peers:
        ratios = rates[ours] / rates[peer]
        row = {
            **{name: getattr(peer, name) for name in ("phase", "data", "device", "precision")},
            "ours_examples_per_s": rates[ours].median(), "peer": peer.side, "peer_setting": peer.setting,
            "peer_examples_per_s": rates[peer].median(), "ratio": ratios.median(), "ratio_low": ratios.min(),
            "ratio_high": ratios.max(), "ours_peak_mb": peaks[ours].median(), "peer_peak_mb": peaks[peer].median(),
            "limit_examples_per_s": rates[limit].median(), "limit_fraction": (rates[ours] / rates[limit]).median(),
        }  # fmt: skip
        told = (f"{name} {value:.4g}" if isinstance(value, float) else value for name, value in row.items())
        print(", ".join(told), flush=True)
        rows.append(row)
    return rows


def measure_alone(task: Task) -> dict:
    """What one process of ``performance.measure`` says: ``examples_per_s`` and ``peak_mb``."""
    what = f"performance.measure of {task.side}, {task.phase}, {task.data}"
    return json.loads(output_of("performance.measure", json.dumps(vars(task)), what=what).splitlines()[-1])


def output_of(module: str, *arguments: str, what: str) -> str:
    """What ``python -m module arguments`` prints; UserError of ``what`` with its own last word."""
    command = [sys.executable, "-m", module, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode < 0:
        raise UserError(f"{what}: killed by signal {-result.returncode}, expected an end; 9 is mostly a lack of memory")
    if result.returncode:
        raise UserError(f"{what}: {(result.stderr.strip() or 'no message').splitlines()[-1]}")
    return result.stdout


def write(table: pd.DataFrame, folder: Path, about: str) -> None:
    """The table as CSV and Markdown, with what was measured and on what; refuses a number that is not positive."""
    numbers = table.select_dtypes("number")
    wrong = [name for name in numbers if not (table[name] > 0).all()]
    if wrong:
        raise UserError(f"{folder}: {wrong[0]}: got {table[wrong[0]].min()}, expected positive numbers")
    write_table(folder / "engine.csv", table)
    digits = {name: 2 if "ratio" in name or "fraction" in name else 0 for name in numbers}
    text = table.assign(**{name: table[name].map(f"{{:.{places}f}}".format) for name, places in digits.items()})
    write_text(folder / "engine.md", to_markdown(text) + "\n" + about + "\n")


def peer_versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in ("torch", "transformers", "sentence-transformers", "setfit", "tokenizers"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = NOT_INSTALLED
    return versions


if __name__ == "__main__":
    run_stage(main)
