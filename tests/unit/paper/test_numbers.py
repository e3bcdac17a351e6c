"""The paper's numbers beside cells: who is compared with what, verdicts, and what is missing, extra or quoted."""

import dataclasses
import shutil

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_project import EXTRA, make_paper_project, reproduction, row_of, write_cell
from scipy import stats
from small_project import REPOSITORY

from threephase.base import paths
from threephase.paper.numbers import (
    DATA_TABLES,
    MEASURED_TABLES,
    beside,
    comparison,
    measured_tables,
    metric_for,
    printed,
    read_numbers,
)
from threephase.results.results import RESULT_COLUMNS
from threephase.scores.statistics import paper_verdict, prediction_interval
from threephase.study.read_params import load_paper, load_studies

NUMBERS = read_numbers(REPOSITORY / paths.PAPER_NUMBERS)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_paper_project(tmp_path_factory.mktemp("original") / "project")


@pytest.fixture
def root(original, tmp_path, monkeypatch):
    shutil.copytree(original, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def test_the_papers_numbers_are_all_there():
    counts = NUMBERS.groupby("table").size().to_dict()
    cited = NUMBERS["encoder"] == "cited"
    assert counts == {1: 18, 2: 12, 3: 43, 4: 42, 6: 66, 7: 39}
    assert (len(NUMBERS), cited.sum()) == (220, 16)
    assert (~cited & NUMBERS["table"].isin(MEASURED_TABLES)).sum() == 174
    assert NUMBERS["table"].isin(DATA_TABLES).sum() == 30


@given(st.lists(st.floats(0, 100), min_size=2, max_size=6), st.floats(0.5, 0.99))
def test_the_prediction_interval_is_that_of_scipy(values, confidence):
    mean, std = pd.Series(values).mean(), pd.Series(values).std()
    low, high = prediction_interval(mean, std, len(values), confidence)
    scale = max(std * (1 + 1 / len(values)) ** 0.5, 1e-12)
    expected = stats.t.interval(confidence, len(values) - 1, loc=mean, scale=scale)
    assert (low, high) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("paper", "interval", "verdict"),
    [
        (90.0, (89.0, 91.0), "agrees"),
        (91.01, (89.0, 91.0), "disagrees"),
        (91.004, (89.0, 91.0), "agrees"),  # 91.00 as the paper prints it
        (90.0, (87.0, 92.1), "undecided"),
        (60.0, (87.0, 92.1), "undecided"),
        (98.57, (98.5714, 98.5714), "agrees"),
        (98.57, None, "no interval"),
    ],
)
def test_verdicts(paper, interval, verdict):
    assert paper_verdict(paper, interval, 5.0) == verdict


def test_the_papers_averages_are_of_the_positive_class_where_there_is_one():
    macro, binary = ["accuracy", "macro_f1"], ["accuracy", "macro_f1", "f1"]
    assert [metric_for(metric, macro) for metric in ("accuracy", "f1")] == ["accuracy", "macro_f1"]
    assert [metric_for(metric, binary) for metric in ("accuracy", "f1")] == ["accuracy", "f1"]


def test_a_table_has_every_printed_number_and_what_is_quoted(root):
    work = reproduction()
    for table, encoder, protocol in measured_tables(work):
        frame = comparison(work, table, encoder, protocol)
        quoted = frame["verdict"] == "quoted"
        assert len(frame[~quoted]) == len(printed(NUMBERS, table, encoder, work.settings))
        assert set(frame.loc[~quoted, "verdict"]) == {"missing"}
        assert quoted.sum() == {3: 10, 7: 6}.get(table, 0)
    assert {encoder for _, encoder, _ in measured_tables(work)} == {"roberta_base", "minilm_l12", "minilm_l6"}


def test_a_cell_is_compared_with_its_number(root):
    write_cell(root, "snips", "minilm_l12", "ft", 92.0, 93.0, 94.0, macro_f1=[80.0, 80.5, 81.0])
    work = reproduction()
    row = row_of(comparison(work, 3, "minilm_l12", "described"), "snips", "ft")
    assert (row["paper"], row["verdict"], row["n_seeds"], row["n_test"]) == (92.89, "undecided", 3, 100)
    assert row["delta"] == pytest.approx(93.0 - 92.89)
    assert row["command"] == "dvc --cd studies/snips repro summarize_cell_minilm_l12@minilm_l12-ft"
    row = row_of(comparison(work, 7, "minilm_l12", "described"), "snips", "ft", "macro_f1")
    assert (row["paper"], row["verdict"]) == (92.81, "disagrees")
    assert row_of(comparison(work, 3, "minilm_l12", "released"), "snips", "ft")["verdict"] == "missing"


def test_two_class_sets_are_compared_on_the_positive_class(root):
    write_cell(root, "sst2", "roberta_base", "ft", 90.0, 90.1, 90.2, f1=[91.0, 90.8, 90.9], macro_f1=[1.0, 1.1, 1.2])
    row = row_of(comparison(reproduction(), 7, "roberta_base", "described"), "sst2", "ft", "f1")
    assert (row["paper"], row["mean"], row["verdict"]) == (90.82, pytest.approx(90.9), "agrees")


def test_one_seed_decides_nothing(root):
    write_cell(root, "sst2_released", "roberta_base", "ft", 90.0)
    row = row_of(comparison(reproduction(), 3, "roberta_base", "released"), "sst2", "ft")
    assert (row["verdict"], row["delta"]) == ("no interval", pytest.approx(90.0 - 90.28))
    assert pd.isna(row["run_low"])


def test_a_stand_in_is_never_compared(root):
    write_cell(root, "snips_l6", "minilm_l6", "ft", 92.8, 92.9, 93.0)
    write_cell(root, "ag_news_partial_l6", "minilm_l6", "ft", 89.5, 89.6, 89.7)
    work = reproduction()
    frame = comparison(work, 3, "minilm_l6", "described")
    snips, ag_news, imdb = (row_of(frame, dataset, "ft") for dataset in ("snips", "ag_news", "imdb"))
    assert (snips["paper"], snips["verdict"], snips["paper_encoder"]) == (92.89, "not comparable", "minilm_l12")
    assert (ag_news["study_dataset"], ag_news["verdict"]) == ("ag_news_partial", "not comparable")
    assert "ours is of ag_news_partial" in ag_news["note"]
    assert (imdb["paper"], imdb["paper_encoder"], imdb["verdict"]) == (91.0, "roberta_base", "missing")
    # Table 4 has RoBERTa alone on the larger sets.
    assert row_of(comparison(work, 4, "minilm_l6", "described"), "sst5", "dae_ft")["paper_encoder"] == "roberta_base"


def test_cells_that_the_paper_lacks_are_extra_where_they_exist(root):
    write_cell(root, "snips", "minilm_l12", EXTRA, 97.0, 98.0, 99.0)
    work = reproduction()
    assert "extra" not in set(comparison(work, 3, "minilm_l12", "described")["verdict"])
    frame = comparison(work, 6, "minilm_l12", "described", with_extra=True)
    extra = frame[frame["verdict"] == "extra"]
    assert list(extra["metric"]) == ["macro_precision", "macro_recall"]
    assert extra["paper"].isna().all() and set(extra["variant"]) == {EXTRA}


def results_of(study, **values):
    row = dict.fromkeys(RESULT_COLUMNS) | {"encoder": study.params.encoders[0], "variant": "ft", "n_seeds": 3}
    return pd.DataFrame([row | values], columns=RESULT_COLUMNS)


def test_results_of_a_study_have_the_papers_number_beside_them(root):
    studies, paper = load_studies(), load_paper()
    values = {"metric": "accuracy", "mean": 91.0, "std": 0.4}
    row = beside(studies["imdb"], results_of(studies["imdb"], **values), paper).iloc[0]
    assert (row["paper"], row["delta"], row["verdict"]) == (91.0, 0.0, "agrees")  # table 4 prints 91.10
    row = beside(studies["snips_l6"], results_of(studies["snips_l6"], **values), paper).iloc[0]
    assert (row["paper"], row["verdict"]) == (92.89, "not comparable")
    other = beside(studies["imdb"], results_of(studies["imdb"], **values | {"variant": EXTRA}), paper).iloc[0]
    assert pd.isna(other["paper"]) and not other["verdict"]
    aside = dataclasses.replace(studies["imdb"].params, reproduces_paper=False)
    study = dataclasses.replace(studies["imdb"], params=aside)
    assert pd.isna(beside(study, results_of(study, **values), paper).iloc[0]["paper"])
