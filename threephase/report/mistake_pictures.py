"""Where trained variants go wrong, as a page shows it: confusion matrices, and the rows on which variants differ."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.files import read_table
from threephase.data.places import places_of
from threephase.report.finished import Finished
from threephase.report.rows import of_cell, rows_of
from threephase.results.mistakes import CORRECT
from threephase.study.params import Study

SIDE, EDGE = 200, 16  # of a matrix and of the room for the classes' numbers, in its own units
MOST_NUMBERED = 10  # classes: beyond, a field is too small for its number
LEAST_SHARE = 0.5  # percent from which a field is drawn
MOST_ROWS, MOST_CHARACTERS = 20, 200  # of the rows that variants differ on, on a page


def mistakes_context(finished: Finished, texts: bool) -> dict[str, Any]:
    """What the page shows of mistakes; what was not made is None.

    ``texts``: whether the rows that variants differ on are shown with their texts, cut at ``MOST_CHARACTERS``. Only a
    page that stays with the reader may do that; any other names the rows by id.
    """
    confusion, differing = finished.confusion, finished.disagreements
    return {
        "confusion": None if confusion is None else _confusion(finished.study, confusion),
        "disagreements": None if differing is None else _disagreements(finished.study, differing, texts),
        "texts": texts,
        "most_characters": MOST_CHARACTERS,
    }


def _confusion(study: Study, confusion: pd.DataFrame) -> dict[str, Any]:
    """The classes in order, and a panel a trained variant; ``confusion``: confusion.csv."""
    classes, trained = list(dict.fromkeys(confusion["label"])), study.params.trained()
    size = SIDE / max(1, len(classes))
    places = {name: round(EDGE + number * size, 2) for number, name in enumerate(classes)}
    every = 1 if len(classes) <= MOST_NUMBERED else 5
    return {
        "classes": classes,
        "size": round(size, 2),
        "ticks": [(number + 1, EDGE + (number + 0.5) * size) for number in range(0, len(classes), every)],
        "panels": [
            {"title": row.label, "fields": _fields(of_cell(confusion, row), places)}
            for row in rows_of(study)
            if row.variant in trained
        ],
    }


def _fields(shares: pd.DataFrame, places: Mapping[str, float]) -> list[dict[str, Any]] | None:
    """The fields of a matrix that are not empty; None where the cell has no rows."""
    if shares.empty:
        return None
    shown = shares[shares["percent"] >= LEAST_SHARE]
    return [
        {
            "x": places[predicted],
            "y": places[label],
            "opacity": round(percent / 100, 2),
            "number": f"{percent:.0f}" if len(places) <= MOST_NUMBERED else "",
        }
        for label, predicted, percent in zip(shown["label"], shown["predicted"], shown["percent"], strict=True)
    ]


def _disagreements(study: Study, frame: pd.DataFrame, texts: bool) -> list[dict[str, Any]]:
    """A table an encoder; ``frame``: disagreements.csv. Rows of a reader's own files are called by their places."""
    by_id: dict[str, str] = {}
    places: dict[str, str] = {}
    if texts and len(frame):
        examples = read_table(paths.examples(study.folder))
        by_id = dict(zip(examples["example_id"].astype(str), examples["text"], strict=True))
        if study.asks_what_to_use:
            places = places_of(read_table(paths.raw_rows(study.folder)), frame["example_id"])
    return [_table(study, encoder, rows, by_id, places) for encoder, rows in frame.groupby("encoder", sort=False)]


def _table(
    study: Study, encoder: str, rows: pd.DataFrame, by_id: Mapping[str, str], places: Mapping[str, str]
) -> dict[str, Any]:
    titles = {column: study.title(column.removeprefix(CORRECT)) for column in rows if column.startswith(CORRECT)}
    return {
        "encoder": study.shared.encoders[encoder].title,
        "listed": len(rows),
        "rows": [
            {
                "example_id": row["example_id"],
                "place": places.get(row["example_id"], ""),
                "text": _cut(by_id.get(row["example_id"], "")),
                "label": row["label"],
                "right": _by_share({title: float(row[column]) for column, title in titles.items()}),
            }
            for row in rows.head(MOST_ROWS).to_dict("records")
        ],
    }


def _by_share(shares: Mapping[str, float]) -> list[tuple[str, list[str]]]:
    """The variants by the percent of their seeds that name the row's label, the highest first."""
    return [
        (f"{share:.0f}", [title for title, other in shares.items() if other == share])
        for share in sorted(set(shares.values()), reverse=True)
    ]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS].rstrip() + " …"
