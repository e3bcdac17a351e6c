"""The audit's checks against brute force and definitions: what is true passes, what is not is found."""

from decimal import ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threephase.audit import balanced_recall, confusion, granularity, own_runs
from threephase.audit.item import Item, to_text
from threephase.audit.macro_f1 import harmonic_mean
from threephase.audit.overlap_effect import largest_effect
from threephase.audit.search_space import allowed
from threephase.scores.metrics import scores

ROUNDED, TRUNCATED = (ROUND_HALF_UP, ROUND_HALF_DOWN), (ROUND_DOWN,)
CLASSES = ["bad", "good", "so-so"]
# The first example imports scikit-learn, which takes seconds on a busy machine.
UNHURRIED = settings(deadline=None)


@st.composite
def matrices(draw, most=400):
    """Positive and negative rows, and how many of each are answered rightly."""
    p, n = draw(st.integers(1, most)), draw(st.integers(1, most))
    return p, n, draw(st.integers(0, p)), draw(st.integers(0, n))


def labels_and_answers(p, n, tp, tn):
    labels = ["good"] * p + ["bad"] * n
    return labels, ["good"] * tp + ["bad"] * (p - tp) + ["bad"] * tn + ["good"] * (n - tn)


def values_of(rows, ways):
    """All percentages with two decimals that so many rows give, in hundredths."""
    exact = [Decimal(100 * k) / rows for k in range(rows + 1)]
    return {int(100 * value.quantize(Decimal("0.01"), rounding=way)) for value in exact for way in ways}


@UNHURRIED
@given(st.integers(1, 500))
def test_granularity_is_that_of_decimal_arithmetic(rows):
    every = np.arange(granularity.FINEST + 1)
    assert set(np.flatnonzero(granularity.possible(every, rows))) == values_of(rows, ROUNDED)
    assert set(np.flatnonzero(granularity.possible(every, rows, truncated=True))) == values_of(
        rows, ROUNDED + TRUNCATED
    )


def test_the_fewest_rows_that_give_a_value():
    assert granularity.fewest_rows(np.array([10_000, 0])) == 1
    assert granularity.fewest_rows(np.array([3333, 5000])) == 6
    assert granularity.fewest_rows(np.array([9992])) > 1000


@UNHURRIED
@given(matrices(), st.sampled_from(confusion.AVERAGINGS))
def test_every_true_matrix_is_found(matrix, averaging):
    p, n, tp, tn = matrix
    true = confusion.measured(np.array([tp]), np.array([tn]), p, n, averaging)
    printed = {metric: round(float(getattr(true, metric)[0]), 2) for metric in confusion.METRICS}
    assert confusion.explains(printed, p, n, averaging)
    fitting = confusion.with_precision_and_recall(printed["precision"], printed["recall"], p, n, averaging)
    assert (tp, tn) in set(zip(fitting.right_positives, fitting.right_negatives, strict=True))


@UNHURRIED
@given(
    st.integers(1, 12), st.integers(1, 12), st.floats(0, 100), st.floats(0, 100), st.sampled_from(confusion.AVERAGINGS)
)
def test_the_search_finds_exactly_what_trying_all_matrices_finds(p, n, precision, recall, averaging):
    tp, tn = (grid.ravel() for grid in np.meshgrid(np.arange(p + 1), np.arange(n + 1)))
    every = confusion.measured(tp, tn, p, n, averaging)
    tolerance = 5.0  # wide, so that something is found
    wanted = confusion.fitting(confusion.fitting(every, "recall", recall, tolerance), "precision", precision, tolerance)
    fitting = confusion.with_precision_and_recall(precision, recall, p, n, averaging, tolerance)
    pairs = [
        set(zip(matrices.right_positives, matrices.right_negatives, strict=True)) for matrices in (wanted, fitting)
    ]
    assert pairs[0] == pairs[1] and len(fitting) == len(pairs[1])


@UNHURRIED
@given(matrices(60))
def test_what_matrices_give_is_what_scikit_learn_measures(matrix):
    p, n, tp, tn = matrix
    labels, answers = labels_and_answers(p, n, tp, tn)
    expected = scores(labels, answers, ["bad", "good"], "good")
    for averaging, prefix in (("positive", ""), ("macro", "macro_")):
        measured = confusion.measured(np.array([tp]), np.array([tn]), p, n, averaging)
        assert measured.accuracy[0] == pytest.approx(expected["accuracy"])
        for metric in ("precision", "recall", "f1"):
            assert getattr(measured, metric)[0] == pytest.approx(expected[prefix + metric])


def test_numbers_of_no_matrix_are_refused():
    true = confusion.measured(np.array([40]), np.array([30]), 50, 50, "positive")
    printed = {metric: round(float(getattr(true, metric)[0]), 2) for metric in confusion.METRICS}
    for metric in confusion.METRICS:
        assert not confusion.explains(printed | {metric: printed[metric] + 0.5}, 50, 50, "positive"), metric


@UNHURRIED
@given(matrices(60))
def test_a_true_two_class_run_gives_no_finding(matrix):
    labels, answers = labels_and_answers(*matrix)
    findings = own_runs.findings_of_run(scores(labels, answers, ["bad", "good"], "good"), pd.Series(labels), "good")
    assert not any(findings.values()) and {"Accuracies", "Matrices"} <= set(findings)


@UNHURRIED
@given(st.lists(st.sampled_from(CLASSES), min_size=15, max_size=15))
def test_a_true_run_on_balanced_rows_gives_no_finding(answers):
    labels = pd.Series(CLASSES * 5)
    findings = own_runs.findings_of_run(scores(labels, answers, CLASSES), labels, None)
    assert findings == {"Accuracies": False, "Balanced recalls": False}


def test_a_run_with_false_numbers_gives_findings():
    labels, answers = labels_and_answers(50, 50, 40, 30)
    true = scores(labels, answers, ["bad", "good"], "good")
    wrong = {"accuracy": 70.5, "precision": true["precision"] + 0.3, "macro_recall": 60.0}
    for metric, check in zip(wrong, own_runs.CHECKS, strict=True):
        assert own_runs.findings_of_run(true | {metric: wrong[metric]}, pd.Series(labels), "good")[check], metric


@UNHURRIED
@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=60))
def test_macro_f1_never_exceeds_the_harmonic_mean_of_the_averages(rows):
    values = scores(*zip(*rows, strict=True), CLASSES)
    assert values["macro_f1"] <= harmonic_mean(values["macro_precision"], values["macro_recall"]) + 1e-9


@UNHURRIED
@given(st.integers(2, 40), st.data())
def test_the_largest_effect_is_that_of_trying_every_answer(rows, data):
    shared, right = data.draw(st.integers(1, rows - 1)), data.draw(st.integers(0, rows))
    changes = [
        abs(100 * (right - among) / (rows - shared) - 100 * right / rows)
        for among in range(shared + 1)
        if among <= right and right - among <= rows - shared
    ]
    assert largest_effect(100 * right / rows, rows, shared) == pytest.approx(max(changes))


def test_small_rules():
    assert balanced_recall.balanced({"a": 5, "b": 5}) and not balanced_recall.balanced({"a": 5, "b": 6})
    assert balanced_recall.agrees(95.08, 95.09) and not balanced_recall.agrees(95.08, 95.10)
    assert allowed(48, ["estimate", "per data set", 512]) and not allowed(48, ["estimate", 512])
    assert not allowed("model", ["estimate", "per data set", 512])


def test_texts_come_out_literally_in_markdown():
    odd = "a_b | *c* <d> `e`"
    item = Item(*[odd] * 5, "finding", [odd], [[odd]], odd, odd, odd)
    text = to_text([item])
    assert "<d>" not in text and text.count("a\\_b \\| \\*c\\* \\<d\\> \\`e\\`") == 11
