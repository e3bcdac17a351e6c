"""Every pair of a study's cells compared on the same seeds and test rows, and the claims among those pairs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.results.cells import Cell, folds_of, pools_folds, read_predictions, test_rows, test_values
from threephase.results.results import CLAIM_COLUMNS, DIFFERENCE_COLUMNS
from threephase.scores import mcnemar, statistics
from threephase.study.params import Study
from threephase.study.topology import cells

# Also where no row has a number.
TYPES = {"n_seeds": "Int64", "n_test": "Int64", "p_value": float, "mcnemar_p": float, "detectable": float}


@dataclass(frozen=True)
class CellRows:
    """What comparisons need of a cell's predictions: of each test row its example, label, value and correctness.

    ``values`` (of the primary metric) and ``right`` are [seeds, rows], all seeds having the same rows; where the seeds
    are folds they are [rows], pooled, and ``folds`` numbers each row's fold.
    """

    ids: list[str]
    labels: list[str]
    values: np.ndarray
    right: np.ndarray
    folds: np.ndarray | None


def rows_of(study: Study, by_seed: dict[int, pd.DataFrame]) -> CellRows:
    """What comparisons need of a cell whose predictions ``by_seed`` are."""
    values = test_values(study, by_seed)[study.params.primary_metric]
    rows = [test_rows(frame) for frame in by_seed.values()]
    right = [(one["label"] == one["predicted"]).to_numpy() for one in rows]
    pooled = pools_folds(study)
    named = pd.concat(rows) if pooled else rows[0]
    joined = np.concatenate(right) if pooled else np.stack(right)
    return CellRows(named["example_id"].tolist(), named["label"].tolist(), values, joined, folds_of(study, by_seed))


def differences_frame(study: Study) -> pd.DataFrame:
    """``differences.csv``: a row for every pair of cells of an encoder (and of those that need none), in table order.

    A pair that a claim names stands the way round that the claim has it.
    """
    rows = {cell: rows_of(study, read_predictions(study, cell)) for cell in cells(study)}
    found = [{"encoder": encoder} | compare(study, pair, *map(rows.get, pair)) for encoder, pair in _pairs(study)]
    return pd.DataFrame(found, columns=DIFFERENCE_COLUMNS).astype(TYPES)


def claims_frame(study: Study, differences: pd.DataFrame) -> pd.DataFrame:
    """``claims.csv``: a row for every claim, cell that it compares with, and encoder, picked from ``differences``."""
    compared = {(row["encoder"], row["variant"], row["other"]): row for row in differences.to_dict("records")}
    rows = []
    for name, claim in study.shared.claims.items():
        for encoder in study.params.encoders:
            for other in claim.others:
                row = {"claim": name, "text": claim.text, "variant": claim.variant, "other": other, "encoder": encoder}
                row |= {"metric": study.params.primary_metric, "verdict": statistics.NOT_RUN}
                if found := compared.get((encoder, claim.variant, other)):
                    row |= found | {"verdict": verdict(study, found)}
                rows.append(row)
    return pd.DataFrame(rows, columns=CLAIM_COLUMNS).astype(TYPES)


def verdict(study: Study, found: dict[str, Any]) -> str:
    """The verdict on "the first is better" from what ``compare`` returns."""
    interval = statistics.Interval(found["difference"], found["ci_low"], found["ci_high"], found["ci_kind"])
    return statistics.claim_verdict(interval, study.shared.verdicts.claim_margin)


def _pairs(study: Study) -> list[tuple[str, tuple[Cell, Cell]]]:
    """Encoder and pair of cells; two cells that need no encoder are one pair, without an encoder."""
    claimed = {(claim.variant, other) for claim in study.shared.claims.values() for other in claim.others}
    found = []
    for pair in itertools.combinations(cells(study), 2):
        encoders = {encoder for encoder, _ in pair if encoder}
        if len(encoders) > 1:
            continue
        both_ways = [pair, pair[::-1]]
        as_claimed = [one for one in both_ways if (one[0][1], one[1][1]) in claimed]
        found += [(next(iter(encoders), ""), one) for one in as_claimed or both_ways[:1]]
    return sorted(found, key=lambda one: [*study.params.encoders, ""].index(one[0]))


def compare(study: Study, pair: Sequence[Cell], one: CellRows, other: CellRows) -> dict[str, Any]:
    """The columns of differences.csv of two cells, first minus second.

    The second may be of another study with the same data set, seeds and primary metric.
    """
    rule = study.shared.statistics
    try:
        interval = statistics.paired_difference(
            one.values, other.values, one.ids, other.ids, rule.confidence, rule.min_seeds_for_seed_variance, one.folds
        )
    except UserError as error:
        raise UserError(f"predictions of {_names(pair)}: {error}") from None
    _refuse_other_labels(pair, one, other)
    values = one.values - other.values
    by_seed = values.mean(axis=1) if one.folds is None else pd.Series(values).groupby(one.folds).mean()
    test = mcnemar.over_seeds if one.folds is None else mcnemar.exact_p
    return {
        "variant": pair[0][1],
        "other": pair[1][1],
        "metric": study.params.primary_metric,
        "n_seeds": len(study.params.seeds),
        "n_test": len(one.ids),
        "difference": interval.mean,
        "by_seed": ", ".join(f"{difference:+.1f}" for difference in by_seed),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_kind": interval.kind,
        "p_value": statistics.p_value(interval),
        "mcnemar_p": test(one.right, other.right),
        "detectable": statistics.detectable(interval, rule.confidence, rule.detectable_power),
    }


def _refuse_other_labels(pair: Sequence[Cell], one: CellRows, other: CellRows) -> None:
    wrong = next((row for row, label in enumerate(one.labels) if label != other.labels[row]), None)
    if wrong is not None:
        raise UserError(
            f"predictions of {_names(pair)}: test row {wrong}: label: got {other.labels[wrong]!r} in the second cell, "
            f"expected {one.labels[wrong]!r}, as the first has it; make the older one again"
        )


def _names(pair: Sequence[Cell]) -> str:
    return " and ".join(paths.cell_name(*cell) for cell in pair)
