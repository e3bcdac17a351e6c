"""Published studies as the audit reads them: params, predictions, and the table of their runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.results.cells import Cell, cells, predictions_by_cell, test_values
from threephase.results.differences import CellRows, rows_of
from threephase.results.results import read_frame
from threephase.study.params import Study


@dataclass(frozen=True)
class PublishedStudy:
    """``predictions``: of all cells and seeds, with encoder, variant and seed; ``runs`` as in runs.csv."""

    study: Study
    predictions: pd.DataFrame
    runs: pd.DataFrame

    @property
    def name(self) -> str:
        return self.study.params.name

    @cached_property
    def _by_cell(self) -> dict[Cell, dict[int, pd.DataFrame]]:
        return predictions_by_cell(self.predictions)

    def has(self, *wanted: Cell) -> bool:
        """Whether the study has all of these cells."""
        return set(wanted) <= set(cells(self.study))

    def of_cell(self, cell: Cell) -> dict[int, pd.DataFrame]:
        """A cell's predictions by seed."""
        return self._by_cell[cell]

    def rows_of(self, cell: Cell) -> CellRows:
        """What comparisons need of a cell's predictions."""
        return rows_of(self.study, self.of_cell(cell))

    def mean(self, cell: Cell) -> float:
        """A cell's primary metric over all seeds, in percent."""
        return float(test_values(self.study, self.of_cell(cell))[self.study.params.primary_metric].mean())


def read_published(studies: Mapping[str, Study]) -> list[PublishedStudy]:
    """Read what is published of studies, in order of their names."""
    published = []
    for name in sorted(studies):
        folder = paths.published(name)
        for file in ("predictions.parquet", "runs.csv"):
            if not (folder / file).is_file():
                raise UserError(f"{folder / file}: no such file; run: make publish STUDY={name}")
        predictions = pd.read_parquet(folder / "predictions.parquet")
        published.append(PublishedStudy(studies[name], predictions, read_frame(folder / "runs.csv")))
    return published
