"""Tables 1 and 2: counted by hand on a few rows, and on the real data where they are at hand."""

import dataclasses

import pandas as pd
import pytest
from small_project import REPOSITORY, make_project

from threephase.base import paths
from threephase.paper.data_tables import comparison, statistics
from threephase.paper.numbers import read_numbers
from threephase.study.read_params import load_dataset

NUMBERS = read_numbers(REPOSITORY / paths.PAPER_NUMBERS)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(make_project(tmp_path_factory.mktemp("data") / "project"))
        return load_dataset("small")


def examples(**texts):
    rows = [(text, split) for split, of_split in texts.items() for text in of_split]
    return pd.DataFrame(rows, columns=["text", "split"])


def test_rows_and_words_by_hand(dataset):
    figures = statistics(
        dataset,
        examples(train=["a b", "a b c", "a b c"], test=["a b c d"], validation=["a b c"], unlabelled=["a " * 9]),
    )
    assert figures == {
        "train_dae_rows": 4,
        "train_contrastive_rows": 3,
        "test_rows": 1,
        "average_words": 2,  # 11 / 4, rounded down
        "max_words": 4,
    }


def test_a_set_in_folds_is_tested_on_a_fifth(dataset):
    folds = dataclasses.replace(dataset, folds=5)
    figures = statistics(folds, examples(train=["a b"] * 328))
    assert (figures["train_dae_rows"], figures["train_contrastive_rows"], figures["test_rows"]) == (262, 262, 65)


def test_a_comparison_states_what_differs_and_what_is_missing(dataset):
    prepared = {"snips2": (dataset, examples(train=["a"] * 13084, validation=["a"], test=["a"] * 699))}
    frame = comparison(NUMBERS, 1, prepared, {}).set_index(["dataset", "metric"])
    assert len(frame) == 18
    assert frame.loc[("snips2", "train_dae_rows"), ["reproduced", "delta", "verdict"]].tolist() == [13084, 0, "agrees"]
    assert frame.loc[("snips2", "test_rows"), ["reproduced", "delta", "verdict"]].tolist() == [699, -1, "disagrees"]
    assert set(frame.loc[frame.index.get_level_values("dataset") != "snips2", "verdict"]) == {"missing"}


def test_a_part_of_a_set_has_its_test_rows_and_no_other_figure(dataset):
    part = (dataset, examples(train=["a b"] * 36568, test=["a"] * 7600))
    stand_ins = {"ag_news_partial": "ag_news"}
    rows = comparison(NUMBERS, 1, {"ag_news_partial": part}, stand_ins).set_index(["dataset", "metric"]).loc["ag_news"]
    assert rows["verdict"].to_dict() == {
        "train_dae_rows": "missing", "train_contrastive_rows": "missing", "test_rows": "agrees",
    }  # fmt: skip
    assert "only the test rows, of ag_news_partial" in rows.loc["test_rows", "note"]
    assert set(comparison(NUMBERS, 2, {"ag_news_partial": part}, stand_ins)["verdict"]) == {"missing"}
    whole = comparison(NUMBERS, 1, {"ag_news_partial": part}, {})
    assert set(whole["verdict"]) == {"missing"}
