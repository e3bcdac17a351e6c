"""A study's cells as the rows of its tables and figures: one order, a label each."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from threephase.study.params import DENOISED, Study
from threephase.study.topology import cells, trainings


@dataclass(frozen=True)
class Row:
    """One cell of a study; ``encoder`` is empty where none is needed."""

    encoder: str
    variant: str
    label: str


def rows_of(study: Study) -> list[Row]:
    """The cells of a study in table order: by encoder, then what needs none."""
    return [_row(study, encoder, variant) for encoder, variant in cells(study)]


def rows_of_programs(study: Study, programs: Sequence[str]) -> list[Row]:
    """The rows of what the ``programs`` train: cells, and where phase 1 is among them the encoder after it."""
    trained = {(training.encoder, training.variant) for training in trainings(study) if training.program in programs}
    denoised = [_row(study, encoder, DENOISED) for encoder in study.params.encoders]
    return [row for row in (*denoised, *rows_of(study)) if (row.encoder, row.variant) in trained]


def of_cell(frame: pd.DataFrame, row: Row) -> pd.DataFrame:
    """The rows of a table, with columns encoder and variant, that are of this cell."""
    return frame[(frame["variant"] == row.variant) & (frame["encoder"] == row.encoder)]


def _row(study: Study, encoder: str, variant: str) -> Row:
    several = encoder and len(study.params.encoders) > 1
    suffix = f" ({study.shared.encoders[encoder].title})" if several else ""
    return Row(encoder, variant, study.title(variant) + suffix)
