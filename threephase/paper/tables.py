"""The paper's tables beside ours as text, from the frames of ``numbers`` and ``data_tables``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.files import write_table, write_text
from threephase.paper.numbers import CITED, DATA_TABLES, MISSING
from threephase.results.results import read_frame
from threephase.results.tables import (
    METRIC_TITLES,
    escape_markdown,
    format_interval,
    format_number,
    format_printed,
    format_signed,
    to_latex,
    to_markdown,
)
from threephase.study.params import Shared

CONTENTS = {1: "rows", 2: "words", 3: "accuracy", 4: "accuracy", 6: "precision and recall", 7: "F1"}
DATA_TITLES = {
    "train_dae_rows": "Training rows, phase 1",
    "train_contrastive_rows": "Training rows, phase 2",
    "test_rows": "Test rows",
    "average_words": "Words, average",
    "max_words": "Words, maximum",
}


def measured_table(frame: pd.DataFrame, shared: Shared, datasets: Mapping[str, str]) -> pd.DataFrame:
    """A row for every number of a measured table, texts only; ``datasets``: titles by name."""
    known = {**shared.variants, **shared.baselines}
    rows = [
        {
            "Data set": datasets.get(line["study_dataset"] or line["dataset"], line["dataset"]),
            "Variant": known[line["variant"]].title if line["variant"] in known else line["variant"],
            "Metric": METRIC_TITLES.get(line["metric"], line["metric"]),
            "Paper": "" if pd.isna(line["paper"]) else format_printed(line["paper"]),
            **_reproduced(line),
            "Verdict": line["verdict"],
            "Note": line["note"],
        }
        for line in frame.to_dict("records")
    ]
    return pd.DataFrame(rows)


def _reproduced(line: Mapping[str, Any]) -> dict[str, str]:
    """What was measured, with the interval of the mean and the one that another run is expected in."""
    if pd.isna(line["mean"]):
        reproduced = "" if line["paper_encoder"] == CITED else MISSING
        return {"Reproduced": reproduced, "Another run": "", "Seeds": "", "Test rows": "", "Difference": ""}
    another = "" if pd.isna(line["run_low"]) else format_interval(max(line["run_low"], 0), min(line["run_high"], 100))
    return {
        "Reproduced": f"{format_number(line['mean'])} {format_interval(line['ci_low'], line['ci_high'])}",
        "Another run": another,
        "Seeds": f"{line['n_seeds']:.0f}",
        "Test rows": f"{line['n_test']:.0f}",
        "Difference": "" if pd.isna(line["delta"]) else format_signed(line["delta"]),
    }


def data_table(frame: pd.DataFrame, datasets: Mapping[str, str]) -> pd.DataFrame:
    """A row for every number of table 1 or 2, texts only."""
    rows = [
        {
            "Data set": datasets.get(line["dataset"], line["dataset"]),
            "Figure": DATA_TITLES[line["metric"]],
            "Paper": f"{line['paper']:,}",
            "Reproduced": MISSING if pd.isna(line["reproduced"]) else f"{line['reproduced']:,.0f}",
            "Difference": "" if pd.isna(line["delta"]) else f"{line['delta']:+,.0f}",
            "Verdict": line["verdict"],
            "Note": line["note"],
        }
        for line in frame.to_dict("records")
    ]
    return pd.DataFrame(rows)


def caption(table: int, encoder: str, protocol: str, shared: Shared) -> str:
    """What the table compares, and how the verdicts are found."""
    opening = f"Table {table} of the paper ({CONTENTS[table]}) beside ours"
    if table in DATA_TABLES:
        return f"{opening}, from the prepared data."
    confidence = f"{100 * shared.statistics.confidence:g}%"
    return (
        f"{opening}: {shared.encoders[encoder].title}, protocol {protocol}, in percent; mean of the seeds with its "
        f"{confidence} interval, and the {confidence} interval in which another run is expected. A number of the paper "
        f"agrees inside the latter and disagrees outside; one inside an interval wider than "
        f"{shared.verdicts.undecided_interval_width:g} points is undecided."
    )


def write_comparison(
    frame: pd.DataFrame, table: int, encoder: str, protocol: str, shared: Shared, datasets: Mapping[str, str],
    folder: Path = paths.PAPER_REPORTS,
) -> Path:  # fmt: skip
    """Write a table as CSV and, beside it, as Markdown and LaTeX; returns the CSV. ``datasets``: titles by name."""
    file = folder / paths.paper_table(table, encoder, protocol).name
    write_table(file, frame)
    frame = read_frame(file)  # with empty texts and missing numbers as a reader of the file has them
    texts = data_table(frame, datasets) if table in DATA_TABLES else measured_table(frame, shared, datasets)
    below = caption(table, encoder, protocol, shared)
    write_text(file.with_suffix(".md"), to_markdown(texts) + "\n" + escape_markdown(below) + "\n")
    write_text(file.with_suffix(".tex"), to_latex(texts, below))
    return file
