"""Metrics against scikit-learn, and row influences against numerical derivatives of scikit-learn's weighted metrics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from threephase.scores.metrics import METRICS, POSITIVE_METRICS, metrics_of, row_values, scores

CLASSES = ["a", "b", "c", "d"]
ROWS = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=40)


def weighted(labels, predicted, weights):
    macro, positive = (
        precision_recall_fscore_support(
            labels, predicted, labels=averaged, average="macro", zero_division=0, sample_weight=weights
        )[:3]
        for averaged in (CLASSES, ["a"])
    )
    accuracy = accuracy_score(labels, predicted, sample_weight=weights)
    return 100 * np.array([accuracy, *macro, *positive])


def test_scores_of_a_table_by_hand():
    labels, predicted = list("aaabbc"), list("aabbbb")
    values = scores(labels, predicted, ["a", "b", "c"])
    assert list(values) == METRICS
    assert values["accuracy"] == pytest.approx(100 * 4 / 6)
    assert values["macro_precision"] == pytest.approx(100 * (1 + 2 / 4 + 0) / 3)
    assert values["macro_recall"] == pytest.approx(100 * (2 / 3 + 1 + 0) / 3)
    assert values["macro_f1"] == pytest.approx(100 * (4 / 5 + 4 / 6 + 0) / 3)


def test_a_class_without_rows_counts_as_zero():
    values = scores(["a", "b"], ["a", "b"], ["a", "b", "c"])
    assert values["accuracy"] == 100
    assert values["macro_f1"] == pytest.approx(200 / 3)
    assert values["macro_f1"] != pytest.approx(100 * f1_score(["a", "b"], ["a", "b"], average="macro"))


@settings(deadline=None, max_examples=200)
@given(ROWS)
def test_scores_have_the_bytes_of_scikit_learn(rows):
    labels, predicted = zip(*rows, strict=True)
    assert list(scores(labels, predicted, CLASSES, "a").values()) == weighted(labels, predicted, None).tolist()


@settings(deadline=None, max_examples=50)
@given(ROWS)
def test_row_values_average_to_the_metric(rows):
    labels, predicted = zip(*rows, strict=True)
    values, expected = row_values(labels, predicted, CLASSES, "a"), scores(labels, predicted, CLASSES, "a")
    assert list(values) == list(expected) == METRICS + POSITIVE_METRICS
    for metric in values:
        assert values[metric].shape == (len(rows),)
        assert values[metric].mean() == pytest.approx(expected[metric], abs=1e-9)


def test_influences_are_the_derivatives_by_row_weight():
    draw, n, step = np.random.default_rng(3), 30, 1e-5
    labels, predicted = draw.choice(CLASSES, n), draw.choice(CLASSES[:3], n)
    values = row_values(labels, predicted, CLASSES, "a")
    estimates = weighted(labels, predicted, np.ones(n))
    for row in range(n):
        change = step * (np.arange(n) == row)
        slope = (weighted(labels, predicted, 1 + change) - weighted(labels, predicted, 1 - change)) / (2 * step)
        got = [values[metric][row] for metric in metrics_of("a")]
        np.testing.assert_allclose(got, estimates + n * slope, rtol=1e-6, atol=1e-4)


def test_accuracy_values_are_right_or_wrong():
    assert row_values(["a", "b"], ["a", "a"], CLASSES)["accuracy"].tolist() == [100.0, 0.0]


def test_metrics_of_the_positive_class_by_hand():
    labels, predicted = list("ppppnn"), list("pppnpn")
    values = scores(labels, predicted, ["n", "p"], "p")
    assert values["precision"] == pytest.approx(75) and values["recall"] == pytest.approx(75)
    assert scores(labels, predicted, ["n", "p"], "n")["precision"] == pytest.approx(50)
    assert values["f1"] == pytest.approx(
        100 * precision_recall_fscore_support(labels, predicted, pos_label="p", average="binary")[2]
    )
    assert list(scores(labels, predicted, ["n", "p"])) == metrics_of(None) == METRICS


def test_a_positive_class_that_is_never_predicted_counts_as_zero():
    values = scores(["p", "n"], ["n", "n"], ["n", "p"], "p")
    assert (values["precision"], values["recall"], values["f1"]) == (0, 0, 0)
    assert row_values(["p", "n"], ["n", "n"], ["n", "p"], "p")["f1"].tolist() == [0, 0]
