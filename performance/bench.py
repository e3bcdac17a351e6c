"""Our phases beside the peers' on the same work, in turn, on this machine; writes reports/performance/."""

import argparse
import json
import platform
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from performance.peers import PEERS, SETTINGS
from performance.process import last_line
from performance.work import PHASES, inputs
from stages.common import paths, provenance
from stages.common.analysis.tables import to_markdown
from stages.common.config import load_shared
from stages.common.engine.machine import choose_machine, gpu_name
from stages.common.errors import UserError, run_stage
from stages.common.files import write_table, write_text

FOLDER = paths.REPORTS / "performance"
# Rows a batch and limit in tokens; counted updates, and the batches that are embedded for each, as they take less.
LONG, SHORT = {"imdb": (16, 256)}, (32, 128)
UPDATES, EMBEDDED = 16, 8
NOT_INSTALLED = "not installed"
COLUMNS = [
    "phase", "data", "device", "precision", "ours_examples_per_s", "peer", "peer_setting", "peer_examples_per_s",
    "ratio", "ratio_low", "ratio_high", "ours_peak_mb", "peer_peak_mb", "limit_examples_per_s", "limit_fraction",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["snips2", "sst5", "imdb"], help="prepared data sets of data/")
    parser.add_argument("--phases", nargs="+", default=PHASES, choices=PHASES)
    parser.add_argument("--encoder", default="minilm_l6", help="a fetched encoder of encoders/")
    parser.add_argument("--settings", nargs="+", default=SETTINGS, choices=SETTINGS, help="of the peers")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each side, in turn")
    parser.add_argument("--updates", type=int, default=UPDATES, help="counted ones, at best a multiple of 8")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="without it what the probe chooses")
    parser.add_argument("--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    check_peers(arguments.phases)
    for data in arguments.data:
        inputs(data, arguments.encoder)
    machine = choose_machine(load_shared().engine)
    precision = arguments.precision or machine.precision
    rows = []
    for data in arguments.data:
        batch_size, max_length = LONG.get(data, SHORT)
        for phase in arguments.phases:
            batches = arguments.updates * (EMBEDDED if phase == "embedding" else 1)
            task = {
                "phase": phase, "data": data, "encoder": arguments.encoder, "batch_size": batch_size,
                "max_length": max_length, "batches": batches,
                "device": machine.device, "precision": precision, "threads": machine.threads,
            }  # fmt: skip
            for row in compare(task, arguments.settings, arguments.pairs):
                rows.append(row)
                print(
                    f"{phase}, {data}: ours {row['ours_examples_per_s']:.0f}/s, {row['peer']} ({row['peer_setting']}) "
                    f"{row['peer_examples_per_s']:.0f}/s, ratio {row['ratio']:.2f} "
                    f"[{row['ratio_low']:.2f}, {row['ratio_high']:.2f}], of the limit {row['limit_fraction']:.2f}",
                    flush=True,
                )
            write(pd.DataFrame(rows, columns=COLUMNS), arguments.output)


def check_peers(phases: list[str]) -> None:
    """UserError if a peer of these phases is not installed, before an hour of measurements."""
    versions = peer_versions()
    for name in (peer for phase in phases for peer in PEERS[phase]):
        if versions[name] == NOT_INSTALLED:
            raise UserError(f"{name}: not installed, expected as a peer of these phases; run: make .venv/peers")


def compare(task: dict, settings: list[str], pairs: int) -> list[dict]:
    """A row for every peer and setting; our own measurement is repeated beside each, and the sides take turns."""
    limit, rows = measure(task | {"side": "limit"})["examples_per_s"], []
    for peer in PEERS[task["phase"]]:
        for setting in settings:
            ours, theirs = [], []
            for _ in range(pairs):
                ours.append(measure(task | {"side": "ours"}))
                theirs.append(measure(task | {"side": "peer", "peer": [peer, setting]}))
            ratios = [a["examples_per_s"] / b["examples_per_s"] for a, b in zip(ours, theirs, strict=True)]
            rate = median(one["examples_per_s"] for one in ours)
            rows.append(
                {
                    **{name: task[name] for name in ("phase", "data", "device", "precision")},
                    "ours_examples_per_s": rate,
                    "peer": peer,
                    "peer_setting": setting,
                    "peer_examples_per_s": median(one["examples_per_s"] for one in theirs),
                    "ratio": median(ratios),
                    "ratio_low": min(ratios),
                    "ratio_high": max(ratios),
                    "ours_peak_mb": median(one["peak_mb"] for one in ours),
                    "peer_peak_mb": median(one["peak_mb"] for one in theirs),
                    "limit_examples_per_s": limit,
                    "limit_fraction": rate / limit,
                }
            )
    return rows


def measure(task: dict) -> dict:
    """What one process of ``performance.measure`` says."""
    what = f"performance.measure of {task['side']}, {task['phase']}, {task['data']}"
    return json.loads(last_line("performance.measure", json.dumps(task), what=what))


def write(table: pd.DataFrame, folder: Path) -> None:
    """The table as CSV and Markdown, with what it ran on, and as a figure; refuses one with a number not positive."""
    wrong = [name for name in table.select_dtypes("number") if not (table[name] > 0).all()]
    if wrong:
        raise UserError(f"{folder}: {wrong[0]}: got {table[wrong[0]].min()}, expected positive numbers")
    from performance.figure import ratios_figure

    write_table(folder / "engine.csv", table)
    flags = " ".join(provenance.cpu_flags())
    versions = ", ".join(f"{name} {version}" for name, version in peer_versions().items())
    # What torch uses of the flags: ATEN_CPU_CAPABILITY caps it, to measure what a lesser CPU would do.
    cpu = f"{provenance.cpu_model()} ({flags}; used: {torch.backends.cpu.get_cpu_capability()})"
    about = f"{cpu}, {gpu_name() or 'no GPU'}, {platform.system()}; {versions}."
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
