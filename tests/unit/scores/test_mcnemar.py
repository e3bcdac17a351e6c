"""McNemar's exact test and its combination over seeds, against scipy's binomial test on random tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from threephase.scores.mcnemar import exact_p, over_seeds

ROWS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def expected_p(right: np.ndarray, other: np.ndarray) -> float:
    """By the definition: of the rows that one alone gets right, as many on either side as a fair coin gives."""
    gained, lost = int((right & ~other).sum()), int((~right & other).sum())
    return binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_it_is_the_binomial_test_of_the_rows_that_differ(rows):
    right, other = np.array(rows).T
    assert exact_p(right, other) == pytest.approx(expected_p(right, other), rel=1e-9)
    assert exact_p(other, right) == pytest.approx(exact_p(right, other), rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_seeds_are_combined_by_twice_the_median(seeds, number):
    draw = np.random.default_rng(number)
    right, other = draw.random((2, seeds, 40)) < [[[0.8]], [[0.6]]]
    values = sorted(expected_p(first, second) for first, second in zip(right, other, strict=True))
    middle = (values[(seeds - 1) // 2] + values[seeds // 2]) / 2
    assert over_seeds(right, other) == pytest.approx(min(1, 2 * middle), rel=1e-9)


def test_one_seed_counts_twice_as_well():
    right, other = np.ones((1, 9), dtype=bool), np.zeros((1, 9), dtype=bool)
    assert exact_p(right[0], other[0]) == pytest.approx(2 / 2**9)
    assert over_seeds(right, other) == pytest.approx(4 / 2**9)


def test_classifiers_that_are_right_on_the_same_rows_do_not_differ():
    same = np.arange(12) % 3 == 0
    assert exact_p(same, same) == over_seeds(np.stack([same] * 4), np.stack([same] * 4)) == 1


def test_it_rarely_finds_a_difference_where_there_is_none():
    # Three seeds on shared rows; the test is exact, so that it stays below the level.
    draw, rejected = np.random.default_rng(7), 0
    for _ in range(200):
        easy = draw.normal(0, 1, 80)
        right, other = (easy + draw.normal(0, 1, (2, 3, 80))) > -0.5
        rejected += over_seeds(right, other) <= 0.05
    assert rejected / 200 <= 0.05
