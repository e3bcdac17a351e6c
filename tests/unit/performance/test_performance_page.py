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
                    cells.append(f"{row.ratio:.1f} [{row.ratio_low:.1f}, {row.ratio_high:.1f}]" if known else "")
            lines.append([NAMES[phase], peer, *cells])
    return as_table(lines)


def shares_and_memory() -> str:
    """The share of the limit, and the peak memory of processes in GB on SNIPS."""
    lines = [["phase", *(f"share, {run}" for run in RUNS), "memory, ours", "memory, peer's best"]]
    snips = rows_of("SNIPS")
    for phase in PHASES:
        rows = (rows_of(run) for run in RUNS)
        shares = [one[one.index.get_level_values("phase") == phase]["limit_fraction"] for one in rows]
        best = {peer: snips.loc[(phase, peer, "best")] for peer in PEERS[phase]}
        lines.append(
            [
                NAMES[phase],
                *(f"{share.median():.2f}" if len(share) else "" for share in shares),
                f"{next(iter(best.values())).ours_peak_mb / 1e3:.1f}",
                ", ".join(f"{row.peer_peak_mb / 1e3:.1f} ({peer})" for peer, row in best.items()),
            ]
        )
    return as_table(lines)


def profile() -> str:
    """Milliseconds of an update by kind of operation."""
    kinds = {
        "whole": ["ms"], "products": ["products", "attention in one kernel"], "dropout": ["dropout"],
        "copies and casts": ["copies and casts"], "optimizer": ["optimizer"], "outside of torch": ["outside of torch"],
    }  # fmt: skip
    lines = [["phase", "side", *kinds]]
    for row in pd.read_csv(FOLDER / "profile.csv").to_dict("records"):
        lines.append([NAMES[row["phase"]], row["side"], *(f"{sum(map(row.get, one)):.0f}" for one in kinds.values())])
    return as_table(lines)


def on_a_gpu() -> str:
    """A GPU's errors against the CPU, and those of a batch that did not fit into its memory."""
    lines = [
        ["phase", "loss", "gradient", "a parameter's, at most", "a batch takes, MB", "pieces", "in pieces, at most"]
    ]
    agreement, memory = (pd.read_csv(FOLDER / "gpu" / f"{name}.csv") for name in ("agreement", "memory"))
    for row in agreement.merge(memory, on="phase", suffixes=("", "_in_pieces")).itertuples():
        errors = (f"{one:.0e}" for one in (row.loss_error, row.gradient_error, row.worst_error))
        taken = f"{row.whole_mb:,.0f}", str(row.pieces), f"{row.worst_error_in_pieces:.0e}"
        lines.append([NAMES[row.phase], *errors, *taken])
    return as_table(lines)


@pytest.mark.parametrize("table", [ratios, shares_and_memory, profile, on_a_gpu])
def test_the_page_has_the_table_of_the_committed_measurements(table):
    assert table() in PAGE.read_text(encoding="utf-8"), table()
