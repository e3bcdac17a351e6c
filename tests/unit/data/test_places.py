"""Rows are called by file and number, as their reader counts them."""

import pandas as pd

from threephase.data.cleaning import READ_FROM, clean
from threephase.data.places import places_of
from threephase.study.read_params import load_dataset


def test_an_example_is_called_by_its_file_and_its_row_there():
    files = ["a.csv"] * 3 + ["b.csv"] * 2
    raw = pd.DataFrame({"text": list("pqrst"), "label": list("xyxyx"), "split": ["train"] * 3 + ["test"] * 2})
    raw[READ_FROM] = pd.Categorical(files)
    examples = clean(raw, load_dataset("bbc"))
    places = places_of(raw, examples["example_id"])
    assert [places[example_id] for example_id in examples["example_id"]] == [
        "a.csv, row 1", "a.csv, row 2", "a.csv, row 3", "b.csv, row 1", "b.csv, row 2",
    ]  # fmt: skip
    # Of rows that were dropped the others keep their numbers.
    assert places_of(raw, ["test-000004"]) == {"test-000004": "b.csv, row 2"}
