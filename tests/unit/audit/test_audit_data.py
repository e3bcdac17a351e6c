"""Class counts of splits and texts that stand in a data set more than once."""

import json
from pathlib import Path

import pandas as pd
import pytest
from small_project import (
    DATASET,
    REPOSITORY,
    change,
    error_line,
    good_rows,
    make_project,
    run_stage,
    run_stages,
    write_rows,
)

from threephase.audit.overlap import entry
from threephase.base import paths
from threephase.study.read_params import load_dataset

OWN = ("ag_news", "bbc_to_ag_news", "bbc_to_ag_news_24", "imdb", "snips", "snips2", "sst2", "sst5")
ROWS = [
    ("A  plum", "fruit", "train"), ("a plum", "fruit", "train"), ("a plum", "fruit", "test"),
    ("A Plum", "tree", "test"), ("iron", "metal", "train"), ("iron", "metal", "validation"),
    ("oak", "tree", "test"), ("oak", "tree", "test"),
]  # fmt: skip


def examples(rows):
    frame = pd.DataFrame(rows, columns=["text", "label", "split"])
    return frame.assign(example_id=[f"{split}-{number}" for number, split in enumerate(frame["split"])])


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    return load_dataset("small")


def test_repeated_texts_are_counted_and_named_by_id(dataset):
    counted = entry(dataset, examples(ROWS))
    assert counted["exact"] == {
        "repeats_in_train": 0, "repeats_in_test": 1, "validation_rows_in_train": 1, "test_rows_in_train": 1,
        "test_rows_in_train_with_another_label": 0,
    }  # fmt: skip
    assert counted["normalised"] == {
        "repeats_in_train": 1, "repeats_in_test": 2, "validation_rows_in_train": 1, "test_rows_in_train": 2,
        "test_rows_in_train_with_another_label": 1,
    }  # fmt: skip
    assert counted["twins"] == [["test-2", "test-3", "train-0", "train-1"]]
    assert not any(text in json.dumps(counted) for text, *_ in ROWS)


def test_with_folds_every_training_row_is_a_test_row_once(dataset):
    change(paths.DATA.parent, DATASET, {"folds": 5, "test_rows": None})
    folded = examples([row for row in ROWS if row[2] == "train"])
    counted = entry(load_dataset("small"), folded)
    assert (counted["exact"]["test_rows_in_train"], counted["normalised"]["test_rows_in_train"]) == (0, 2)
    assert counted["twins"] == [["train-0", "train-1"]]


def test_the_stage_keeps_what_was_counted_elsewhere(tmp_path):
    root = make_project(tmp_path)
    assert error_line(run_stage(root, "audit_data")).startswith(
        "data: got no data set that a study has prepared, expected one"
    )
    file = root / paths.DATA_AUDIT
    file.parent.mkdir(parents=True)
    file.write_text('{"other": {}}', encoding="utf-8")
    write_rows(root, good_rows())
    run_stages(root, "resolve_settings", "fetch_data", "prepare_data", "audit_data")
    entries = json.loads(file.read_text(encoding="utf-8"))
    assert list(entries) == ["other", "small"] and entries["small"]["normalised"]["test_rows_in_train"] == 0


def test_other_class_counts_of_a_split_are_refused(tmp_path):
    root = make_project(tmp_path)
    change(root, DATASET, {"expected": {"labels_by_split": {"train": {"fruit": 1}}}})
    run_stages(root, "resolve_settings", "fetch_data")
    line = error_line(run_stage(root, "prepare_data"))
    assert "got label counts {" in line and "in the split 'train', expected {'fruit': 1}; mend it" in line
    assert not (root / paths.examples(Path())).exists()


@pytest.mark.parametrize("name", OWN)
def test_class_counts_of_the_splits_add_up_to_what_else_is_expected(monkeypatch, name):
    monkeypatch.chdir(REPOSITORY)
    expected = load_dataset(name).expected
    total = pd.DataFrame(expected.labels_by_split).sum(axis=1)
    assert total.to_dict() == expected.labels
    for split, counts in expected.labels_by_split.items():
        assert sum(counts.values()) == expected.rows_by_split[split]
    assert set(expected.rows_by_split) - set(expected.labels_by_split) <= {"unlabelled"}
