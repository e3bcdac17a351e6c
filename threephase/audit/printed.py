"""What the paper prints, and what is known of its data sets: the input of every check of printed numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.paper.numbers import CITED, read_numbers
from threephase.study.params import Dataset, Imbalance, Shared, Variant
from threephase.study.schema import read_yaml, refuse_unknown

CELL = ["encoder", "dataset", "variant"]
EXACT = 1e-9  # points that floating point may add to a difference of numbers with two decimals
RUN_TABLES = (3, 6, 7)  # accuracy, precision and recall, F1 of the same runs


@dataclass(frozen=True)
class Printed:
    """``numbers``: of ``read_numbers``; ``settings``: paper/hyperparameters.yaml; ``references``: its neighbour.

    ``datasets`` are those of the paper, by name; ``variants`` and ``imbalance`` are those of shared.yaml.
    """

    numbers: pd.DataFrame
    settings: Mapping[str, Any]
    references: pd.DataFrame
    datasets: Mapping[str, Dataset]
    variants: Mapping[str, Variant]
    imbalance: Mapping[str, Imbalance]

    def measured(self, *tables: int) -> pd.DataFrame:
        """The numbers of these tables that the authors measured."""
        return self.numbers[self.numbers["table"].isin(tables) & (self.numbers["encoder"] != CITED)]

    def rows(self, dataset: str, figure: str = "test_rows") -> int:
        """A number of rows of a data set as table 1 prints it."""
        of_table = self.numbers[(self.numbers["table"] == 1) & (self.numbers["dataset"] == dataset)]
        return int(of_table.loc[of_table["metric"] == figure, "value"].item())

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row for every run with all of accuracy, precision, recall and F1: ``CELL``, then the four."""
        wide = self.measured(*RUN_TABLES).pivot(index=CELL, columns="metric", values="value")
        order = self.measured(RUN_TABLES[0])[CELL].apply(tuple, axis=1)
        return wide.loc[list(order), ["accuracy", "precision", "recall", "f1"]].reset_index()

    def macro(self, dataset: str) -> bool:
        """Whether precision, recall and F1 of the data set are means over its classes."""
        return self.datasets[dataset].positive_class is None

    def class_counts(self, dataset: str, split: str) -> dict[str, int]:
        """Rows of each class of a split; refuses a data set whose params file does not say."""
        counts = (self.datasets[dataset].expected.labels_by_split or {}).get(split)
        if counts is None:
            raise UserError(
                f"{paths.dataset_definition(dataset)}: expected.labels_by_split.{split}: the key is missing, expected "
                "the rows of each class, which the audit needs"
            )
        return counts


def read_printed(shared: Shared, datasets: Mapping[str, Dataset]) -> Printed:
    """Read what the paper prints; ``datasets``: by name, of which its own are taken."""
    numbers = read_numbers()
    names = dict.fromkeys(numbers["dataset"])
    for name in names:
        refuse_unknown(paths.PAPER_NUMBERS, "dataset", name, datasets)
    own = {name: datasets[name] for name in names}
    settings = read_yaml(paths.PAPER_SETTINGS)
    return Printed(numbers, settings, read_references(), own, shared.variants, shared.imbalance)


def read_references(file: Path = paths.PAPER_REFERENCES) -> pd.DataFrame:
    """Published figures: dataset, encoder (empty where the paper has none such), model, metric, value, rows, source."""
    if not file.is_file():
        raise UserError(f"{file}: no such file, expected published figures; get it back from git")
    return pd.read_csv(file, dtype=str, keep_default_na=False).astype({"value": float})
