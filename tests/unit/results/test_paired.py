"""Paired comparisons of predictions: what holds of any, what the claims say of the same, and what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_project import REPOSITORY

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.results.cells import predictions_by_cell
from threephase.results.paired import pair
from threephase.results.results import read_frame
from threephase.scores.metrics import scores
from threephase.scores.predictions import predictions_table
from threephase.study.read_params import load_study

NAMES, METRICS = ("A", "B"), ["accuracy", "macro_f1"]
CLASSES = ["fruit", "metal", "tree"]


@pytest.fixture(scope="module")
def studies():
    """A study with one test set, and one whose seeds are folds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        return {name: load_study(name) for name in ("bbc", "snips_l6")}


def predictions(random: np.random.Generator, seeds: range, rows: int, folds: bool) -> dict[int, pd.DataFrame]:
    """Predictions at random, of rows with fixed labels."""
    by_seed = {}
    for seed in seeds:
        numbers = np.arange(rows) + rows * seed * folds
        parts = {
            "test": pd.DataFrame(
                {"example_id": [f"test-{number}" for number in numbers], "label": np.take(CLASSES, numbers % 3)}
            ),
            "validation": pd.DataFrame({"example_id": ["train-0"], "label": ["fruit"]}),
        }
        by_seed[seed] = predictions_table(
            parts, {part: random.random((len(parts[part]), 3)) for part in parts}, CLASSES
        )
    return by_seed


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 40), st.booleans())
def test_what_holds_of_any_two(studies, draw, n_seeds, rows, folds):
    random, study = np.random.default_rng(draw), studies["snips_l6" if folds else "bbc"]
    first, second = (predictions(random, range(n_seeds), rows, folds) for _ in range(2))
    same = pair(study, first, {seed: frame.copy() for seed, frame in first.items()}, METRICS, NAMES)
    assert same.same and same.alike == 100
    there, back = (pair(study, *sides, METRICS, NAMES) for sides in ((first, second), (second, first)))
    shuffled = {seed: frame.sample(frac=1, random_state=1) for seed, frame in second.items()}
    other_order = pair(study, first, shuffled, METRICS, NAMES)
    tests = [[frame[frame["split"] == "test"] for frame in side.values()] for side in (first, second)]
    for metric in METRICS:
        difference, zero = there.differences[metric], same.differences[metric]
        assert (zero.interval.mean, zero.interval.low, zero.interval.high, *zero.by_seed) == (0,) * (3 + n_seeds)
        assert difference.interval.mean == pytest.approx(difference.second - difference.first, abs=1e-9)
        assert back.differences[metric].interval.low == pytest.approx(-difference.interval.high, abs=1e-9)
        assert other_order.differences[metric].interval == difference.interval
        for value, side in ((difference.first, tests[0]), (difference.second, tests[1])):
            frames = [pd.concat(side)] if folds else side
            expected = np.mean([scores(frame["label"], frame["predicted"], CLASSES)[metric] for frame in frames])
            assert value == pytest.approx(expected)
    assert there.n_test == rows * (n_seeds if folds else 1) and there.alike == back.alike == other_order.alike


def test_a_comparison_of_two_cells_is_that_of_the_claims(studies):
    study, folder = studies["snips_l6"], REPOSITORY / paths.published("snips_l6")
    by_cell = predictions_by_cell(pd.read_parquet(folder / "predictions.parquet"))
    claims = read_frame(folder / "claims.csv")
    compared = claims.dropna(subset=["difference"])
    assert len(compared) >= 5
    for row in compared.itertuples():
        sides = (by_cell[row.encoder, other] for other in (row.other, row.variant))
        paired = pair(study, *sides, [row.metric], NAMES)
        interval = paired.differences[row.metric].interval
        assert [interval.mean, interval.low, interval.high] == pytest.approx([row.difference, row.ci_low, row.ci_high])
        assert (interval.kind, paired.n_test, len(paired.seeds)) == (row.ci_kind, row.n_test, row.n_seeds)
        assert ", ".join(f"{value:+.1f}" for value in paired.differences[row.metric].by_seed) == row.by_seed


def test_one_fold_of_five_is_no_cross_validation(studies):
    random = np.random.default_rng(0)
    first, second = (predictions(random, range(5), 20, True) for _ in range(2))
    paired = pair(studies["snips_l6"], first, {3: second[3]}, METRICS, NAMES)
    assert paired.seeds == [3] and paired.n_test == 20 and paired.other_seeds == ["seeds 0, 1, 2, 4 only in A"]
    assert paired.differences["accuracy"].interval.kind == "test rows only"


def test_rows_that_one_seed_lacks_are_left_out_of_all(studies):
    random = np.random.default_rng(0)
    first, second = (predictions(random, range(3), 20, False) for _ in range(2))
    second[1] = second[1].iloc[5:]
    paired = pair(studies["bbc"], first, second, METRICS, NAMES)
    assert paired.n_test == 15 and not paired.same
    assert paired.other_rows == ["15 test rows only in A", "10 test rows only in B"]


def test_probabilities_count_for_the_same_predictions_and_their_columns_order_does_not(studies):
    first = predictions(np.random.default_rng(0), range(2), 20, False)
    turned = {seed: frame[frame.columns[::-1]] for seed, frame in first.items()}
    assert pair(studies["bbc"], first, turned, METRICS, NAMES).same
    digit = {
        seed: frame.assign(probability_tree=np.nextafter(frame["probability_tree"], np.float32(2)))
        for seed, frame in first.items()
    }
    assert not pair(studies["bbc"], first, digit, METRICS, NAMES).same


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (
            lambda side: {seed + 5: frame for seed, frame in side.items()},
            "seeds: got 0, 1 in A and 5, 6 in B, none in both",
        ),
        (
            lambda side: {seed: frame.assign(example_id="new-" + frame["example_id"]) for seed, frame in side.items()},
            "test rows: got none that A and B both have, with seed 0, 1",
        ),
        (
            lambda side: {
                seed: frame.rename(columns={"probability_tree": "probability_oak"}) for seed, frame in side.items()
            },
            "classes: got oak, tree in one of A and B only, expected them in both",
        ),
        (
            lambda side: {seed: pd.concat([frame, frame]) for seed, frame in side.items()},
            "seed 0: example_id: got test rows of one name in B, expected each once",
        ),
        (
            lambda side: {seed: frame.assign(label="tree") for seed, frame in side.items()},
            "test rows: got label 'fruit' in A and 'tree' in B for test-0, expected the same examples (14 such rows "
            "with seed 0)",
        ),
        (
            lambda side: {seed: frame.iloc[:1] for seed, frame in side.items()},
            "predictions: got 1 test rows, expected at least 2, which an interval needs",
        ),
    ],
)
def test_what_can_not_be_paired_is_refused(studies, turn, said):
    first = predictions(np.random.default_rng(0), range(2), 20, False)
    with pytest.raises(UserError) as error:
        pair(studies["bbc"], first, turn(first), METRICS, NAMES)
    assert str(error.value) == said


def test_the_study_that_is_given_stays_as_it_is(studies):
    before = dataclasses.asdict(studies["bbc"])
    first = predictions(np.random.default_rng(0), range(1), 20, False)
    pair(studies["bbc"], first, first, METRICS, NAMES)
    assert dataclasses.asdict(studies["bbc"]) == before
