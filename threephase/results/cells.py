"""Cells: their predictions, and each cell's summary.

A cell is one variant on one encoder, ``(encoder, variant)``; the encoder is empty where the variant needs none.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import read_table
from threephase.scores import statistics
from threephase.scores.metrics import metrics_of, row_values
from threephase.scores.predictions import PROBABILITY, classes_of
from threephase.study.params import Study
from threephase.study.schema import refuse_unknown
from threephase.study.topology import cells, command

Cell = tuple[str, str]


def check_cell(study: Study, cell: Cell) -> None:
    """Refuse a cell that the study's params file does not name."""
    known = cells(study)
    if cell not in known:
        names = ", ".join(paths.cell_name(*name) for name in known)
        raise UserError(f"{study.file}: variants: got {paths.cell_name(*cell)!r}, expected one of: {names}")


def read_predictions(study: Study, cell: Cell) -> dict[int, pd.DataFrame]:
    """The predictions of each of the study's seeds, all with the same test examples in the same order.

    Where the seeds are folds, no two of them have a test example in common.
    """
    by_seed, remedy, earlier = {}, f"run: {command(study, cell)}", []
    for seed in study.params.seeds:
        file = paths.predictions(study.folder, *cell, seed)
        if not file.is_file():
            raise UserError(f"{file}: no such file, expected the predictions of seed {seed}; {remedy}")
        by_seed[seed] = read_table(file)
        check_predictions(by_seed[seed], file)
        ids = test_rows(by_seed[seed])["example_id"].tolist()
        if pools_folds(study) and set(ids) & set(earlier):
            got = "got test rows of another fold, expected each row in one fold"
            raise UserError(f"{file}: example_id: {got}; {remedy}")
        if not pools_folds(study) and earlier and ids != earlier:
            got = f"got other test rows than seed {study.params.seeds[0]} has, expected the same ones in the same order"
            raise UserError(f"{file}: example_id: {got}; {remedy}")
        earlier = earlier + ids if pools_folds(study) else ids
    return by_seed


def predictions_by_cell(table: pd.DataFrame) -> dict[Cell, dict[int, pd.DataFrame]]:
    """The predictions of each cell and seed in a published table, as the cell's own files have them.

    ``table``: of all cells below each other, with the columns encoder, variant and seed.
    """
    who, by_cell = ["encoder", "variant", "seed"], {}
    for (encoder, variant, seed), rows in table.groupby(who, sort=False):
        # A class that one fold's training lacks has no column in its file, and an empty one here.
        frame = rows.drop(columns=who).dropna(axis=1, how="all").reset_index(drop=True)
        by_cell.setdefault((encoder, variant), {})[int(seed)] = frame
    return by_cell


def check_predictions(frame: pd.DataFrame, file: Path) -> None:
    """Refuse a table of predictions without its columns, a probability, a known class or a test row; names ``file``."""
    for column in ("example_id", "split", "label", "predicted"):
        if column not in frame:
            raise UserError(f"{file}: {column}: the column is missing")
    classes = classes_of(frame)
    probabilities = frame[[PROBABILITY + name for name in classes]].to_numpy(dtype=float)
    if not np.isfinite(probabilities).all():
        row, column = np.argwhere(~np.isfinite(probabilities))[0]
        got = f"row {row}: {PROBABILITY}{classes[column]}: got {probabilities[row, column]}"
        raise UserError(f"{file}: {got}, expected a probability; the training that made it has failed")
    for column in ("label", "predicted"):
        unknown = frame.loc[~frame[column].isin(classes), column]
        if not unknown.empty:
            got = f"row {unknown.index[0]}: {column}: got {unknown.iloc[0]!r}"
            raise UserError(f"{file}: {got}, expected one of: {', '.join(classes)}")
    if test_rows(frame).empty:
        raise UserError(f"{file}: split: got no test rows, expected some")
    twice = frame.loc[frame.duplicated(["example_id", "split"]), "example_id"]
    if not twice.empty:
        raise UserError(
            f"{file}: row {twice.index[0]}: example_id: got {twice.iloc[0]!r} a second time in its split, "
            "expected each example once; make the file again"
        )


def check_split(study: Study, cell: Cell) -> None:
    """Refuse predictions whose test rows are not those of their seed's split."""
    for seed, frame in read_predictions(study, cell).items():
        split = read_table(paths.splits(study.folder, seed) / "split.parquet")
        expected, tested = set(split.loc[split["part"] == "test", "example_id"]), set(test_rows(frame)["example_id"])
        if tested != expected:
            raise UserError(
                f"{paths.predictions(study.folder, *cell, seed)}: example_id: got {len(tested)} test rows, "
                f"expected the {len(expected)} of the split of seed {seed}; the first that only one of the two has is "
                f"{min(tested ^ expected)!r}; run: {command(study, cell)}"
            )


def test_rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["split"] == "test"]


def test_values(study: Study, by_seed: dict[int, pd.DataFrame], positive: str | None = None) -> dict[str, np.ndarray]:
    """For every metric the values [seeds, test rows] whose mean it is; of folds [test rows], all pooled."""
    if pools_folds(study):
        pooled = pd.concat([test_rows(frame) for frame in by_seed.values()])
        return row_values(pooled["label"], pooled["predicted"], classes_of(pooled), positive)
    values = [
        row_values(test_rows(frame)["label"], test_rows(frame)["predicted"], classes_of(frame), positive)
        for frame in by_seed.values()
    ]
    return {metric: np.stack([of_seed[metric] for of_seed in values]) for metric in metrics_of(positive)}


def pools_folds(study: Study) -> bool:
    """Whether the seeds are several folds of a cross-validation, whose test rows are taken together."""
    return study.dataset.folds is not None and len(study.params.seeds) > 1


def folds_of(study: Study, by_seed: dict[int, pd.DataFrame]) -> np.ndarray | None:
    """The fold of each pooled test row; None where there is nothing to pool."""
    if not pools_folds(study):
        return None
    return np.repeat(list(by_seed), [len(test_rows(frame)) for frame in by_seed.values()])


def seed_means(values: np.ndarray, folds: np.ndarray | None) -> list[float]:
    """The mean of each seed of ``values`` [seeds, rows], or with ``folds`` of each fold of the pooled [rows]."""
    return (values.mean(axis=1) if folds is None else pd.Series(values).groupby(folds).mean()).tolist()


def _positive_class(study: Study, by_seed: dict[int, pd.DataFrame]) -> str | None:
    """The data set's positive class, which the predictions must know."""
    positive, known = study.dataset.positive_class, classes_of(next(iter(by_seed.values())))
    if positive is not None:
        refuse_unknown(paths.dataset_definition(study.dataset.name), "positive_class", positive, known)
    return positive


def _by_seed(by_seed: dict[int, pd.DataFrame], split: str, positive: str | None) -> dict[str, dict[str, float]]:
    """Every metric by seed that has rows of the split: the mean of the row values, which needs no other library."""
    values = {metric: {} for metric in metrics_of(positive)}
    for seed, frame in by_seed.items():
        part = frame[frame["split"] == split]
        if len(part):
            of_rows = row_values(part["label"], part["predicted"], classes_of(part), positive)
            for metric, of_metric in of_rows.items():
                values[metric][str(seed)] = float(of_metric.mean())
    return values


def summarize(study: Study, cell: Cell) -> dict[str, Any]:
    """A cell's summary: each metric's mean, std (over seeds, ddof 1), interval and value of each seed, in percent.

    Where the seeds are folds, the mean is the metric of the predictions of all folds together. The symmetric interval
    is cut at 0 and 100, which takes nothing from its coverage.
    """
    by_seed = read_predictions(study, cell)
    positive = _positive_class(study, by_seed)
    tested, validated = (_by_seed(by_seed, split, positive) for split in ("test", "validation"))
    rule, folds, metrics = study.shared.statistics, folds_of(study, by_seed), {}
    for metric, values in test_values(study, by_seed, positive).items():
        interval = statistics.mean_interval(values, rule.confidence, rule.min_seeds_for_seed_variance, folds)
        of_seeds = list(tested[metric].values())
        metrics[metric] = {
            "mean": float(np.mean(of_seeds)) if folds is None else interval.mean,
            "std": float(np.std(of_seeds, ddof=1)) if len(of_seeds) > 1 else None,
            "ci_low": max(interval.low, 0.0),
            "ci_high": min(interval.high, 100.0),
            "ci_kind": interval.kind,
            "by_seed": tested[metric],
        }
    return {
        "study": study.params.name,
        "dataset": study.params.dataset,
        "encoder": cell[0],
        "protocol": study.params.protocol,
        "variant": cell[1],
        "seeds": list(by_seed),
        "n_test": values.shape[-1],
        "metrics": metrics,
        "validation": {metric: {"by_seed": of_seeds} for metric, of_seeds in validated.items()},
    }
