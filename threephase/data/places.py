"""Where an example's row stands in the files that it was read from."""

from collections.abc import Iterable

import pandas as pd

from threephase.data.cleaning import READ_FROM


def places_of(raw: pd.DataFrame, example_ids: Iterable[str]) -> dict[str, str]:
    """File (or split of the hub) and row by example, such as ``reviews.csv, row 12``; counted from 1, without headings.

    ``raw``: the rows as read, all files below each other; an example's id ends in the number of its row there.
    """
    numbers = raw.groupby(READ_FROM, observed=True).cumcount() + 1
    rows = {example_id: int(example_id.rpartition("-")[2]) for example_id in example_ids}
    return {example_id: f"{raw[READ_FROM].iloc[row]}, row {numbers.iloc[row]}" for example_id, row in rows.items()}
