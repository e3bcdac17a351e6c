"""Every pair of a study's cells compared on the same seeds and test rows, and the claims among those pairs."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.results.cells import Cell, folds_of, pools_folds, read_predictions, seed_means, test_rows, test_values
from threephase.results.results import CLAIM_COLUMNS, DIFFERENCE_COLUMNS
from threephase.scores import mcnemar, statistics
from threephase.study.params import Study
from threephase.study.topology import cells

# Also where no row has a number.
TYPES = {"n_seeds": "Int64", "n_test": "Int64", "p_value": float, "mcnemar_p": float, "detectable": float}


@dataclass(frozen=True)
class CellRows:
    """What comparisons need of a cell's predictions: of each test row its example, label, value and correctness.

    ``values`` (of the primary metric) and ``right`` are [seeds, rows], all seeds having the same rows. Where the seeds
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
    right = [(of_seed["label"] == of_seed["predicted"]).to_numpy() for of_seed in rows]
    named, joined = (pd.concat(rows), np.concatenate(right)) if pools_folds(study) else (rows[0], np.stack(right))
    return CellRows(named["example_id"].tolist(), named["label"].tolist(), values, joined, folds_of(study, by_seed))


def differences_frame(study: Study) -> pd.DataFrame:
    """``differences.csv``: a row for every pair of cells of an encoder (and of those that need none), in table order.

    A pair that a claim names stands the way round that the claim has it.
    """
    rows = {cell: rows_of(study, read_predictions(study, cell)) for cell in cells(study)}
    compared = [{"encoder": encoder} | compare(study, pair, *map(rows.get, pair)) for encoder, pair in _pairs(study)]
    return pd.DataFrame(compared, columns=DIFFERENCE_COLUMNS).astype(TYPES)


def claims_frame(study: Study, differences: pd.DataFrame) -> pd.DataFrame:
    """``claims.csv``: a row for every claim, cell that it compares with, and encoder, picked from ``differences``."""
    compared = {(row["encoder"], row["variant"], row["other"]): row for row in differences.to_dict("records")}
    rows = []
    for (name, claim), encoder in itertools.product(study.shared.claims.items(), study.params.encoders):
        for other in claim.others:
            row = {"claim": name, "text": claim.text, "variant": claim.variant, "other": other, "encoder": encoder}
            row |= {"metric": study.params.primary_metric, "verdict": statistics.NOT_RUN}
            if difference := compared.get((encoder, claim.variant, other)):
                row |= difference | {"verdict": verdict(study, difference)}
            rows.append(row)
    return pd.DataFrame(rows, columns=CLAIM_COLUMNS).astype(TYPES)


def verdict(study: Study, row: Mapping[str, Any]) -> str:
    """The verdict on "the first is better" from what ``compare`` returns."""
    interval = statistics.Interval(*(row[name] for name in ("difference", "ci_low", "ci_high", "ci_kind")))
    return statistics.claim_verdict(interval, study.shared.verdicts.claim_margin)


def _pairs(study: Study) -> list[tuple[str, tuple[Cell, Cell]]]:
    """Encoder and pair of cells; two cells that need no encoder are one pair, without an encoder."""
    claimed = {(claim.variant, other) for claim in study.shared.claims.values() for other in claim.others}
    pairs = []
    for pair in itertools.combinations(cells(study), 2):
        encoders = {encoder for encoder, _ in pair if encoder}
        if len(encoders) < 2:
            as_claimed = [way for way in (pair, pair[::-1]) if (way[0][1], way[1][1]) in claimed]
            pairs += [(next(iter(encoders), ""), way) for way in as_claimed or [pair]]
    return sorted(pairs, key=lambda pair: [*study.params.encoders, ""].index(pair[0]))


def compare(study: Study, pair: Sequence[Cell], first: CellRows, other: CellRows) -> dict[str, Any]:
    """The columns of differences.csv of two cells, first minus second.

    The second may be of another study with the same data set, seeds and primary metric.
    """
    _refuse_other_rows(pair, first, other)
    rule, values = study.shared.statistics, first.values - other.values
    interval = statistics.mean_interval(values, rule.confidence, rule.min_seeds_for_seed_variance, first.folds)
    test = mcnemar.over_seeds if first.folds is None else mcnemar.exact_p
    return {
        "variant": pair[0][1],
        "other": pair[1][1],
        "metric": study.params.primary_metric,
        "n_seeds": len(study.params.seeds),
        "n_test": len(first.ids),
        "difference": interval.mean,
        "by_seed": ", ".join(f"{difference:+.1f}" for difference in seed_means(values, first.folds)),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_kind": interval.kind,
        "p_value": statistics.p_value(interval),
        "mcnemar_p": test(first.right, other.right),
        "detectable": statistics.detectable(interval, rule.confidence, rule.detectable_power),
    }


def _refuse_other_rows(pair: Sequence[Cell], first: CellRows, other: CellRows) -> None:
    """Refuse cells whose values are not of the same seeds and test rows, in the same order and with the same labels."""
    names = " and ".join(paths.cell_name(*cell) for cell in pair)
    if first.ids != other.ids:
        known = zip(first.ids, other.ids, strict=False)
        place = next((row for row, ids in enumerate(known) if len(set(ids)) > 1), min(len(first.ids), len(other.ids)))
        raise UserError(
            f"predictions of {names}: test rows: got other example_ids in the second cell from test row {place} on "
            f"({len(first.ids)} and {len(other.ids)} rows), expected the same ones in the same order"
        )
    if first.values.shape != other.values.shape:
        got = f"got {len(first.values)} and {len(other.values)} of them"
        raise UserError(f"predictions of {names}: seeds: {got}, expected the same seeds in both cells")
    wrong = next((row for row, label in enumerate(first.labels) if label != other.labels[row]), None)
    if wrong is not None:
        raise UserError(
            f"predictions of {names}: test row {wrong}: label: got {other.labels[wrong]!r} in the second cell, "
            f"expected {first.labels[wrong]!r}, as the first has it; make the older one again"
        )
