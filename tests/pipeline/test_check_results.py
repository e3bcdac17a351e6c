"""The check of a results.csv before it counts as complete: a row for every cell and metric, and numbers in each."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_project import contents, error_line, run_stage
from synthetic_study import make_study

from threephase.base import paths
from threephase.results.cells import cells
from threephase.results.results import missing_numbers, read_results
from threephase.scores.metrics import METRICS

FILE = paths.results(Path())


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A whole study with two seeds in the working directory."""
    monkeypatch.chdir(tmp_path)
    return make_study(tmp_path)


def row_of(results: pd.DataFrame, variant: str, metric: str) -> int:
    (row,) = results.index[(results["variant"] == variant) & (results["metric"] == metric)]
    return row


def test_complete_results_lack_nothing(study):
    results = read_results(FILE)
    assert len(results) == len(cells(study)) * len(METRICS)
    assert missing_numbers(study, results) == []
    # One seed has no standard deviation, and rows in another order are the same results.
    assert missing_numbers(study, results.assign(std=np.nan).sample(frac=1, random_state=0)) == []


@pytest.mark.parametrize("column", ["mean", "ci_low", "ci_high"])
@pytest.mark.parametrize(
    ("variant", "cell"),
    [("joint", "minilm_l6-joint"), ("embedding_logistic", "minilm_l6-embedding_logistic"), ("majority", "majority")],
)
def test_a_number_that_is_missing_is_named(study, variant, cell, column):
    results = read_results(FILE)
    results.loc[row_of(results, variant, "macro_recall"), column] = np.nan
    assert missing_numbers(study, results) == [f"{cell}, macro_recall"]


def test_rows_that_are_missing_are_named_in_the_table_s_order(study):
    results = read_results(FILE)
    without = results.drop([row_of(results, "tfidf_logistic", "accuracy"), row_of(results, "ft", "macro_f1")])
    assert missing_numbers(study, without) == ["minilm_l6-ft, macro_f1", "tfidf_logistic, accuracy"]
    assert len(missing_numbers(study, results.iloc[:0])) == len(results)
    # A row of another encoder or without one is not that cell's.
    assert len(missing_numbers(study, results.assign(encoder="other"))) == len(results)
    no_encoder = missing_numbers(study, results.assign(encoder=""))
    assert not any(name.startswith(("majority", "tfidf")) for name in no_encoder)
    assert len(no_encoder) == len(results) - 2 * len(METRICS)


def test_the_stage_passes_complete_results(study, tmp_path):
    result = run_stage(tmp_path, "check_results")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{FILE}: complete, {len(read_results(FILE))} rows\n"


def dropped(results: pd.DataFrame, row: int) -> pd.DataFrame:
    return results.drop(row)


def emptied(results: pd.DataFrame, row: int) -> pd.DataFrame:
    results.loc[row, "mean"] = np.nan
    return results


@pytest.mark.parametrize("damage", [dropped, emptied])
def test_the_stage_refuses_incomplete_results_in_one_line(study, tmp_path, damage):
    results = read_results(FILE)
    damage(results, row_of(results, "no_imbalance", "accuracy")).to_csv(FILE, index=False)
    before = contents(tmp_path)
    line = error_line(run_stage(tmp_path, "check_results"))
    assert str(FILE) in line and "minilm_l6-no_imbalance, accuracy" in line and "make repro" in line
    assert contents(tmp_path) == before


def test_the_stage_refuses_results_that_are_not_there(study, tmp_path):
    FILE.unlink()
    line = error_line(run_stage(tmp_path, "check_results"))
    assert line.startswith(f"{FILE}: no such file") and "run dvc repro collect_results" in line
