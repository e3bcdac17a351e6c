"""Our phases beside the peers' on the same work, in turn, on this machine; writes reports/performance/."""

import argparse
import dataclasses
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from performance.measure import LIMIT, OURS, Task
from performance.peers import PEERS, SETTINGS
from performance.process import last_line
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
DESCRIBED = ["phase", "data", "device", "precision"]
COLUMNS = [
    *DESCRIBED, "ours_examples_per_s", "peer", "peer_setting", "peer_examples_per_s",
    "ratio", "ratio_low", "ratio_high", "ours_peak_mb", "peer_peak_mb", "limit_examples_per_s", "limit_fraction",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["snips2", "sst5", "imdb"], help="that a study has prepared")
    parser.add_argument("--phases", nargs="+", default=PHASES, choices=PHASES)
    parser.add_argument("--encoder", default="minilm_l6", help="an encoder that a study has fetched")
    parser.add_argument("--settings", nargs="+", default=SETTINGS, choices=SETTINGS, help="of the peers")
    parser.add_argument("--pairs", type=positive, default=5, help="measurements of each side, in turn")
    parser.add_argument("--updates", type=positive, default=UPDATES, help="counted ones, at best a multiple of 8")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="without it what the probe chooses")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder; by default that of the committed table")
    arguments = parser.parse_args()
    check_peers(arguments.phases)
    for data in arguments.data:
        inputs(data, arguments.encoder)
    check_folder(arguments.output)
    machine = choose_machine(load_shared().engine)
    machine = dataclasses.replace(machine, precision=arguments.precision or machine.precision)
    about = about_of(arguments.encoder, arguments.updates, arguments.pairs, machine)
    rows = []
    for data in arguments.data:
        for phase in arguments.phases:
            task = task_of(phase, data, arguments.encoder, arguments.updates, machine)
            rows += compare(task, sides_of(phase, arguments.settings), arguments.pairs)
            write(pd.DataFrame(rows, columns=COLUMNS), arguments.output, about)


def about_of(encoder: str, updates: int, pairs: int, machine: Machine) -> str:
    """What was measured, for the foot of its table."""
    counted = f"{encoder}, {updates} counted updates, medians of {pairs} pairs; {machine.threads} threads"
    return f"{counted}; engine of {provenance.code_revision()}"


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


def sides_of(phase: str, settings: list[str]) -> list[tuple[str, str]]:
    """Our side of a phase, every peer in every setting, and the limit."""
    return [(OURS, ""), *((peer, setting) for peer in PEERS[phase] for setting in settings), (LIMIT, "")]


def compare(
    task: Task, sides: list[tuple[str, str]], pairs: int, measure: Callable[[Task], dict] | None = None
) -> list[dict]:
    """A row for every peer and setting of ``sides``.

    So many rounds, each of which measures every side once, every other round in the opposite order; a pair is two
    measurements of one round. ``measure``: without it a process each.
    """
    measure, peers = measure or measure_alone, sides[1:-1]
    found = {side: [] for side in sides}
    for number in range(pairs):
        print(f"{task.phase}, {task.data}: round {number + 1} of {pairs}", file=sys.stderr, flush=True)
        for side in reversed(sides) if number % 2 else sides:
            found[side].append(measure(dataclasses.replace(task, side=side[0], setting=side[1])))

    def values(side: tuple[str, str], name: str = "examples_per_s") -> pd.Series:
        return pd.Series([one[name] for one in found[side]])

    ours, limit, rows = values((OURS, "")), values((LIMIT, "")), []
    for peer, setting in peers:
        theirs = values((peer, setting))
        ratios = ours / theirs
        rows.append(
            {
                **{name: getattr(task, name) for name in DESCRIBED},
                "ours_examples_per_s": ours.median(),
                "peer": peer,
                "peer_setting": setting,
                "peer_examples_per_s": theirs.median(),
                "ratio": ratios.median(),
                "ratio_low": ratios.min(),
                "ratio_high": ratios.max(),
                "ours_peak_mb": values((OURS, ""), "peak_mb").median(),
                "peer_peak_mb": values((peer, setting), "peak_mb").median(),
                "limit_examples_per_s": limit.median(),
                "limit_fraction": (ours / limit).median(),
            }
        )
        tell(rows[-1])
    return rows


def tell(row: dict) -> None:
    """Print a row."""
    print(
        f"{row['phase']}, {row['data']}: ours {row['ours_examples_per_s']:.0f}/s, "
        f"{row['peer']} ({row['peer_setting']}) {row['peer_examples_per_s']:.0f}/s, ratio {row['ratio']:.2f} "
        f"[{row['ratio_low']:.2f}, {row['ratio_high']:.2f}], of the limit {row['limit_fraction']:.2f}",
        flush=True,
    )


def measure_alone(task: Task) -> dict:
    """What one process of ``performance.measure`` says: ``examples_per_s``, and of a side ``peak_mb``."""
    what = f"performance.measure of {task.side}, {task.phase}, {task.data}"
    return json.loads(last_line("performance.measure", json.dumps(vars(task)), what=what))


def write(table: pd.DataFrame, folder: Path, about: str) -> None:
    """The table as CSV and Markdown, with what was measured and on what, and as a figure.

    Refuses one with a number that is not positive.
    """
    wrong = [name for name in table.select_dtypes("number") if not (table[name] > 0).all()]
    if wrong:
        raise UserError(f"{folder}: {wrong[0]}: got {table[wrong[0]].min()}, expected positive numbers")
    from performance.figure import ratios_figure

    write_table(folder / "engine.csv", table)
    flags = " ".join(provenance.cpu_flags())
    versions = ", ".join(f"{name} {version}" for name, version in peer_versions().items())
    # What torch uses of the flags: ATEN_CPU_CAPABILITY caps it, to measure what a lesser CPU would do.
    cpu = f"{provenance.cpu_model()} ({flags}; used: {torch.backends.cpu.get_cpu_capability()})"
    about = f"{about}; {cpu}, {gpu_name() or 'no GPU'}, {platform.system()}; {versions}."
    digits = {name: 2 if "ratio" in name or "fraction" in name else 0 for name in table.select_dtypes("number")}
    text = table.assign(**{name: table[name].map(f"{{:.{places}f}}".format) for name, places in digits.items()})
    write_text(folder / "engine.md", to_markdown(text) + "\n" + about + "\n")
    ratios_figure(table).savefig(folder / "engine.svg", metadata={"Date": None})


def peer_versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("torch", "transformers", "sentence-transformers", "setfit", "tokenizers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = NOT_INSTALLED
    return found


if __name__ == "__main__":
    run_stage(main)
