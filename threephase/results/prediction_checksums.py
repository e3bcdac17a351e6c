"""Checksums of predictions by what they say, whatever wrote the file: what "identical" means between two machines."""

import hashlib

import pandas as pd

from threephase.base import paths
from threephase.results.cells import Cell, predictions_by_cell
from threephase.scores.predictions import PROBABILITY, classes_of

COLUMNS = ["cell", "seed", "sha256"]
TEXTS = ["example_id", "split", "label", "predicted"]


def content_sha256(frame: pd.DataFrame) -> str:
    """The sha256 of one seed's predictions, in hexadecimal.

    It is taken of three parts, each behind the other. First the rows in their order as CSV: ``TEXTS`` with a header,
    UTF-8, a line feed behind each line. Then the classes in alphabetical order, a line each. Last the probabilities as
    little-endian float32, row by row in that order of the classes.
    """
    classes = sorted(classes_of(frame))
    digest = hashlib.sha256(frame[TEXTS].to_csv(index=False, lineterminator="\n").encode())
    digest.update("".join(f"{name}\n" for name in classes).encode())
    digest.update(frame[[PROBABILITY + name for name in classes]].to_numpy("<f4").tobytes("C"))
    return digest.hexdigest()


def checksums(predictions: pd.DataFrame) -> pd.DataFrame:
    """``checksums.csv`` (``COLUMNS``) of the predictions of many cells and seeds below each other."""
    by_cell: dict[Cell, dict[int, pd.DataFrame]] = predictions_by_cell(predictions)
    rows = [
        (paths.cell_name(*cell), seed, content_sha256(frame))
        for cell, by_seed in by_cell.items()
        for seed, frame in by_seed.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
