"""Classification metrics in percent, and how much each test row moves them."""

from collections.abc import Sequence

import numpy as np

METRICS = ["accuracy", "macro_precision", "macro_recall", "macro_f1"]
POSITIVE_METRICS = ["precision", "recall", "f1"]


def metrics_of(positive: str | None) -> list[str]:
    """The metrics of a data set: for one with a positive class also its precision, recall and F1 (tables 6 and 7)."""
    return METRICS + POSITIVE_METRICS if positive is not None else METRICS


def scores(
    labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str], positive: str | None = None
) -> dict[str, float]:
    """Every metric of ``metrics_of(positive)`` in percent (0 to 100), as scikit-learn computes them.

    ``labels`` and ``predicted`` hold one class a row. Macro values average over all ``classes`` of the data set,
    also those that no row has. A precision, recall or F1 whose denominator is zero counts as 0.
    """
    # Not scikit-learn's own: its import would take a tenth of a short training's time.
    actual, chosen = _one_hot(labels, classes), _one_hot(predicted, classes)
    hits, predicted_as, labelled_as = ((actual & chosen).sum(axis=0), chosen.sum(axis=0), actual.sum(axis=0))
    of_classes = [
        np.divide(gain, cost, out=np.zeros(len(classes)), where=cost > 0)
        for gain, cost in [(hits, predicted_as), (hits, labelled_as), (2 * hits, predicted_as + labelled_as)]
    ]
    values = [np.mean(np.asarray(labels) == np.asarray(predicted))]
    for averaged in _averaged(classes, positive):
        values += [ratio[averaged].mean() for ratio in of_classes]
    return {metric: 100 * float(value) for metric, value in zip(metrics_of(positive), values, strict=True)}


def _one_hot(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Booleans [rows, classes]."""
    return np.asarray(labels)[:, None] == np.asarray(classes)


def _averaged(classes: Sequence[str], positive: str | None) -> list:
    """Which classes the metrics average over: all, and where there is one the positive class alone."""
    return [slice(None)] if positive is None else [slice(None), np.asarray(classes) == positive]


def row_values(
    labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str], positive: str | None = None
) -> dict[str, np.ndarray]:
    """For every metric of ``metrics_of(positive)`` a value a row, in percent: its estimate plus the row's influence.

    The influence is n times the derivative of the metric with respect to the row's weight. So the influences sum to
    zero, and the values' mean over the n rows is the metric itself. Their variance over n is, to first order, the
    metric's sampling variance. For accuracy a value is 100 for a right and 0 for a wrong row.
    """
    actual, chosen = _one_hot(labels, classes), _one_hot(predicted, classes)
    hit = actual & chosen
    values = [100.0 * hit.any(axis=1)]
    for averaged in _averaged(classes, positive):
        gain, predicted_as, labelled_as = hit[:, averaged], chosen[:, averaged].astype(float), actual[:, averaged]
        values += [
            _macro_ratio(gain, predicted_as),
            _macro_ratio(gain, labelled_as.astype(float)),
            _macro_ratio(2 * gain, predicted_as + labelled_as),
        ]
    return dict(zip(metrics_of(positive), values, strict=True))


def _macro_ratio(gain: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Row values [n] of the mean over classes of sum(gain) / sum(cost); a row adds to both by [n, classes]."""
    total = cost.sum(axis=0)
    divisor = np.where(total > 0, total, 1.0)
    ratio = gain.sum(axis=0) / divisor
    influence = len(gain) * (gain - ratio * cost) / divisor
    return 100 * (ratio + influence).mean(axis=1)
