"""Rows as a source gives them, their texts and labels as texts: what is no text, or no single label, is refused."""

import ast
import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from threephase.base.errors import UserError, shortened
from threephase.study.source_params import Dataset

READ_FROM, ROW = "read from", "row in it"  # the columns of the raw rows that say where a row stands
NAMES = 120  # characters of columns' or classes' names in an error
MOST_OTHERS = 4  # bad rows that an error names besides the first
LONGEST, LEAST_PLACE = 300, 30  # characters of an error, and of the place in it that are left
LISTS = (list, tuple, set, np.ndarray)
SURROGATE = re.compile("[\ud800-\udfff]")
SIGNS = (",", ";", "|", None)  # None: white space


def refuse_row(
    rows: pd.DataFrame,
    bad: Sequence[bool] | pd.Series,
    reason: Callable[[int], str],
    remedy: str = "mend or remove the row",
) -> None:
    """Refuse bad rows: the first by where it stands, the file (or split) and the number in it; others by number."""
    first, *others = np.flatnonzero(bad).tolist() or [None]
    if first is None:
        return
    numbers = [str(rows[ROW].iloc[other]) for other in others[:MOST_OTHERS]] + ["..."] * (len(others) > MOST_OTHERS)
    alike = f" ({len(others)} more like it: {', '.join(numbers)})" if others else ""
    place, told = str(rows[READ_FROM].iloc[first]), f": row {rows[ROW].iloc[first]}: {reason(first)}; {remedy}{alike}"
    room = max(LONGEST - len(told), LEAST_PLACE)
    raise UserError((place if len(place) <= room else f"...{place[3 - room :]}") + told)


def shown(value: object, most: int = 60) -> str:
    """A cell within an error's one line."""
    return shortened(repr(value), most)


def refuse_missing(
    place: str | Path, columns: Iterable[object], wanted: Iterable[str | None], remedy: str = ""
) -> None:
    """Refuse a table without one of the columns that are wanted."""
    names = [*columns]
    if missing := [column for column in wanted if column is not None and column not in names]:
        told = shortened(", ".join(map(str, names)), NAMES)
        raise UserError(f"{place}: got columns {told}, expected {missing[0]!r} among them{remedy}")


def as_texts(rows: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The rows with a text, or None where nothing is given, in each cell of the text and label columns.

    Refuses bytes, mappings, lists as texts, infinite numbers, characters that no file can hold, and several labels in
    a cell. What ``class_names`` declares is one label.
    """
    for column in [*dataset.text_columns, *dataset.label_columns]:
        is_label, cells = column in dataset.label_columns, rows[column].tolist()
        kinds = (bytes, dict) if is_label else (bytes, dict, *LISTS)
        refuse_row(
            rows,
            [isinstance(cell, kinds) for cell in cells],
            lambda i, column=column, cells=cells: (
                f"{column}: got {shown(cells[i])} ({type(cells[i]).__name__}), expected a text or a number"
            ),
            "turn the column into texts",
        )
        refuse_row(
            rows,
            [isinstance(cell, float) and math.isinf(cell) for cell in cells],
            lambda _, column=column: f"{column}: got a number beyond all that a computer holds, expected a text",
            "write it as a text",
        )
        texts = _one_label(rows, column, dataset.class_names or ()) if is_label else [cell_text(cell) for cell in cells]
        refuse_row(
            rows,
            [bool(text and SURROGATE.search(text)) for text in texts],
            lambda _, column=column: f"{column}: got half a character (a lone surrogate), which no encoding can hold",
        )
        rows = rows.assign(**{column: pd.Series(texts, index=rows.index, dtype=object)})
    return rows


def cell_text(value: Any) -> str | None:
    """A cell as text; None where nothing is given. Whole numbers become floats where a column has gaps."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _one_label(rows: pd.DataFrame, column: str, declared: Collection[str]) -> list[str | None]:
    """The one label, or none, in each cell of a column; refuses several."""
    cells = rows[column].tolist()
    texts = [None if isinstance(cell, LISTS) else cell_text(cell) for cell in cells]
    distinct = {text for text in texts if text}
    known = {text.strip() for text in distinct}
    parts = {text: [text] if text.strip() in declared else _parts(text, known) for text in distinct}
    several = [isinstance(cell, LISTS) or len(parts.get(text, ())) > 1 for cell, text in zip(cells, texts, strict=True)]
    refuse_row(
        rows,
        several,
        lambda i: f"{shortened(column, 40)}: got several labels ({shown(cells[i], 40)}), expected one",
        "leave one, or declare all of it as one class (--class, or class_names)",
    )
    return [next(iter(parts[text]), None) if text else text for text in texts]


def _parts(text: str, known: set[str]) -> list[str]:
    """The labels in a cell: a list in Python's or JSON's spelling; or parts that are labels of other cells.

    Of numbers it is enough that one is: ``4,27`` where 4 stands alone.
    """
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            return [str(part) for part in ast.literal_eval(text)]
        except (ValueError, SyntaxError):
            return [text]
    for sign in SIGNS if len(text.splitlines()) == 1 else ():
        parts = [part.strip() for part in text.split(sign)]
        if len(parts) > 1 and all(parts):
            numbers = all(part.isdigit() for part in parts)
            if (any if numbers else all)(part in known for part in parts):
                return parts
    return [text]
