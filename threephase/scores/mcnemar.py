"""McNemar's exact test: whether two classifiers are right on the same test rows equally often."""

import numpy as np


def exact_p(right: np.ndarray, other: np.ndarray) -> float:
    """Two-sided exact p-value from ``right`` and ``other`` [rows], True where a classifier is right on that row.

    Only rows that one of them alone gets right count; where there are none, the value is 1.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    table = [[int((first & second).sum()) for second in (other, ~other)] for first in (right, ~right)]
    return float(mcnemar(table, exact=True).pvalue)


def over_seeds(right: np.ndarray, other: np.ndarray) -> float:
    """One p-value from ``right`` and ``other`` [seeds, rows]: twice the median of the seeds' values, at most 1.

    Every seed is tested on the same rows, so the values depend on each other; twice their median is a p-value however
    they do. It speaks of these trainings: what another seed would change is not in it.
    """
    return min(1.0, 2 * float(np.median([exact_p(*pair) for pair in zip(right, other, strict=True)])))
