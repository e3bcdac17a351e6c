"""Rows are called by file and number, as their reader counts them."""

import pandas as pd

from threephase.data.cleaning import clean
from threephase.data.places import places_of, row_names
from threephase.data.raw_rows import READ_FROM, ROW
from threephase.study.read_params import load_dataset


def test_an_example_is_called_by_its_file_and_its_row_there():
    raw = pd.DataFrame({"text": list("pqrst"), "label": list("xyxyx"), "split": ["train"] * 3 + ["test"] * 2})
    raw[READ_FROM] = pd.Categorical(["in/a.csv"] * 3 + ["in/b.csv"] * 2)
    raw[ROW] = [1, 2, 4, 1, 3]
    examples = clean(raw, load_dataset("bbc"))
    assert list(places_of(raw, examples["example_id"]).values()) == [
        "a.csv row 1", "a.csv row 2", "a.csv row 4", "b.csv row 1", "b.csv row 3",
    ]  # fmt: skip
    # Of rows that were dropped the others keep their numbers.
    assert places_of(raw, ["test-000004"]) == {"test-000004": "b.csv row 3"}
    raw[READ_FROM] = ["x/0.txt"] * 3 + ["y/0.txt"] * 2
    assert row_names(raw).tolist() == [
        "x/0.txt row 1", "x/0.txt row 2", "x/0.txt row 4", "y/0.txt row 1", "y/0.txt row 3",
    ]  # fmt: skip


def test_files_of_one_name_are_told_apart_without_their_owners_folders():
    rows = pd.DataFrame({READ_FROM: ["/texts/me/a/rows.csv", "/texts/me/b/rows.csv"], ROW: [1, 2]})
    assert row_names(rows).tolist() == ["a/rows.csv row 1", "b/rows.csv row 2"]
