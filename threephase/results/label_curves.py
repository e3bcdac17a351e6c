"""Methods by the number of labels they learn from: compared within a column, along a curve, and in a named family.

A column is a published study with so many labels a class. docs/statistics.md says which statement rests on what.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.results.cells import predictions_by_cell
from threephase.results.choice import GUESSING
from threephase.results.differences import CellRows, compare, rows_of, verdict
from threephase.results.families import holm
from threephase.scores import statistics
from threephase.scores.statistics import Interval
from threephase.study.label_params import LabelCurves
from threephase.study.params import Study

TOGETHER = ", simultaneous over the column"  # what a table adds to the kind of an interval of ``Column.mean``


@dataclass(frozen=True)
class Column:
    """A study of a curve with one encoder; ``rows``: of each variant and baseline what its predictions say."""

    study: Study
    rows: Mapping[str, CellRows]

    @property
    def methods(self) -> list[str]:
        return [variant for variant in self.rows if variant != GUESSING]

    def at(self, comparisons: int) -> Study:
        """The study with intervals so wide that so many of them hold together (Bonferroni)."""
        rule = self.study.shared.statistics
        rule = replace(rule, confidence=1 - (1 - rule.confidence) / comparisons)
        return replace(self.study, shared=replace(self.study.shared, statistics=rule))

    def mean(self, variant: str) -> Interval:
        """The primary metric in percent, with an interval that holds together with those of the other methods."""
        interval = self._interval(self.rows[variant].values, len(self.methods))
        return replace(interval, low=max(interval.low, 0.0), high=min(interval.high, 100.0))

    def difference(self, first: str, other: str, comparisons: int) -> Interval:
        """First minus other in points, paired by seed and test row, at the confidence of so many comparisons."""
        return self._interval(self.rows[first].values - self.rows[other].values, comparisons)

    def _interval(self, values: np.ndarray, comparisons: int) -> Interval:
        rule = self.at(comparisons).shared.statistics
        return statistics.mean_interval(values, rule.confidence, rule.min_seeds_for_seed_variance)

    def not_excluded(self) -> list[str]:
        """The methods that may be the best one: none of the others is ahead of it (Hsu 1984, by Bonferroni).

        The best one is compared with as many others as there are, so it is left out no more often than one interval of
        the study's confidence fails.
        """
        beaten, count = set(), max(len(self.methods) - 1, 1)
        for pair in itertools.combinations(self.methods, 2):
            if sign := sign_of(self.difference(*pair, count)):
                beaten.add(pair[sign > 0])
        return [variant for variant in self.methods if variant not in beaten]


def read_column(study: Study, folder: Path) -> Column:
    """A column from the predictions that are published in ``folder``."""
    if len(study.params.encoders) > 1 or study.dataset.folds is not None:
        raise UserError(f"{folder / paths.PARAMS}: got several encoders or folds, expected one encoder and a test set")
    table = pd.read_parquet(folder / "predictions.parquet")
    cells = predictions_by_cell(table)
    return Column(study, {variant: rows_of(study, by_seed) for (_, variant), by_seed in cells.items()})


def sign_of(interval: Interval) -> int:
    """1 where the whole interval lies above 0, -1 where below; 0 where neither, and where it leaves out the seeds."""
    if interval.kind == statistics.ROWS_ONLY:
        return 0
    return (interval.low > 0) - (interval.high < 0)


def crossings(band: Sequence[tuple[int | None, Interval]]) -> list[tuple[int | None, int | None, int]]:
    """Between which columns the band of a difference changes sign, and the new sign.

    ``band``: by labels a class in ascending order, of intervals that hold together. Columns in which it holds 0 are
    passed over.
    """
    decided = [(shots, sign) for shots, interval in band if (sign := sign_of(interval))]
    return [(before, after, new) for (before, old), (after, new) in itertools.pairwise(decided) if old != new]


def family_frame(columns: Mapping[tuple[str, int | None], Column], curves: LabelCurves) -> pd.DataFrame:
    """A row for every comparison of the family whose column, by data set and labels a class, is there.

    Columns dataset and shots, those of ``compare``, verdict, p_holm and ``detectable_holm``, the smallest difference
    that Holm's first, strictest step would find. Holm corrects for all comparisons that were named: one that is not
    published, or has no p-value, counts as 1. So a later column takes no finding back.
    """
    family, rows = curves.family, []
    for dataset, shots, other in itertools.product(curves.datasets, family.shots, family.others):
        column = columns.get((dataset, shots))
        if column is None or not {family.variant, other} <= column.rows.keys():
            continue
        pair = [("", family.variant), ("", other)]
        row = compare(column.study, pair, column.rows[family.variant], column.rows[other])
        strict = column.difference(family.variant, other, curves.comparisons)
        rule = column.at(curves.comparisons).shared.statistics
        row["detectable_holm"] = statistics.detectable(strict, rule.confidence, rule.detectable_power)
        rows.append({"dataset": dataset, "shots": shots} | row | {"verdict": verdict(column.study, row)})
    frame = pd.DataFrame(rows)
    if rows:
        known = frame["p_value"].astype(float)
        all_named = known.fillna(1.0).reindex(range(curves.comparisons), fill_value=1.0)
        frame["p_holm"] = holm(all_named)[: len(known)].where(known.notna())
    return frame
