"""Results of a cross-validation: pooled over the folds' rows, which are clustered by fold."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score
from small_project import REPOSITORY

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import write_table
from threephase.results.cells import summarize
from threephase.results.differences import claims_frame, differences_frame
from threephase.results.results import note
from threephase.scores.statistics import BY_FOLD, mean_interval
from threephase.study.read_params import load_study
from threephase.study.topology import cells

CLASSES = ["a", "b", "c"]
CELL = ("minilm_l6", "three_phase")
SIZES = (12, 11, 11)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The default study as one of three folds, with predictions of every cell."""
    monkeypatch.chdir(REPOSITORY)
    study = load_study()
    monkeypatch.chdir(tmp_path)
    study = dataclasses.replace(
        study,
        dataset=dataclasses.replace(study.dataset, folds=3),
        params=dataclasses.replace(study.params, seeds=[0, 1, 2]),
    )
    for number, (encoder, variant) in enumerate(cells(study)):
        for fold in study.params.seeds:
            write_predictions(variant, fold, np.random.default_rng([number, fold]), encoder=encoder)
    return study


def write_predictions(
    variant: str, fold: int, random: np.random.Generator, first: int | None = None, encoder: str = "minilm_l6"
) -> None:
    size, start = SIZES[fold], sum(SIZES[:fold]) if first is None else first
    frame = pd.DataFrame({"example_id": [f"train-{start + i:06d}" for i in range(size)], "split": "test"})
    frame["label"] = [CLASSES[(start + i) % 3] for i in range(size)]
    frame["predicted"] = np.where(random.random(size) < 0.6, frame["label"], random.choice(CLASSES, size))
    for name in CLASSES:
        frame[f"probability_{name}"] = np.float32(1 / 3)
    write_table(paths.predictions(Path(), encoder, variant, fold), frame)


def predictions(variant: str) -> list[pd.DataFrame]:
    return [pd.read_parquet(paths.predictions(Path(), "minilm_l6", variant, fold)) for fold in range(3)]


def test_a_cell_is_the_metric_of_all_folds_together(study):
    summary, folds = summarize(study, CELL), predictions("three_phase")
    pooled = pd.concat(folds)
    assert summary["n_test"] == sum(SIZES) and summary["seeds"] == [0, 1, 2]
    accuracy, f1 = summary["metrics"]["accuracy"], summary["metrics"]["macro_f1"]
    assert accuracy["mean"] == pytest.approx(100 * accuracy_score(pooled["label"], pooled["predicted"]))
    assert f1["mean"] == pytest.approx(100 * f1_score(pooled["label"], pooled["predicted"], average="macro"))
    by_fold = [100 * accuracy_score(fold["label"], fold["predicted"]) for fold in folds]
    assert list(accuracy["by_seed"].values()) == pytest.approx(by_fold)
    assert accuracy["std"] == pytest.approx(np.std(by_fold, ddof=1))
    assert accuracy["ci_kind"] == BY_FOLD


def test_the_interval_is_that_of_the_folds_means_where_folds_are_equally_large():
    values = np.random.default_rng(0).random(60) * 100
    folds = np.repeat([0, 1, 2, 3], 15)
    interval = mean_interval(values, 0.95, 3, folds)
    of_means = mean_interval(values.reshape(4, 15).mean(axis=1)[None, :], 0.95, 99)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((of_means.mean, of_means.low, of_means.high))


def test_clustered_intervals_cover_the_truth_where_rows_of_a_fold_are_alike():
    draw, covered = np.random.default_rng(1), 0
    for _ in range(400):
        folds = np.repeat(np.arange(5), 66)
        values = draw.normal(0, 5, 5)[folds] + draw.normal(0, 40, len(folds))
        interval = mean_interval(values, 0.95, 3, folds)
        covered += interval.low <= 0 <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_one_fold_alone_has_no_interval():
    with pytest.raises(UserError, match="got 1 fold, expected at least 2"):
        mean_interval(np.ones(5), 0.95, 3, np.zeros(5))


def test_claims_compare_the_same_rows_of_the_same_fold(study):
    claims = claims_frame(study, differences_frame(study)).set_index("other")
    ours, other = (pd.concat(predictions(variant)) for variant in ("three_phase", "ft"))
    row = claims.loc["ft"]
    scores = [100 * f1_score(rows["label"], rows["predicted"], average="macro") for rows in (ours, other)]
    assert row["difference"] == pytest.approx(scores[0] - scores[1])
    assert (row["n_test"], row["n_seeds"], row["ci_kind"]) == (sum(SIZES), 3, BY_FOLD)
    assert row["verdict"] in ("supported", "not supported", "undecided")
    assert len(row["by_seed"].split(", ")) == 3


def test_rows_that_two_folds_test_are_refused(study):
    write_predictions("three_phase", 1, np.random.default_rng(0), first=0)
    with pytest.raises(UserError, match="example_id: got test rows of another fold, expected each row in one fold"):
        summarize(study, CELL)


def test_a_row_says_which_training_it_shares_and_what_chose_its_epoch(study):
    assert note(study, ("minilm_l6", "no_imbalance")) == ""
    for fold in (0, 2):
        write_table(paths.predictions(Path(), "minilm_l6", "no_imbalance", fold), predictions("three_phase")[fold])
    assert note(study, ("minilm_l6", "no_imbalance")) == "same training as three_phase with seeds 0, 2"
    write_table(paths.predictions(Path(), "minilm_l6", "no_imbalance", 1), predictions("three_phase")[1])
    assert note(study, ("minilm_l6", "no_imbalance")) == "same training as three_phase"
    released = dataclasses.replace(study, params=dataclasses.replace(study.params, protocol="released"))
    assert note(released, ("minilm_l6", "ft")) == "best epoch chosen on the test rows"
    assert note(released, ("", "tfidf_logistic")) == "C chosen on the test rows"
    for without_choice in (("", "majority"), ("minilm_l6", "embedding_nearest_mean")):
        assert note(released, without_choice) == ""
