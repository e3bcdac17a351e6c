"""Coverage of the intervals over simulated studies; writes reports/statistics/coverage.csv and docs/statistics.md."""

import argparse
import dataclasses
from pathlib import Path

import pandas as pd

from simulations.designs import MISREAD, STUDIES, designs, simulate
from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.base.files import with_part, write_table, write_text
from threephase.results.tables import format_number, to_markdown

FILE, PAGE = paths.REPORTS / "statistics" / "coverage.csv", Path("docs/statistics.md")
LEAST, LOW, HIGH = 89.0, 92.0, 97.0  # percent: of every design, and where its coverage is as it should be


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    rows = []
    for design in designs():
        studies = STUDIES[design.rows]
        rows.append(dataclasses.asdict(design) | {"studies": studies} | simulate(design, studies))
        print(", ".join(map(str, rows[-1].values())), flush=True)
    coverage = pd.DataFrame(rows).round({"coverage": 2, "mean_width": 3})
    write_table(FILE, coverage)
    write_text(PAGE, with_table(PAGE.read_text(encoding="utf-8"), coverage))


def summary(coverage: pd.DataFrame) -> pd.DataFrame:
    """A row for every kind, number of seeds and variance between seeds: coverage over rows and accuracies."""
    rows = []
    for (kind, seeds, ratio), group in coverage.groupby(["kind", "seeds", "ratio"], sort=False):
        row = {"Interval of": kind, "Seeds": seeds, "Variance between seeds": ratio}
        row |= {"Mean": format_number(group["coverage"].mean()), "Least": format_number(group["coverage"].min())}
        outside = (~group["coverage"].between(LOW, HIGH)).sum()
        rows.append(row | {f"Outside {LOW:g} to {HIGH:g}": f"{outside} of {len(group)}"})
    return pd.DataFrame(rows)


def as_text(coverage: pd.DataFrame) -> str:
    """The summary and, below it, every design outside of the range, as Markdown."""
    outside = coverage[~coverage["coverage"].between(LOW, HIGH) & (coverage["kind"] != MISREAD)]
    named = outside.assign(accuracy=100 * outside["accuracy"])[
        ["kind", "seeds", "rows", "accuracy", "ratio", "coverage"]
    ]
    named = named.set_axis(["Interval of", "Seeds", "Rows", "Accuracy", "Variance between seeds", "Coverage"], axis=1)
    for column in ("Accuracy", "Coverage"):
        named[column] = named[column].map(format_number)
    return "\n".join([to_markdown(summary(coverage)), f"Outside {LOW:g} to {HIGH:g}%:\n", to_markdown(named)])


def with_table(page: str, coverage: pd.DataFrame) -> str:
    """The page with the table of the simulation in its place."""
    return with_part(PAGE, page, "coverage", "python -m simulations.coverage", as_text(coverage))


if __name__ == "__main__":
    run_stage(main)
