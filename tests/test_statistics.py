"""Intervals in closed form and by simulation, paired differences, verdicts."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from stages.common.analysis.statistics import (
    ROWS_ONLY,
    SEEDS_AND_ROWS,
    Interval,
    claim_verdict,
    mean_interval,
    paired_difference,
)
from stages.common.errors import UserError


def half_width(interval):
    return (interval.high - interval.low) / 2


def test_one_seed_is_the_t_interval_of_the_rows():
    values = np.array([[1.0, 2.0, 4.0, 9.0]])
    expected = scipy.stats.t.interval(0.9, 3, loc=4.0, scale=scipy.stats.sem(values[0]))
    interval = mean_interval(values, 0.9, 3)
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert (interval.mean, interval.kind) == (4.0, ROWS_ONLY)


def test_two_of_three_seeds_cover_test_rows_only():
    values = np.array([[0.0, 2.0, 4.0], [2.0, 2.0, 8.0]])
    expected = scipy.stats.t.interval(0.95, 2, loc=3.0, scale=scipy.stats.sem([1.0, 2.0, 6.0]))
    interval = mean_interval(values, 0.95, 3)
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert interval.kind == ROWS_ONLY


def test_two_way_variance_by_part_in_closed_form():
    values = np.array([[1.0, 2.0, 3.0, 9.0], [4.0, 5.0, 8.0, 9.0], [9.0, 9.0, 9.0, 15.0]])
    by_seed, by_row, mean = values.mean(1), values.mean(0), values.mean()
    squares_seeds = 4 * ((by_seed - mean) ** 2).sum() / 2
    squares_rows = 3 * ((by_row - mean) ** 2).sum() / 3
    residual = sum((values[s, i] - by_seed[s] - by_row[i] + mean) ** 2 for s in range(3) for i in range(4)) / 6
    interval = mean_interval(values, 0.95, 3)
    of_seeds, of_rows = (squares_seeds - residual) / 12, squares_rows / 12
    expected = np.sqrt(scipy.stats.t.ppf(0.975, 2) ** 2 * of_seeds + scipy.stats.t.ppf(0.975, 3) ** 2 * of_rows)
    assert of_seeds > 0 and half_width(interval) == pytest.approx(expected)
    assert interval.parts == (pytest.approx((of_seeds, 2)), pytest.approx((of_rows, 3)))
    assert (interval.mean, interval.kind) == (pytest.approx(mean), SEEDS_AND_ROWS)


def test_seeds_that_agree_too_well_leave_the_variance_of_the_rows():
    rows = np.array([0.0, 3.0, 5.0, 8.0])
    noise = np.array([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    interval = mean_interval(rows + noise, 0.95, 3)
    assert half_width(interval) == pytest.approx(scipy.stats.t.ppf(0.975, 3) * scipy.stats.sem(rows))
    assert interval.kind == SEEDS_AND_ROWS


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_values_that_do_not_vary_give_no_width(seeds):
    interval = mean_interval(np.full((seeds, 6), 50.0), 0.95, 3)
    assert (interval.mean, interval.low, interval.high) == (50.0, 50.0, 50.0)


def test_seeds_alone_give_the_t_interval_of_the_seeds():
    values = np.repeat([[0.0], [100.0], [50.0]], 5, axis=1)
    interval = mean_interval(values, 0.95, 3)
    assert half_width(interval) == pytest.approx(scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem([0, 100, 50]))


def test_one_test_row_is_refused():
    with pytest.raises(UserError, match="got 1 test rows, expected at least 2"):
        mean_interval(np.ones((3, 1)), 0.95, 3)


@pytest.mark.parametrize(("seed_spread", "row_spread"), [(0.0, 1.0), (0.1, 1.0), (0.5, 1.0), (0.5, 0.1)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(seed_spread, row_spread):
    draw, studies = np.random.default_rng(11), 400
    covered = 0
    for _ in range(studies):
        seeds, rows = draw.normal(0, seed_spread, (4, 1)), draw.normal(0, row_spread, (1, 60))
        interval = mean_interval(7 + seeds + rows + draw.normal(0, 0.5, (4, 60)), 0.95, 3)
        covered += interval.low <= 7 <= interval.high
    assert 0.91 <= covered / studies <= 0.985


def test_a_paired_difference_leaves_out_what_both_cells_share():
    draw = np.random.default_rng(5)
    shared, ids = draw.normal(0, 10, (1, 50)), [f"row{i}" for i in range(50)]
    one, other = 2 + shared + draw.normal(0, 0.1, (3, 50)), shared + draw.normal(0, 0.1, (3, 50))
    interval = paired_difference(one, other, ids, ids, 0.95, 3)
    assert interval == mean_interval(one - other, 0.95, 3)
    assert 1.9 < interval.low < interval.high < 2.1


@pytest.mark.parametrize("other_ids", [["a", "c", "b"], ["a", "b"], ["a", "b", "c", "d"]])
def test_other_rows_are_not_paired(other_ids):
    with pytest.raises(UserError, match="example_ids.*expected the same ones in the same order"):
        paired_difference(np.ones((2, 3)), np.ones((2, len(other_ids))), ["a", "b", "c"], other_ids, 0.95, 3)


def test_other_numbers_of_seeds_are_not_paired():
    with pytest.raises(UserError, match="expected the same seeds"):
        paired_difference(np.ones((2, 3)), np.ones((1, 3)), list("abc"), list("abc"), 0.95, 3)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 5.0, "supported"),
        (0.1, 0.5, "supported"),
        (0.0, 0.0, "not supported"),
        (-3.0, 0.9, "not supported"),
        (-3.0, 1.0, "undecided"),
        (0.0, 4.0, "undecided"),
    ],
)
def test_verdicts_follow_the_rule(low, high, verdict):
    assert claim_verdict(Interval((low + high) / 2, low, high, SEEDS_AND_ROWS), 1.0) == verdict
    assert claim_verdict(Interval((low + high) / 2, low, high, ROWS_ONLY), 1.0) == "too few seeds"


@given(st.floats(-50, 50), st.floats(0, 50))
def test_moving_an_interval_up_never_weakens_a_verdict(low, width):
    order = ["not supported", "undecided", "supported"]
    intervals = [Interval(0, low + shift, low + shift + width, SEEDS_AND_ROWS) for shift in (0, 1, 10, 100)]
    verdicts = [order.index(claim_verdict(interval, 1.0)) for interval in intervals]
    assert verdicts == sorted(verdicts)
