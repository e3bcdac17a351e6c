"""The tables of docs/performance.md are those of the committed measurements, rounded once."""

from pathlib import Path

import pandas as pd
import pytest

from performance.bench import FOLDER, PEERS, PHASES

PAGE = Path("docs/performance.md")
RUNS = {
    "SNIPS": ("engine.csv", "snips2"),
    "SST-5": ("engine.csv", "sst5"),
    "SNIPS, AVX2": ("avx2/engine.csv", "snips2"),
}
NAMES = {"dae": "1", "contrastive": "2", "classifier": "3", "embedding": "embedding"}
SETTINGS = {"default": "its defaults", "best": "its best"}


def rows_of(run: str) -> pd.DataFrame:
    file, data = RUNS[run]
    return pd.read_csv(FOLDER / file).query("data == @data").set_index(["phase", "peer", "peer_setting"])


def as_table(lines: list[list[str]]) -> str:
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def ratios() -> str:
    """Our examples a second to the peer's."""
    lines = [["phase", "peer", *(f"{run}: {setting}" for run in RUNS for setting in SETTINGS.values())]]
    for phase in PHASES:
        for peer in PEERS[phase]:
            cells = []
            for run in RUNS:
                rows = rows_of(run)
                for setting in SETTINGS:
                    known = (phase, peer, setting) in rows.index
                    row = rows.loc[(phase, peer, setting)] if known else None
                    cells.append(f"{row.ratio:.1f} ({row.ratio_low:.1f}–{row.ratio_high:.1f})" if known else "")
            lines.append([NAMES[phase], peer, *cells])
    return as_table(lines)


def shares_of_the_limit() -> str:
    """The part of the limit that ours reach."""
    lines = [["phase", *RUNS]]
    for phase in PHASES:
        tables = (rows_of(run) for run in RUNS)
        shares = [rows[rows.index.get_level_values("phase") == phase]["limit_fraction"] for rows in tables]
        lines.append([NAMES[phase], *(f"{share.median():.2f}" if len(share) else "" for share in shares)])
    return as_table(lines)


@pytest.mark.parametrize("table", [ratios, shares_of_the_limit])
def test_the_page_has_the_table_of_the_committed_measurements(table):
    assert table() in PAGE.read_text(encoding="utf-8"), table()
