"""Where an example's row stands in the files that it was read from."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from threephase.data.raw_rows import READ_FROM, ROW


def row_names(rows: pd.DataFrame) -> pd.Series:
    """Each row's file (or split of the hub) and number in it, such as ``reviews.csv row 12``.

    A file is called by its name alone, unless two have the same.
    """
    names = {place: Path(place).name for place in rows[READ_FROM].unique()}
    if len({*names.values()}) < len(names):
        names = {place: place for place in names}
    return rows[READ_FROM].map(names).astype(str) + " row " + rows[ROW].astype(str)


def places_of(raw: pd.DataFrame, example_ids: Iterable[str]) -> dict[str, str]:
    """The name of each example's row; its id ends in the row's place in ``raw``, the rows as read."""
    names = row_names(raw)
    return {example_id: names.iloc[int(example_id.rpartition("-")[2])] for example_id in example_ids}
