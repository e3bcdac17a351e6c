"""Compare two files of predictions of the same rows, made here or elsewhere: CSV, JSON lines or Parquet.

Columns: label and prediction; id pairs the rows, else their order does; probability is that of the predicted class.
"""

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from threephase.base.errors import run_stage
from threephase.study.read_params import load_shared

if TYPE_CHECKING:
    from threephase.results.prediction_files import Compared
    from threephase.study.params import Statistics

NAMES = ("A", "B")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=Path, metavar="A")
    parser.add_argument("second", type=Path, metavar="B")
    arguments = parser.parse_args()
    files, rule = (arguments.first, arguments.second), load_shared().statistics

    from threephase.results.prediction_files import compare, read_predictions

    sides = [read_predictions(file) for file in files]
    print(as_text(compare(*sides, [str(file) for file in files], rule), files, rule))


def as_text(compared: "Compared", files: tuple[Path, Path], rule: "Statistics") -> str:
    """For the terminal: what was paired, a row a metric, McNemar's test, and what a smaller difference would need."""
    import pandas as pd

    from threephase.report.claims import format_p
    from threephase.results.tables import METRIC_TITLES, TERMINAL_WIDTH, format_difference, format_number, to_plain_text

    rows = []
    for metric, of_metric in compared.differences.items():
        interval, smallest = of_metric.interval, compared.detectable[metric]
        sides = (format_number(of_metric.first), format_number(of_metric.second))
        difference = format_difference(interval.mean, interval.low, interval.high)
        detectable = "not known" if smallest is None else format_number(smallest)
        rows.append((METRIC_TITLES[metric], *sides, difference, detectable))
    paired, (first, second) = "id" if compared.by_id else "their order", compared.alone
    named = zip(NAMES, compared.sure, strict=True)
    sure = [f"{name} {format_number(percent)}%" for name, percent in named if percent is not None]
    notes = [
        f"{compared.rows} rows, paired by {paired}, of {len(compared.classes)} classes. A and B predict the same class "
        f"in {format_number(compared.alike)}% of them.",
        f"Numbers are percent, differences percentage points with {100 * rule.confidence:g}% intervals. They cover the "
        "chance of the rows, for these two classifiers as they are: training one of them again would move them.",
        f"Detectable: a true difference of this size would be found in {100 * rule.detectable_power:g}% of such files.",
        f"Right alone: A in {first} rows, B in {second}. McNemar's exact test: p {format_p(compared.p)}.",
        *([f"Mean probability of the predicted class: {', '.join(sure)}."] if sure else []),
    ]
    told = [textwrap.fill(note, TERMINAL_WIDTH) for note in notes]
    legend = [f"{name}: {file}" for name, file in zip(NAMES, files, strict=True)]
    table = pd.DataFrame(rows, columns=["Metric", *NAMES, "B minus A", "Detectable"])
    return "\n".join([*legend, told[0], "", to_plain_text(table), *told[1:]])


if __name__ == "__main__":
    run_stage(main)
