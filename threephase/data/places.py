"""Where an example's row stands in the files that it was read from."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from threephase.data.raw_rows import READ_FROM, ROW


def row_names(rows: pd.DataFrame) -> pd.Series:
    """Each row's file (or split of the hub) and number in it, such as ``reviews.csv row 12``.

    A file is called by its name alone; where two have the same, by as many folders more as tell them apart. The rest of
    a path may name its owner, and reports are passed on.
    """
    parts = {place: Path(place).parts for place in rows[READ_FROM].unique()}
    names: dict[str, str] = {}
    for depth in range(1, max(map(len, parts.values()), default=0) + 1):
        names = {place: "/".join(of_place[-depth:]) for place, of_place in parts.items()}
        if len({*names.values()}) == len(names):
            break
    return rows[READ_FROM].map(names).astype(str) + " row " + rows[ROW].astype(str)


def places_of(raw: pd.DataFrame, example_ids: Iterable[str]) -> dict[str, str]:
    """The name of each example's row; its id ends in the row's place in ``raw``, the rows as read."""
    names = row_names(raw)
    return {example_id: names.iloc[int(example_id.rpartition("-")[2])] for example_id in example_ids}
