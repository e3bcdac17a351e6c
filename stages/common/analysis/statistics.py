"""Intervals over seeds and test rows, paired differences of cells, and verdicts on claims.

The estimand is a metric's expectation over both sources of chance: a new seed (another draw of training and
validation rows, initial weights and order) and new test rows of the same kind. Seeds and rows are crossed, every
seed being tested on the same rows, so neither may be counted as if it were independent of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.common.errors import UserError

SEEDS_AND_ROWS = "seeds and test rows"
ROWS_ONLY = "test rows only"
BY_FOLD = "test rows, clustered by fold"
SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"
TOO_FEW_SEEDS, NOT_RUN = "too few seeds", "not run"
AGREES, DISAGREES, NO_INTERVAL = "agrees", "disagrees", "no interval"
PRINTED_ROUNDING = 0.005  # the paper prints two decimals


@dataclass(frozen=True)
class Interval:
    """A mean with its interval, in the unit of the values; ``kind`` names the chance that the interval covers."""

    mean: float
    low: float
    high: float
    kind: str


def mean_interval(values: np.ndarray, confidence: float, min_seeds: int) -> Interval:
    """Interval of the mean of ``values`` [seeds, rows], as made by ``metrics.row_values``.

    A two-way random model without replication gives the variance (MS_seeds + MS_rows - MS_residual) / (seeds * rows)
    with Satterthwaite's degrees of freedom; where seeds seem to vary less than chance would have it, or where there
    are fewer than ``min_seeds`` seeds, it is the variance over test rows alone, MS_rows / (seeds * rows) with
    rows - 1 degrees of freedom. The interval is symmetric, so near 0 or 100 percent it may reach past the bound;
    values that do not vary at all give one of no width.
    """
    seeds, rows = values.shape
    if rows < 2:
        raise UserError(f"predictions: got {rows} test rows, expected at least 2, which an interval needs")
    from scipy.special import stdtrit

    mean = float(values.mean())
    variance, freedom = _rows_variance(values)
    if seeds >= min_seeds:
        variance, freedom = max(_two_way_variance(values), (variance, freedom))
    half = float(stdtrit(freedom, (1 + confidence) / 2) * np.sqrt(variance))
    return Interval(mean, mean - half, mean + half, SEEDS_AND_ROWS if seeds >= min_seeds else ROWS_ONLY)


def clustered_interval(values: np.ndarray, folds: np.ndarray, confidence: float) -> Interval:
    """Interval of the mean of ``values`` [rows] pooled over the folds of a cross-validation.

    ``folds`` [rows] numbers each row's fold. The rows of a fold share a training (its rows, its seed), so the folds are
    the independent units: the variance is that of their sums of residuals, with folds - 1 degrees of freedom.
    """
    numbers, place = np.unique(folds, return_inverse=True)
    if len(numbers) < 2:
        raise UserError(f"predictions: got {len(numbers)} fold, expected at least 2, which an interval needs")
    from scipy.special import stdtrit

    mean = float(values.mean())
    sums = np.bincount(place, weights=values - mean)
    variance = len(numbers) / (len(numbers) - 1) * float(sums @ sums) / len(values) ** 2
    half = float(stdtrit(len(numbers) - 1, (1 + confidence) / 2) * np.sqrt(variance))
    return Interval(mean, mean - half, mean + half, BY_FOLD)


def _rows_variance(values: np.ndarray) -> tuple[float, float]:
    """Variance of the mean when only the rows are drawn anew, and its degrees of freedom."""
    rows = values.shape[1]
    return float(values.mean(axis=0).var(ddof=1) / rows), rows - 1.0


def _two_way_variance(values: np.ndarray) -> tuple[float, float]:
    """Variance of the mean when seeds and rows are drawn anew, and Satterthwaite's degrees of freedom."""
    seeds, rows = values.shape
    by_seed, by_row = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    residual = values - by_seed - by_row + values.mean()
    squares = np.array(
        [
            rows * by_seed.var(ddof=1),
            seeds * by_row.var(ddof=1),
            (residual**2).sum() / ((seeds - 1) * (rows - 1)),
        ]
    )
    freedoms = np.array([seeds - 1, rows - 1, (seeds - 1) * (rows - 1)])
    total = float(squares @ [1, 1, -1])
    uncertainty = float((squares**2 / freedoms).sum())
    return total / (seeds * rows), total**2 / uncertainty if uncertainty > 0 else float(freedoms.min())


def paired_difference(
    values: np.ndarray,
    other: np.ndarray,
    ids: Sequence[str],
    other_ids: Sequence[str],
    confidence: float,
    min_seeds: int,
    folds: np.ndarray | None = None,
) -> Interval:
    """Interval of the mean of ``values`` minus ``other``, both [seeds, rows], paired by seed and test row.

    With ``folds`` both are [rows], pooled over the folds, and ``folds`` numbers each row's. ``ids`` and ``other_ids``
    name the rows' examples; unless they are the same in the same order, nothing is paired.
    """
    if list(ids) != list(other_ids):
        pairs = zip(ids, other_ids, strict=False)
        place = next((row for row, (one, two) in enumerate(pairs) if one != two), min(len(ids), len(other_ids)))
        raise UserError(
            f"test rows: got other example_ids in the second cell from test row {place} on ({len(ids)} and "
            f"{len(other_ids)} rows), expected the same ones in the same order"
        )
    if len(values) != len(other):
        raise UserError(f"seeds: got {len(values)} and {len(other)} of them, expected the same seeds in both cells")
    if folds is not None:
        return clustered_interval(values - other, folds, confidence)
    return mean_interval(values - other, confidence, min_seeds)


def claim_verdict(interval: Interval, claim_margin: float) -> str:
    """Verdict on "better" from a difference's interval in percentage points, by the rule of the root params.yaml.

    Supported where the interval lies above 0 (however small the difference), else not supported where it lies below
    ``claim_margin``, undecided otherwise. An interval that leaves out what another seed would change decides nothing.
    """
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
