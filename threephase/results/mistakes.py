"""Where trained variants go wrong: which class they take for which, and the test rows on which they differ most."""

import numpy as np
import pandas as pd

from threephase.results.cells import read_predictions, test_rows
from threephase.scores.predictions import classes_of
from threephase.study.params import Study
from threephase.study.topology import cells

CONFUSION_COLUMNS = ["encoder", "variant", "label", "predicted", "rows", "percent"]
DISAGREEMENT_COLUMNS = ["encoder", "example_id", "label", "spread", "distinct_predictions"]
MOST_DISAGREEMENTS = 200
CORRECT = "correct_"


def trained_predictions(study: Study) -> tuple[pd.DataFrame, list[str]]:
    """The test rows of all trained cells and seeds, and all classes in alphabetical order.

    Columns encoder, variant, seed, example_id, label, predicted; the cells are in table order.
    """
    frames, classes = [], set()
    for encoder, variant in cells(study):
        if variant in study.params.trained():
            for seed, frame in read_predictions(study, (encoder, variant)).items():
                rows = test_rows(frame)[["example_id", "label", "predicted"]]
                frames.append(rows.assign(encoder=encoder, variant=variant, seed=seed))
                classes |= set(classes_of(frame))
    columns = ["encoder", "variant", "seed", "example_id", "label", "predicted"]
    return (pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)), sorted(classes)


def confusion_frame(predictions: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """``confusion.csv``: by cell, label and predicted class the test rows of all seeds, and their share of the label's.

    ``predictions`` and ``classes`` are those of ``trained_predictions``. Every pair of classes has a row; ``percent``
    is missing for a label that no test row has.
    """
    tables = []
    for (encoder, variant), rows in predictions.groupby(["encoder", "variant"], sort=False):
        counts = pd.crosstab(rows["label"], rows["predicted"]).reindex(index=classes, columns=classes, fill_value=0)
        totals = counts.sum(axis=1)
        percent = 100 * counts.div(totals.where(totals > 0, np.nan), axis=0)
        labels, predicted = np.repeat(classes, len(classes)), np.tile(classes, len(classes))
        table = pd.DataFrame({"encoder": encoder, "variant": variant, "label": labels, "predicted": predicted})
        tables.append(table.assign(rows=counts.to_numpy().ravel(), percent=percent.to_numpy().ravel()))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=CONFUSION_COLUMNS)


def disagreements_frame(predictions: pd.DataFrame) -> pd.DataFrame:
    """``disagreements.csv``: by encoder the test rows on which its trained variants differ most, the first ones first.

    A variant's ``correct_<variant>`` is the percent of its seeds that predict the row's label. ``spread`` is their
    standard deviation over the variants (ddof 0, points). Of equal ones the rows with more distinct predictions, over
    variants and seeds, come first. Rows without any spread are left out, and those behind ``MOST_DISAGREEMENTS``.
    """
    tables = []
    for encoder, rows in predictions.groupby("encoder", sort=False):
        right = 100.0 * (rows["label"] == rows["predicted"])
        variants = list(dict.fromkeys(rows["variant"]))
        shares = right.groupby([rows["example_id"], rows["variant"]]).mean().unstack()[variants]
        by_row = rows.groupby("example_id")
        table = shares.add_prefix(CORRECT).assign(
            encoder=encoder,
            label=by_row["label"].first(),
            # Rounded, so that the order of the variants can't decide between equal ones.
            spread=shares.std(axis=1, ddof=0).round(6),
            distinct_predictions=by_row["predicted"].nunique(),
        )
        table = table[table["spread"] > 0].reset_index()
        order = ["spread", "distinct_predictions", "example_id"]
        table = table.sort_values(order, ascending=[False, False, True]).head(MOST_DISAGREEMENTS)
        tables.append(table[[*DISAGREEMENT_COLUMNS, *(CORRECT + variant for variant in variants)]])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=DISAGREEMENT_COLUMNS)
