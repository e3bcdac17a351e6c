"""Any two files of predictions of the same rows, made here or elsewhere, compared row by row."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from threephase.base.errors import UserError
from threephase.data.file_look import read_table_in
from threephase.data.labels import canonical
from threephase.data.raw_rows import READ_FROM, ROW, refuse_missing, refuse_row, shown
from threephase.results.paired import Difference
from threephase.scores import mcnemar, statistics
from threephase.scores.metrics import row_values
from threephase.scores.predictions import PROBABILITY, classes_of
from threephase.study.params import Statistics

METRICS = ("accuracy", "macro_f1")
OURS = {"example_id": "id", "predicted": "prediction"}  # columns of a table that a training here leaves
THESE_TWO = "test rows, for these two classifiers as they are"


@dataclass(frozen=True)
class Compared:
    """What two files say of the rows that both have.

    ``differences``: by metric, second minus first; ``detectable``: by metric the smallest true difference that so many
    rows would show, None where no row differs. ``alike``: percent of rows with the same prediction; ``alone``: rows
    that the first, and that the second alone gets right, with McNemar's exact ``p``. ``sure``: percent, the mean
    probability of the predicted class, None where a file states none.
    """

    rows: int
    classes: list[str]
    by_id: bool
    differences: dict[str, Difference]
    detectable: dict[str, float | None]
    alike: float
    alone: tuple[int, int]
    p: float
    sure: list[float | None]


def read_predictions(file: Path) -> pd.DataFrame:
    """Columns label, prediction, ``ROW``, and where the file has them id and probability (of the predicted, 0 to 1).

    Labels and predictions have one spelling, as in a study. Of a table that a training here leaves the test rows are
    taken. Refuses a missing column or value, an id that stands twice, and what is no probability.
    """
    _, rows = read_table_in(file, {}, [])
    rows = rows.rename(columns=OURS)
    refuse_missing(file, rows.columns, ("label", "prediction"), " (label, prediction; optional: id, probability)")
    rows = rows.assign(**{READ_FROM: str(file), ROW: rows.index + 1}).reset_index(drop=True)
    if "split" in rows:
        rows = rows[rows["split"] == "test"].reset_index(drop=True)
        if rows.empty:
            raise UserError(f"{file}: split: got no test rows, expected some")
    refuse = functools.partial(refuse_row, rows)
    if classes := classes_of(rows):
        numbers = rows[[PROBABILITY + name for name in classes]].apply(pd.to_numeric, errors="coerce")
        rows["probability"] = numbers.max(axis=1, skipna=False)
    for column, spelling in (("id", str.strip), ("label", canonical), ("prediction", canonical)):
        if column in rows:
            values = rows[column].astype(str).map(spelling)
            empty = rows[column].isna() | (values == "")
            refuse(empty, lambda row, column=column: f"{column}: got nothing, expected a value in every row")
            rows[column] = values
    if "id" in rows:
        refuse(rows["id"].duplicated(), lambda row: f"id: got {shown(rows['id'][row])} a second time")
    if "probability" in rows:
        probability = pd.to_numeric(rows["probability"], errors="coerce")
        told, got = "of the predicted class, from 0 to 1", rows["probability"].tolist()
        refuse(~probability.between(0, 1), lambda row: f"probability: got {shown(got[row])}, expected that {told}")
        rows["probability"] = probability
    return rows[[column for column in ("id", "label", "prediction", "probability", ROW) if column in rows]]


def compare(first: pd.DataFrame, second: pd.DataFrame, names: Sequence[str], rule: Statistics) -> Compared:
    """Compare what ``read_predictions`` gives of two files, second minus first; ``names`` are the files' in errors.

    Rows are paired by id, or in their order where no file has ids. Macro F1 is over every class that a label or a
    prediction of either file names.
    """
    second = _as_first(first, second, names)
    sides = (first, second)
    classes = sorted({name for side in sides for column in ("label", "prediction") for name in side[column]})
    values = [row_values(side["label"], side["prediction"], classes) for side in sides]
    differences, detectable = {}, {}
    for metric in METRICS:
        moved = values[1][metric] - values[0][metric]
        interval = statistics.mean_interval(moved[None], rule.confidence, rule.min_seeds_for_seed_variance)
        # Of a method's claims such an interval decides nothing; here the two classifiers are the question.
        interval = dataclasses.replace(interval, kind=THESE_TWO)
        means = [float(side[metric].mean()) for side in values]
        differences[metric] = Difference(*means, interval, [interval.mean])
        detectable[metric] = statistics.detectable(interval, rule.confidence, rule.detectable_power)
    right = [(side["label"] == side["prediction"]).to_numpy() for side in sides]
    return Compared(
        rows=len(first),
        classes=classes,
        by_id="id" in first,
        differences=differences,
        detectable=detectable,
        alike=100 * float((first["prediction"].to_numpy() == second["prediction"].to_numpy()).mean()),
        alone=(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())),
        p=mcnemar.exact_p(*right),
        sure=[100 * float(side["probability"].mean()) if "probability" in side else None for side in sides],
    )


def _as_first(first: pd.DataFrame, second: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The second file's rows in the order of the first one's; refuses other rows and other labels."""
    if len(first) != len(second):
        raise UserError(f"{names[1]}: got {len(second)} rows, expected the {len(first)} of {names[0]}")
    if ("id" in first) != ("id" in second):
        having, lacking = names if "id" in first else names[::-1]
        raise UserError(f"{lacking}: id: the column is missing, expected it as {having} has it, or in neither file")
    if "id" in first:
        odd = sorted(set(second["id"]) - set(first["id"]))
        if odd:
            raise UserError(
                f"{names[1]}: id: got {len(odd)} that {names[0]} lacks, {shown(odd[0])} for one, expected the same ids"
            )
        second = second.set_index("id").loc[first["id"]].reset_index()
    other = (first["label"] != second["label"]).to_numpy()
    if other.any():
        row = int(np.argmax(other))
        which = f"id {shown(first['id'][row])}" if "id" in first else f"row {second[ROW][row]}"
        raise UserError(
            f"{names[1]}: {which}: label: got {shown(second['label'][row])}, expected {shown(first['label'][row])} "
            f"as in {names[0]} ({other.sum()} such rows)"
        )
    return second
