"""The table of predictions that a classifier or baseline leaves; every metric is computed from it."""

import numpy as np
import pandas as pd

PROBABILITY = "probability_"


def classes_of(predictions: pd.DataFrame) -> list[str]:
    """The classes that a table of predictions has probabilities of."""
    return [name.removeprefix(PROBABILITY) for name in predictions.columns if name.startswith(PROBABILITY)]


def predictions_table(
    parts: dict[str, pd.DataFrame], probabilities: dict[str, np.ndarray], classes: list[str]
) -> pd.DataFrame:
    """Columns example_id, split, label, predicted, and ``probability_<class>`` (float32) a class.

    ``parts``: examples by part; ``probabilities``: (rows, classes) by part, columns in the order of ``classes``.
    """
    tables = []
    for part, rows in parts.items():
        values = probabilities[part].astype(np.float32)
        table = rows[["example_id", "label"]].reset_index(drop=True)
        table.insert(1, "split", part)
        table["predicted"] = [classes[i] for i in values.argmax(axis=1)]
        columns = pd.DataFrame(values, columns=[PROBABILITY + name for name in classes])
        tables.append(pd.concat([table, columns], axis=1))
    return pd.concat(tables, ignore_index=True)
