"""Two sets of predictions of the same cell beside each other, paired by seed and test row."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from threephase.base.errors import UserError
from threephase.results.cells import folds_of, pools_folds, seed_means, test_rows, test_values
from threephase.scores import statistics
from threephase.scores.predictions import PROBABILITY, classes_of
from threephase.study.params import Study

COMPARED = ("example_id", "split", "label", "predicted")
Predictions = Mapping[int, pd.DataFrame]
"""The predictions of a cell by seed, as ``predictions.predictions_table`` lays them out."""


@dataclass(frozen=True)
class Difference:
    """One metric in percent on the first and on the second side; ``interval`` is that of second minus first.

    ``by_seed``: the differences of the seeds (or folds), in percentage points.
    """

    first: float
    second: float
    interval: statistics.Interval
    by_seed: list[float]


@dataclass(frozen=True)
class Paired:
    """What two sets of predictions say on the seeds and test rows that both have.

    ``n_test``: test rows of a seed, or of all folds together. ``alike``: percent of the paired test predictions that
    name the same class. ``same``: whether the tables are equal, probabilities to the last bit. ``other_seeds`` and
    ``other_rows``: a line for what only one side has.
    """

    seeds: list[int]
    n_test: int
    differences: dict[str, Difference]
    alike: float
    same: bool
    other_seeds: list[str]
    other_rows: list[str]


def pair(
    study: Study, first: Predictions, second: Predictions, metrics: Sequence[str], names: tuple[str, str]
) -> Paired:
    """Compare the predictions of one cell; ``names`` says in errors and notes whose the two sides are.

    Refuses sides without a seed or test row in common, and rows of one name that are not the same example.
    """
    seeds = [seed for seed in first if seed in second]
    if not seeds:
        raise UserError(f"seeds: got {_listed(first)} in {names[0]} and {_listed(second)} in {names[1]}, none in both")
    # The seeds that both have, so that a single fold is no cross-validation.
    study = dataclasses.replace(study, params=dataclasses.replace(study.params, seeds=seeds))
    sides = [{seed: side[seed] for seed in seeds} for side in (first, second)]
    known = [sorted({name for frame in side.values() for name in classes_of(frame)}) for side in sides]
    if known[0] != known[1]:
        odd = sorted(set(known[0]) ^ set(known[1]))
        raise UserError(
            f"classes: got {', '.join(odd)} in one of {names[0]} and {names[1]} only, expected them in both"
        )
    rows = _common_rows(study, sides, names)
    aligned = [{seed: _aligned(side[seed], rows[seed]) for seed in seeds} for side in sides]
    _refuse_other_labels(aligned, names)
    alike = [aligned[0][seed]["predicted"].to_numpy() == aligned[1][seed]["predicted"].to_numpy() for seed in seeds]
    return Paired(
        seeds=seeds,
        n_test=sum(map(len, rows.values())) if pools_folds(study) else len(rows[seeds[0]]),
        differences=_differences(study, aligned, metrics),
        alike=100 * float(np.concatenate(alike).mean()),
        same=all(_equal(sides[0][seed], sides[1][seed]) for seed in seeds),
        other_seeds=[
            f"seed{'s' * (len(more) > 1)} {_listed(more)} only in {name}"
            for name, side in zip(names, (first, second), strict=True)
            if (more := [seed for seed in side if seed not in seeds])
        ],
        other_rows=[
            f"{odd} test rows only in {name}"
            for name, side in zip(names, sides, strict=True)
            if (odd := sum(len(test_rows(frame)) - len(rows[seed]) for seed, frame in side.items()))
        ],
    )


def means(study: Study, predictions: Predictions, metrics: Sequence[str]) -> dict[str, float]:
    """A cell's metrics in percent on all its seeds and test rows, as results.csv has them."""
    study = dataclasses.replace(study, params=dataclasses.replace(study.params, seeds=list(predictions)))
    values = test_values(study, dict(predictions))
    return {metric: float(values[metric].mean()) for metric in metrics}


def _differences(
    study: Study, aligned: Sequence[dict[int, pd.DataFrame]], metrics: Sequence[str]
) -> dict[str, Difference]:
    rule, folds = study.shared.statistics, folds_of(study, aligned[0])
    values = [test_values(study, side) for side in aligned]
    differences = {}
    for metric in metrics:
        first, second = (of_side[metric] for of_side in values)
        moved = second - first
        interval = statistics.mean_interval(moved, rule.confidence, rule.min_seeds_for_seed_variance, folds)
        by_seed = seed_means(moved, folds)
        differences[metric] = Difference(float(first.mean()), float(second.mean()), interval, by_seed)
    return differences


def _common_rows(
    study: Study, sides: Sequence[dict[int, pd.DataFrame]], names: tuple[str, str]
) -> dict[int, list[str]]:
    """By seed the example_ids of the test rows that both sides have, in the first one's order.

    Where the seeds are no folds, every seed tests on the same rows: only those that all of them have are compared.
    """
    rows = {}
    for seed in sides[0]:
        first, second = (test_rows(side[seed])["example_id"] for side in sides)
        for name, ids in zip(names, (first, second), strict=True):
            if not ids.is_unique:
                raise UserError(f"seed {seed}: example_id: got test rows of one name in {name}, expected each once")
        rows[seed] = first[first.isin(set(second))].tolist()
    if not pools_folds(study):
        everywhere = set.intersection(*map(set, rows.values()))
        rows = dict.fromkeys(rows, [name for name in next(iter(rows.values())) if name in everywhere])
    empty = [str(seed) for seed, ids in rows.items() if not ids]
    if empty:
        raise UserError(f"test rows: got none that {names[0]} and {names[1]} both have, with seed {', '.join(empty)}")
    return rows


def _aligned(frame: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """The test rows of the given ids, in their order."""
    return test_rows(frame).set_index("example_id").loc[list(ids)].reset_index()


def _refuse_other_labels(aligned: Sequence[dict[int, pd.DataFrame]], names: tuple[str, str]) -> None:
    for seed, frame in aligned[0].items():
        other = aligned[1][seed]
        odd = frame.index[frame["label"].to_numpy() != other["label"].to_numpy()]
        if len(odd):
            row = odd[0]
            raise UserError(
                f"test rows: got label {frame['label'][row]!r} in {names[0]} and {other['label'][row]!r} in {names[1]} "
                f"for {frame['example_id'][row]}, expected the same examples ({len(odd)} such rows with seed {seed})"
            )


def _equal(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether two tables hold the same rows in the same order; the order of the probabilities' columns is free."""
    if set(classes_of(first)) != set(classes_of(second)):
        return False
    columns = [*COMPARED, *(PROBABILITY + name for name in classes_of(first))]
    return first[columns].reset_index(drop=True).equals(second[columns].reset_index(drop=True))


def _listed(seeds: Sequence[int] | Predictions) -> str:
    return ", ".join(map(str, seeds))
