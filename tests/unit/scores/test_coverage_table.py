"""The table of docs/statistics.md on how often intervals hold the truth is that of reports/statistics/coverage.csv."""

from pathlib import Path

import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[3]
RATIOS = ("small", "equal", "dominant")


def test_the_table_on_coverage_sums_up_the_designs():
    lines = (REPOSITORY / "docs/statistics.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| a ")]
    table = {tuple(row[:3]): row[3:] for row in rows if len(row) == 6 and row[2] in RATIOS}
    designs = pd.read_csv(REPOSITORY / "reports/statistics/coverage.csv").groupby(["kind", "seeds", "ratio"])
    assert len(table) == len(designs) == 27
    for (kind, seeds, ratio), coverage in designs["coverage"]:
        outside = f"{int((~coverage.between(92, 97)).sum())} of {len(coverage)}"
        assert table[kind, str(seeds), ratio] == [f"{coverage.mean():.1f}", f"{coverage.min():.1f}", outside]
