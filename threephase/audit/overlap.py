"""Texts that stand in a data set more than once, above all in training and test: counts and row ids, no text."""

from typing import Any

import pandas as pd

from threephase.data.cleaning import content_sha256
from threephase.study.source_params import Dataset


def normalised(texts: pd.Series) -> pd.Series:
    """Texts in lower case with single spaces."""
    return texts.str.lower().str.split().str.join(" ")


def counts(texts: pd.Series, labels: pd.Series, split: pd.Series, folds: bool) -> dict[str, int]:
    """How often texts are repeated; all [rows].

    Where the test rows are folds of the training rows (``folds``), each row is a test row once. Those counted have the
    text of some other row.
    """
    train, test = split == "train", split == ("train" if folds else "test")
    known = set(texts[train])
    also = texts.duplicated(keep=False) & test if folds else test & texts.isin(known)
    pairs = pd.Series(list(zip(texts, labels, strict=True)), index=texts.index)
    agreeing = pairs.duplicated(keep=False) if folds else pairs.isin(set(pairs[train]))
    return {
        "repeats_in_train": int(texts[train].duplicated().sum()),
        "repeats_in_test": int(texts[split == "test"].duplicated().sum()),
        "validation_rows_in_train": int(texts[split == "validation"].isin(known).sum()),
        "test_rows_in_train": int(also.sum()),
        "test_rows_in_train_with_another_label": int((also & ~agreeing).sum()),
    }


def twins(texts: pd.Series, ids: pd.Series, split: pd.Series, folds: bool) -> list[list[str]]:
    """The ids of each text that both a test row and a training row have (with ``folds``: two training rows)."""
    repeated = texts.duplicated(keep=False) & split.isin(["train", "test"])
    groups = []
    for _, rows in ids[repeated].groupby(texts[repeated], sort=False):
        parts = split[rows.index]
        if len(rows) > 1 and (folds or {"train", "test"} <= set(parts)):
            groups.append(sorted(rows))
    return sorted(groups)


def entry(dataset: Dataset, examples: pd.DataFrame) -> dict[str, Any]:
    """What reports/published/data_audit.json says of a data set; ``examples`` as prepared."""
    folds, split = dataset.folds is not None, examples["split"]
    ways = {"exact": examples["text"], "normalised": normalised(examples["text"])}
    return {
        "content_sha256": content_sha256(examples),
        "rows_by_split": {name: int(rows) for name, rows in split.value_counts().sort_index().items()},
        **{way: counts(texts, examples["label"], split, folds) for way, texts in ways.items()},
        "twins": twins(ways["normalised"], examples["example_id"], split, folds),
    }
