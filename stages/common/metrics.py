"""Classification metrics in percent, and how much each test row moves them."""

from collections.abc import Sequence

import numpy as np

METRICS = ["accuracy", "macro_precision", "macro_recall", "macro_f1"]


def scores(labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> dict[str, float]:
    """Every metric of ``METRICS`` in percent (0 to 100), by scikit-learn.

    ``labels`` and ``predicted`` hold one class a row. Macro values average over all ``classes`` of the data set,
    also those that no row has; a precision, recall or F1 whose denominator is zero counts as 0.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=list(classes), average="macro", zero_division=0
    )
    values = [accuracy_score(labels, predicted), precision, recall, f1]
    return {metric: 100 * float(value) for metric, value in zip(METRICS, values, strict=True)}


def row_values(labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> dict[str, np.ndarray]:
    """For every metric one value a row, in percent: the metric's estimate plus the row's linearised influence.

    The influence is n times the derivative of the metric with respect to the row's weight, so the influences sum to
    zero, the values' mean over the n rows is the metric itself, and their variance over n is, to first order, the
    metric's sampling variance. For accuracy a value is 100 for a right and 0 for a wrong row.
    """
    classes = np.asarray(classes)
    actual = np.asarray(labels)[:, None] == classes
    chosen = np.asarray(predicted)[:, None] == classes
    hit = actual & chosen
    return {
        "accuracy": 100.0 * hit.any(axis=1),
        "macro_precision": _macro_ratio(hit, chosen.astype(float)),
        "macro_recall": _macro_ratio(hit, actual.astype(float)),
        "macro_f1": _macro_ratio(2 * hit, chosen.astype(float) + actual),
    }


def _macro_ratio(gain: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Row values [n] of the mean over classes of sum(gain) / sum(cost); a row adds to both by [n, classes]."""
    total = cost.sum(axis=0)
    divisor = np.where(total > 0, total, 1.0)
    ratio = gain.sum(axis=0) / divisor
    influence = len(gain) * (gain - ratio * cost) / divisor
    return 100 * (ratio + influence).mean(axis=1)
