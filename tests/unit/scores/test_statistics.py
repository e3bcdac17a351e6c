"""Intervals in closed form and by simulation, paired differences, verdicts."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from threephase.base.errors import UserError
from threephase.scores.statistics import (
    ROWS_ONLY,
    SEEDS_AND_ROWS,
    Interval,
    claim_verdict,
    detectable,
    mean_interval,
    p_value,
    paper_verdict,
    prediction_interval,
)


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


def test_of_one_source_of_chance_the_p_value_is_that_of_the_t_test():
    values = np.random.default_rng(2).normal(3, 9, 40)
    folds = np.repeat(np.arange(5), 8)
    interval = mean_interval(values, 0.95, 3, folds)
    expected = scipy.stats.ttest_1samp(values.reshape(5, 8).mean(axis=1), 0).pvalue
    assert p_value(interval) == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(-4, 4), st.floats(0, 3))
def test_the_p_value_is_the_level_whose_interval_just_reaches_0(number, mean, seed_spread):
    draw = np.random.default_rng(number)
    values = mean + draw.normal(0, seed_spread, (4, 1)) + draw.normal(0, 3, (1, 30)) + draw.normal(0, 2, (4, 30))
    p = p_value(mean_interval(values, 0.95, 3))
    at_p = mean_interval(values, 1 - p, 3)
    assert min(abs(at_p.low), abs(at_p.high)) == pytest.approx(0, abs=1e-6)
    interval = mean_interval(values, 0.95, 3)
    assert (p < 0.05) == (not interval.low <= 0 <= interval.high)


def test_intervals_that_leave_out_the_seeds_have_no_p_value_and_detect_nothing():
    interval = mean_interval(np.random.default_rng(0).normal(50, 1, (2, 30)), 0.95, 3)
    assert interval.kind == ROWS_ONLY and interval.low > 0
    assert p_value(interval) is None and detectable(interval, 0.95, 0.8) is None


@pytest.mark.parametrize(("value", "expected"), [(0.0, 1.0), (100.0, 0.0), (-100.0, 0.0)])
def test_values_that_do_not_vary_have_a_p_value_and_detect_nothing(value, expected):
    interval = mean_interval(np.full((3, 6), value), 0.95, 3)
    assert p_value(interval) == expected and detectable(interval, 0.95, 0.8) is None


def test_the_detectable_difference_in_closed_form():
    values = np.repeat([[0.0], [100.0], [50.0]], 5, axis=1)
    error = scipy.stats.sem([0, 100, 50])
    expected = error * (scipy.stats.t.ppf(0.975, 2) + scipy.stats.t.ppf(0.8, 2))
    assert detectable(mean_interval(values, 0.95, 3), 0.95, 0.8) == pytest.approx(expected)


@pytest.mark.parametrize("seed_spread", [0.3, 2.0])
def test_a_true_difference_as_large_as_the_detectable_one_is_found_about_as_often_as_said(seed_spread):
    def study(truth):
        seeds, rows = draw.normal(0, seed_spread, (5, 1)), draw.normal(0, 8, (1, 60))
        return mean_interval(truth + seeds + rows + draw.normal(0, 8, (5, 60)), 0.95, 3)

    draw = np.random.default_rng(4)
    # The one that follows from the true variances, as a study would estimate it in the long run.
    parts = ((seed_spread**2 / 5, 4.0), ((8**2 + 8**2 / 5) / 60, 59.0))
    truth = detectable(Interval(0, 0, 0, SEEDS_AND_ROWS, parts), 0.95, 0.8)
    power = np.mean([study(truth).low > 0 for _ in range(400)])
    assert 0.74 <= power <= 0.88


def test_a_paired_difference_leaves_out_what_both_cells_share():
    draw = np.random.default_rng(5)
    shared = draw.normal(0, 10, (1, 50))
    better, other = 2 + shared + draw.normal(0, 0.1, (3, 50)), shared + draw.normal(0, 0.1, (3, 50))
    interval = mean_interval(better - other, 0.95, 3)
    assert 1.9 < interval.low < interval.high < 2.1


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 5.0, "supported"),
        (0.1, 0.5, "supported"),
        (-3.0, 0.9, "not supported"),
        (-3.0, 1.0, "undecided"),
        (0.0, 4.0, "undecided"),
    ],
)
def test_verdicts_follow_the_rule(low, high, verdict):
    assert claim_verdict(Interval((low + high) / 2, low, high, SEEDS_AND_ROWS), 1.0) == verdict
    assert claim_verdict(Interval((low + high) / 2, low, high, ROWS_ONLY), 1.0) == "too few seeds"


@pytest.mark.parametrize("kind", [SEEDS_AND_ROWS, ROWS_ONLY])
def test_cells_with_the_same_predictions_decide_nothing(kind):
    assert claim_verdict(Interval(0.0, 0.0, 0.0, kind), 1.0) == "same predictions"


@given(st.floats(-50, 50), st.floats(1e-6, 50))
def test_moving_an_interval_up_never_weakens_a_verdict(low, width):
    order = ["not supported", "undecided", "supported"]
    intervals = [Interval(0, low + shift, low + shift + width, SEEDS_AND_ROWS) for shift in (0, 1, 10, 100)]
    verdicts = [order.index(claim_verdict(interval, 1.0)) for interval in intervals]
    assert verdicts == sorted(verdicts)


def test_a_paper_s_number_is_held_against_where_one_more_run_would_lie():
    values = np.array([81.0, 83.0, 84.5, 80.5])
    low, high = prediction_interval(values.mean(), values.std(ddof=1), 4, 0.95)
    half = scipy.stats.t.ppf(0.975, 3) * values.std(ddof=1) * np.sqrt(1 + 1 / 4)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert paper_verdict(low + 0.1, (low, high), 20) == paper_verdict(high, (low, high), 20) == "agrees"
    assert paper_verdict(high + 0.1, (low, high), 20) == "disagrees"
    assert paper_verdict(low + 0.1, (low, high), high - low - 0.1) == "undecided"
    assert paper_verdict(80.0, None, 20) == "no interval"
    # As often as it says: the next of many runs.
    draw = np.random.default_rng(6)
    runs = draw.normal(80, 2, (2000, 5))
    bounds = [prediction_interval(run[:4].mean(), run[:4].std(ddof=1), 4, 0.95) for run in runs]
    assert 0.935 <= np.mean([low <= run[4] <= high for run, (low, high) in zip(runs, bounds, strict=True)]) <= 0.965
