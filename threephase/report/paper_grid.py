"""The paper's measured tables (3, 4, 6, 7) as grids: a row a data set, encoder and protocol, a column a variant.

Every number of a row that was run stands beside ours with its verdict; what the row lacks shows as missing.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from threephase.paper import numbers
from threephase.paper.cost_model import cost_of_studies
from threephase.paper.tables import CONTENTS
from threephase.report.cells import anchor, details_name, number_texts
from threephase.report.deviations import protocol_text
from threephase.results.tables import MISSING, format_printed

KINDS = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1"}
NOT_RUN = -1.0  # sorts below every percentage


def paper_frame(work: numbers.Reproduction) -> pd.DataFrame:
    """Every number that the paper measured beside ours, for its encoders and for the stand-ins that were run.

    The columns of ``numbers.comparison``; a stand-in has rows only where it was run, as the paper has no place for it.
    """
    frames = []
    for table, encoder, protocol in numbers.measured_tables(work):
        frame = numbers.comparison(work, table, encoder, protocol)
        frame = frame[frame["verdict"] != numbers.QUOTED]
        frames.append(frame[frame["mean"].notna()] if encoder in work.settings.stand_in_encoders else frame)
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def grids(work: numbers.Reproduction, frame: pd.DataFrame, datasets: Mapping[str, str]) -> list[dict[str, Any]]:
    """A grid for each table, from ``paper_frame``, with the rows that have a number of ours; ``datasets``: titles."""
    run = frame.groupby(["table", "dataset", "encoder", "protocol"])["mean"].transform("count") > 0
    return [_grid(work, table, of_table, datasets) for table, of_table in frame[run].groupby("table", sort=True)]


def not_run(work: numbers.Reproduction, frame: pd.DataFrame) -> dict[str, Any]:
    """How many numbers of ``paper_frame`` have none of ours, and what the studies that would make them cost."""
    missing = frame[frame["mean"].isna()]
    words = work.numbers[work.numbers["metric"] == "average_words"].set_index("dataset")["value"]
    studies = [work.studies[name] for name in missing["study"].dropna().unique()]
    return {"count": len(missing), "cost": cost_of_studies(studies, words, work.settings.costs)}


def _grid(work: numbers.Reproduction, table: int, frame: pd.DataFrame, datasets: Mapping[str, str]) -> dict[str, Any]:
    # A two-class set's own metrics share the columns of the others' averages.
    frame = frame.assign(kind=frame["metric"].str.removeprefix("macro_"))
    kinds = list(dict.fromkeys(frame["kind"]))
    columns = [(variant, kind) for variant in dict.fromkeys(frame["variant"]) for kind in kinds]
    rows = []
    for (dataset, encoder, protocol), lines in frame.groupby(["dataset", "encoder", "protocol"], sort=False):
        by_column = {(line["variant"], line["kind"]): line for line in lines.to_dict("records")}
        shown = next((name for name in lines["study_dataset"] if isinstance(name, str) and name), dataset)
        others = [name for name in dict.fromkeys(lines["paper_encoder"]) if name != encoder]
        rows.append(
            {
                "dataset": shown,
                "dataset_title": datasets.get(shown, shown),
                "encoder": encoder,
                "encoder_title": _title(work.shared.encoders, encoder),
                "stands_in": encoder in work.settings.stand_in_encoders,
                "stands_in_for": ", ".join(_title(work.shared.encoders, name) for name in others),
                "protocol": protocol,
                "how": protocol_text(protocol),
                "cells": [_cell(by_column.get(column)) for column in columns],
            }
        )
    return {
        "table": table,
        "contents": CONTENTS[table],
        "columns": [
            (_title(work.shared.variants, variant), KINDS[kind] * (len(kinds) > 1)) for variant, kind in columns
        ],
        "rows": rows,
        "count": count_of(frame),
    }


def _cell(line: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """One number of the paper beside ours; None where the paper prints none."""
    if line is None:
        return None
    cell = {"paper": format_printed(line["paper"]), "note": line["note"]}
    if isinstance(line["study"], str):
        where = (line["study"], line["encoder"], line["variant"])
        cell |= {"anchor": anchor(*where, line["metric"]), "details": details_name(*where)}
    if pd.isna(line["mean"]):
        return cell | dict.fromkeys(("std", "interval", "delta", "verdict"), "") | {"mean": MISSING, "sort": NOT_RUN}
    return cell | number_texts(line) | {"std": ""}


def _title(known: Mapping[str, Any], name: str) -> str:
    return known[name].title if name in known else name


def count_of(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """How many numbers have which verdict, what is missing last."""
    counts = frame["verdict"].value_counts(sort=False)
    return sorted(counts.items(), key=lambda pair: pair[0] == numbers.MISSING)
