"""Intervals over seeds and test rows, paired differences of cells, and verdicts on claims: docs/statistics.md.

The estimand is a metric's expectation over both sources of chance: a new seed and new test rows of the same kind.
A seed draws training and validation rows, initial weights and order. Every seed is tested on the same rows, so neither
may be counted as if it were independent of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from threephase.base.errors import UserError

SEEDS_AND_ROWS = "seeds and test rows"
ROWS_ONLY = "test rows only"
BY_FOLD = "test rows, clustered by fold"
SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"
TOO_FEW_SEEDS, NOT_RUN, SAME_PREDICTIONS = "too few seeds", "not run", "same predictions"
AGREES, DISAGREES, NO_INTERVAL = "agrees", "disagrees", "no interval"
PRINTED_ROUNDING = 0.005  # the paper prints two decimals
SMALLEST_P = 1e-200  # below it a p-value counts as zero


@dataclass(frozen=True)
class Interval:
    """A mean with its interval, in the unit of the values; ``kind`` names the chance that the interval covers.

    ``parts``: the mean's variance from each source of chance with its degrees of freedom, as ``half_width`` takes them;
    none where only the bounds are known.
    """

    mean: float
    low: float
    high: float
    kind: str
    parts: tuple[tuple[float, float], ...] = ()


def mean_interval(values: np.ndarray, confidence: float, min_seeds: int, folds: np.ndarray | None = None) -> Interval:
    """Interval of the mean of ``values`` [seeds, rows], as made by ``metrics.row_values``.

    The variance is ``two_way_parts``'. The interval is symmetric, so near 0 or 100 percent it may reach past the bound
    (``cells.summarize`` cuts it there). Values that do not vary at all give one of no width. With ``folds`` [rows],
    which numbers each row's fold, ``values`` are [rows], pooled over the folds of a cross-validation, and the variance
    is ``clustered_parts``'.
    """
    if folds is not None:
        if (count := len(np.unique(folds))) < 2:
            raise UserError(f"predictions: got {count} fold, expected at least 2, which an interval needs")
        (variances, freedoms), kind = clustered_parts(values, folds), BY_FOLD
    else:
        seeds, rows = values.shape
        if rows < 2:
            raise UserError(f"predictions: got {rows} test rows, expected at least 2, which an interval needs")
        variances, freedoms = two_way_parts(values, min_seeds)
        kind = SEEDS_AND_ROWS if seeds >= min_seeds else ROWS_ONLY
    mean, half = float(values.mean()), float(half_width(variances, freedoms, (1 - confidence) / 2))
    return Interval(mean, mean - half, mean + half, kind, tuple(zip(variances.tolist(), freedoms, strict=True)))


def half_width(variances: np.ndarray, freedoms: Sequence[float], tail: float) -> np.ndarray:
    """Half the width of an interval that leaves ``tail`` on each side, of a mean whose variance has several parts.

    ``variances`` [..., parts] are independent estimates with ``freedoms`` degrees of freedom. Each part is widened by
    its own t quantile, sqrt(sum of t^2 * variance) (Banerjee 1960). A share estimated from three seeds counts with
    three seeds' quantile, however many rows there are. With one part it is the usual t interval.
    """
    from scipy.special import stdtrit

    return np.sqrt(variances @ stdtrit(np.asarray(freedoms, dtype=float), tail) ** 2)


def two_way_parts(values: np.ndarray, min_seeds: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """Variance of the mean of ``values`` [..., seeds, rows] by source: [..., parts], and degrees of freedom a part.

    A two-way random model without replication gives two. That of seeds is (MS_seeds - MS_residual) / (seeds * rows)
    where that is above 0, with seeds - 1 degrees of freedom. That of rows is MS_rows / (seeds * rows) with rows - 1 and
    holds the residual too. With fewer than ``min_seeds`` seeds there is the second alone: what new rows would change.
    """
    seeds, rows = values.shape[-2:]
    by_row = values.mean(axis=-2, keepdims=True)
    of_rows = by_row[..., 0, :].var(axis=-1, ddof=1) / rows
    if seeds < min_seeds:
        return of_rows[..., None], (rows - 1.0,)
    by_seed = values.mean(axis=-1, keepdims=True)
    residual = values - by_row - (by_seed - by_seed.mean(axis=-2, keepdims=True))
    mean_square = (residual**2).sum(axis=(-2, -1)) / ((seeds - 1) * (rows - 1))
    of_seeds = by_seed[..., 0].var(axis=-1, ddof=1) / seeds - mean_square / (seeds * rows)
    return np.stack([np.maximum(of_seeds, 0), of_rows], axis=-1), (seeds - 1.0, rows - 1.0)


def clustered_parts(values: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, tuple[float, ...]]:
    """Variance of the mean of ``values`` [..., rows] where ``folds`` [rows] numbers each row's fold, as one part.

    The rows of a fold share a training (its rows, its seed), so the folds are the independent units. The variance is
    that of their sums of residuals, with folds - 1 degrees of freedom.
    """
    numbers, place = np.unique(folds, return_inverse=True)
    sums = (values - values.mean(axis=-1, keepdims=True)) @ np.eye(len(numbers))[place]
    variance = len(numbers) / (len(numbers) - 1) * (sums**2).sum(axis=-1) / len(folds) ** 2
    return variance[..., None], (len(numbers) - 1.0,)


def p_value(interval: Interval) -> float | None:
    """Two-sided p-value of a mean of 0: the share that an interval made the same way, just reaching 0, leaves outside.

    None where the interval leaves out what another seed would change: it decides nothing. Values that do not vary
    give 1 where they are 0 and 0 elsewhere, as their interval of no width says.
    """
    from scipy.optimize import brentq

    if interval.kind == ROWS_ONLY:
        return None
    variances, freedoms = np.array(interval.parts).T

    def excess(log_p: float) -> float:
        return float(half_width(variances, freedoms, np.exp(log_p) / 2)) - abs(interval.mean)

    if interval.mean == 0:
        return 1.0
    if excess(np.log(SMALLEST_P)) < 0:
        return 0.0
    return float(np.exp(brentq(excess, np.log(SMALLEST_P), 0.0)))


def detectable(interval: Interval, confidence: float, power: float) -> float | None:
    """The smallest true difference that an interval of this width finds with probability ``power``.

    That is the half width plus the one that leaves ``1 - power`` on one side. None where the interval leaves out the
    seeds, and where the values do not vary, which says nothing of how other ones would.
    """
    variances, freedoms = np.array(interval.parts).T
    if interval.kind == ROWS_ONLY or not variances.any():
        return None
    return float(sum(half_width(variances, freedoms, tail) for tail in ((1 - confidence) / 2, 1 - power)))


def claim_verdict(interval: Interval, claim_margin: float) -> str:
    """Verdict on "better" from a difference's interval in percentage points, by the rule of shared.yaml.

    Supported where the interval lies above 0 (however small the difference), else not supported where it lies below
    ``claim_margin``, undecided otherwise. An interval that leaves out what another seed would change decides nothing.
    Neither do two cells with the same predictions, such as a setting that changed no row.
    """
    if interval.low == interval.high == 0:
        return SAME_PREDICTIONS
    if interval.kind == ROWS_ONLY:
        return TOO_FEW_SEEDS
    if interval.low > 0:
        return SUPPORTED
    return NOT_SUPPORTED if interval.high < claim_margin else UNDECIDED


def prediction_interval(mean: float, std: float, n_seeds: int, confidence: float) -> tuple[float, float]:
    """Where one more run is expected: mean +- t std sqrt(1 + 1/n), with n - 1 degrees of freedom; at least 2 seeds.

    ``mean`` and ``std`` (ddof 1) are those of the seeds' values; the paper reports a single run.
    """
    from scipy.special import stdtrit

    half = float(stdtrit(n_seeds - 1, (1 + confidence) / 2) * std * np.sqrt(1 + 1 / n_seeds))
    return mean - half, mean + half


def paper_verdict(paper: float, interval: tuple[float, float] | None, widest: float) -> str:
    """Verdict on a number of the paper, given to two decimals, from the prediction interval of a run.

    Undecided where the interval is wider than ``widest`` percentage points, which no number could settle; else agrees
    where the number lies inside and disagrees outside. No interval comes from a single seed.
    """
    if interval is None:
        return NO_INTERVAL
    low, high = interval
    if high - low > widest:
        return UNDECIDED
    return AGREES if low - PRINTED_ROUNDING <= paper <= high + PRINTED_ROUNDING else DISAGREES
