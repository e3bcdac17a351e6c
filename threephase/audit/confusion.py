"""Accuracy, precision, recall and F1 of a two-class run come from one matrix of whole numbers: is there one?"""

import numpy as np
import pandas as pd

from threephase.audit.item import FINDING, PASSES, Item, code_of, table
from threephase.audit.printed import EXACT, Printed
from threephase.results.tables import format_printed
from threephase.scores.statistics import PRINTED_ROUNDING

AVERAGINGS = ("positive", "negative", "macro", "weighted")
METRICS = ("accuracy", "precision", "recall", "f1")


def fitting(matrices: pd.DataFrame, metric: str, value: float, tolerance: float) -> pd.DataFrame:
    """Those of the matrices that ``measured`` gives whose metric is the printed one within the tolerance."""
    return matrices[(matrices[metric] - value).abs() <= tolerance + EXACT]


def weights(averaging: str, positives: int, negatives: int) -> tuple[float, float]:
    """What the positive and the negative class count in an averaged precision, recall or F1."""
    share = positives / (positives + negatives)
    sizes = negatives / (positives + negatives)
    return {"positive": (1.0, 0.0), "negative": (0.0, 1.0), "macro": (0.5, 0.5), "weighted": (share, sizes)}[averaging]


def measured(tp: np.ndarray, tn: np.ndarray, p: int, n: int, averaging: str) -> pd.DataFrame:
    """What matrices with ``tp`` of ``p`` positive and ``tn`` of ``n`` negative rows right give, a row each, in percent.

    Columns right_positives, right_negatives and ``METRICS``; a quotient 0 / 0 counts as 0.
    """
    of_positive, of_negative = weights(averaging, p, n)
    called_positive, called_negative = tp + n - tn, tn + p - tp

    def average(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
        return 100 * (of_positive * positive + of_negative * negative)

    return pd.DataFrame(
        {
            "right_positives": tp,
            "right_negatives": tn,
            "accuracy": 100 * (tp + tn) / (p + n),
            "precision": average(_quotient(tp, called_positive), _quotient(tn, called_negative)),
            "recall": average(tp / p, tn / n),
            "f1": average(_quotient(2 * tp, called_positive + p), _quotient(2 * tn, called_negative + n)),
        }
    )


def _quotient(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def with_recall(recall: float, p: int, n: int, averaging: str, tolerance: float) -> pd.DataFrame:
    """All matrices whose averaged recall is the printed one within the tolerance.

    Recall is a weighted sum of right positives over p and right negatives over n. So for each number of right positives
    the right negatives lie between two bounds. Where only the positives count, it is the other way round.
    """
    of_positive, of_negative = weights(averaging, p, n)
    slack = (tolerance + 2 * EXACT) / 100
    if of_negative == 0:
        low, high = _bounds((recall / 100 - slack) * p, (recall / 100 + slack) * p, p)
        tp, tn = (grid.ravel() for grid in np.meshgrid(np.arange(low, high + 1), np.arange(n + 1)))
    else:
        every = np.arange(p + 1)
        middle = recall / 100 - of_positive * every / p
        low, high = _bounds((middle - slack) * n / of_negative, (middle + slack) * n / of_negative, n)
        count = np.maximum(high - low + 1, 0)
        tp = np.repeat(every, count)
        # The numbers from each low bound on: positions within the whole, less where each run of them starts.
        starts = np.repeat(np.cumsum(count) - count, count)
        tn = np.repeat(low, count) + np.arange(count.sum()) - starts
    return fitting(measured(tp, tn, p, n, averaging), "recall", recall, tolerance)


def _bounds(low: np.ndarray, high: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The whole numbers of 0..most between two bounds."""
    return np.maximum(np.ceil(low), 0).astype(np.int64), np.minimum(np.floor(high), most).astype(np.int64)


def with_precision_and_recall(
    precision: float, recall: float, p: int, n: int, averaging: str, tolerance: float = PRINTED_ROUNDING
) -> pd.DataFrame:
    """All matrices of ``p`` positive and ``n`` negative rows that give both printed numbers."""
    return fitting(with_recall(recall, p, n, averaging, tolerance), "precision", precision, tolerance)


def explains(values: dict[str, float], p: int, n: int, averaging: str, tolerance: float = PRINTED_ROUNDING) -> bool:
    """Whether some matrix gives all four printed numbers (``METRICS``) under an averaging."""
    matrices = with_precision_and_recall(values["precision"], values["recall"], p, n, averaging, tolerance)
    for metric in ("accuracy", "f1"):
        matrices = fitting(matrices, metric, values[metric], tolerance)
    return len(matrices) > 0


def _span(values: pd.Series) -> str:
    low, high = format_printed(values.min()), format_printed(values.max())
    return low if low == high else f"{low} to {high}"


def audit(printed: Printed) -> Item:
    """The two-class runs of tables 3, 6 and 7, with the class counts of their test sets."""
    rows, said = [], []
    runs = printed.runs[~printed.runs["dataset"].map(printed.macro)]
    explained = {tolerance: 0 for tolerance in (PRINTED_ROUNDING, 2 * PRINTED_ROUNDING)}
    for dataset, of_dataset in runs.groupby("dataset", sort=False):
        counts = printed.class_counts(dataset, "test")
        p = counts[printed.datasets[dataset].positive_class]
        n = sum(counts.values()) - p
        with_some = []
        for run in of_dataset.to_dict("records"):
            for tolerance in explained:
                explained[tolerance] += any(explains(run, p, n, averaging, tolerance) for averaging in AVERAGINGS)
            of_run = _rows_of_run(run, p, n)
            with_some += [(run, row) for row in of_run[:1] if row["Matrices"]]
            rows += of_run
        said.append(_said(dataset, p, n, len(of_dataset), with_some))
    finding = (
        "; ".join(said) + f". One matrix gives all four numbers of {explained[PRINTED_ROUNDING]} of {len(runs)} runs"
        f" ({explained[2 * PRINTED_ROUNDING]} where truncated numbers may pass too)."
    )
    return Item(
        id="confusion",
        title="Accuracy, precision, recall and F1 of one matrix",
        question="Do the four printed numbers of a two-class run come from one confusion matrix of its test rows?",
        method=(
            "An exact search over all matrices of whole numbers with the class counts of the test set. Kept are those "
            f"that give the printed precision and recall within {PRINTED_ROUNDING:g} points. Both may be the positive "
            "or the negative class's values, their mean (macro) or their mean by size (weighted). Then the accuracy "
            "and F1 that these matrices give. Truncation is covered by a second search within "
            f"{2 * PRINTED_ROUNDING:g}."
        ),
        finding=finding,
        outcome=PASSES if explained[PRINTED_ROUNDING] == len(runs) else FINDING,
        **table(list(rows[0]), rows),
        code=code_of(__name__),
        falsify=(
            "Test rows of other class counts, each metric taken from its own epoch, or means over several runs would "
            "explain it. The authors' predictions would show it, or a matrix that the search missed."
        ),
        data="paper/tables.csv, tables 3, 6 and 7; class counts of the test sets, data/*.yaml",
    )


def _rows_of_run(run: dict, p: int, n: int) -> list[dict]:
    """A row for every averaging under which matrices give precision and recall, else one that says none."""
    about = {"Data set": run["dataset"], "Encoder": run["encoder"], "Variant": run["variant"]}
    about |= {f"Printed {metric}": format_printed(run[metric]) for metric in METRICS}
    rows = []
    for averaging in AVERAGINGS:
        matrices = with_precision_and_recall(run["precision"], run["recall"], p, n, averaging)
        if len(matrices):
            gives = {"Accuracy they give": _span(matrices["accuracy"]), "F1 they give": _span(matrices["f1"])}
            all_four = "yes" if explains(run, p, n, averaging) else "no"
            rows.append(about | {"Averaging": averaging, "Matrices": len(matrices)} | gives | {"All four": all_four})
    none = {"Averaging": "none of " + ", ".join(AVERAGINGS), "Matrices": 0}
    return rows or [about | none | {"Accuracy they give": "", "F1 they give": "", "All four": "no"}]


def _said(dataset: str, p: int, n: int, runs: int, fitted: list[tuple[dict, dict]]) -> str:
    """What came out for a data set, in a few words; ``fitted``: the runs with matrices, each with its first row."""
    gives = ", ".join(
        f"{run['variant']} accuracy {row['Accuracy they give']} (printed {row['Printed accuracy']}) and F1 "
        f"{row['F1 they give']} (printed {row['Printed f1']})"
        for run, row in fitted
    )
    return (
        f"{dataset} ({p} positive, {n} negative): matrices give precision and recall of {len(fitted)} of {runs} runs"
        f"{f', and would give {gives}' if gives else ''}"
    )
