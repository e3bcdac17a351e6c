"""From a source's rows to ``examples.parquet``: cleaning, checking, the fixed test set."""

import functools
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from threephase.base.errors import UserError, warn
from threephase.data.labels import INVISIBLE, labels_of, missing, refuse_merged_levels
from threephase.data.raw_rows import refuse_row
from threephase.study.source_params import SPLITS, Dataset

TAG = re.compile("<.{0,6}>")
KEPT = {  # of a text that stands with different labels, by ``contradicting_labels``
    "first": "the first label of each is kept",
    "majority": "the label that most copies have is kept",
    "drop": "they are left out",
}


def clean(rows: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Rows with single spaces, text labels and an ``example_id`` that names split and source row.

    Several text columns are joined by a space. Returns columns example_id, text, label (with several levels label_1,
    label_2 ... and label, the whole path), split; unlabelled rows have the label "". Refuses an empty text, and a
    missing, hidden or undeclared label, by file and row (counted from 1).
    """
    refuse = functools.partial(refuse_row, rows)
    columns = [rows[column] for column in dataset.text_columns]
    text = pd.Series([one_text(cells, dataset.strip_tags) for cells in zip(*columns, strict=True)], dtype=str)
    split = rows["split"].astype(str) if "split" in rows.columns else pd.Series("train", index=rows.index)
    refuse(~split.isin(SPLITS), lambda i: f"split: got {split.iloc[i]!r}, expected one of: {', '.join(SPLITS)}")
    empty = [not INVISIBLE.sub("", each).strip() for each in text]
    refuse(empty, lambda i: "the text is empty, expected at least one word")
    split = split.to_numpy()
    of_files = dataset.source.files is not None
    levels = [labels_of(rows[column], split, dataset.class_names, of_files, refuse) for column in dataset.label_columns]
    for column, level in zip(dataset.label_columns, levels, strict=True):
        without = (level == "") & (split != "unlabelled")
        refuse(without, lambda i, column=column: missing(column, [level.iloc[i] for level in levels]))
    ids = [f"{part}-{number:06d}" for number, part in enumerate(split)]
    examples = pd.DataFrame({"example_id": ids, "text": text})
    if len(levels) > 1:
        for number, level in enumerate(levels, start=1):
            examples[f"label_{number}"] = level
        examples["label"] = pd.concat(levels, axis=1).agg("/".join, axis=1).where(split != "unlabelled", "")
        refuse_merged_levels(examples, refuse)
    else:
        examples["label"] = levels[0]
    return examples.assign(split=split)


def one_text(cells: Sequence[object], strip_tags: bool) -> str:
    """The cells of a row's text columns as the text that is trained on: without missing ones, with single spaces."""
    text = " ".join(str(cell) for cell in cells if cell is not None and cell == cell)
    return " ".join((TAG.sub("", text) if strip_tags else text).split())


def prepared(examples: pd.DataFrame, dataset: Dataset, used: dict[str, Any]) -> pd.DataFrame:
    """The rows that a definition keeps of cleaned ones, checked, with the test set that it asks for.

    ``used``: what ``read_source`` tells of their source.
    """
    origin, remedy = used["origin"], dataset.remedy(used["kind"])
    examples = chosen(examples, dataset)
    check_content(examples, dataset, origin, remedy)
    if dataset.test_rows is not None:
        withheld, stratified = dataset.withheld_rows, dataset.stratified_test_rows
        examples = with_test_rows(examples, dataset.test_rows, origin, withheld, stratified)
    if dataset.folds is not None and (examples["split"] == "test").any():
        raise UserError(f"{origin}: got test rows besides folds ({dataset.folds}), expected one of the two")
    check_labels_by_split(examples, dataset, origin, remedy)
    return examples


def chosen(examples: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The rows that a definition keeps: of each distinct text one, and of these a sample, as far as it asks for them.

    A sample holds the rows that ``_spread`` puts first, splits and classes in their shares.
    """
    if dataset.deduplicate:
        examples = without_duplicates(examples, dataset.contradicting_labels)
    if dataset.sample_rows is not None:
        order = _spread(examples["text"], examples["split"] + "/" + examples["label"])
        examples = examples.loc[order[: dataset.sample_rows].sort_values()].reset_index(drop=True)
    return examples


def without_duplicates(examples: pd.DataFrame, contradicting_labels: str = "first") -> pd.DataFrame:
    """One row of each distinct text, the first; warns where copies of a text carry different labels.

    Of these stays the ``first``, the first with the label that most of them have (``majority``; of equally many the
    one that stands first), or none (``drop``). Of copies in several splits a test row stays before a validation, a
    training and an unlabelled one.
    """
    labels = contradicting(examples)
    if len(labels):
        warn(f"{labels['text'].nunique()} texts stand with different labels; {KEPT[contradicting_labels]}")
    if contradicting_labels == "drop":
        examples = examples[~examples["text"].isin(labels["text"])]
    elif contradicting_labels == "majority":
        label = labels["text"].map(majority_labels(labels))
        examples = examples.drop(labels.index[labels["label"] != label])
    rank = examples["split"].map({"test": 0, "validation": 1, "train": 2, "unlabelled": 3})
    kept = examples["text"].loc[rank.sort_values(kind="stable").index].drop_duplicates().index
    return examples.loc[kept.sort_values()].reset_index(drop=True)


def contradicting(examples: pd.DataFrame) -> pd.DataFrame:
    """The labelled rows whose text also stands with another label."""
    repeated = examples[examples["text"].duplicated(keep=False) & (examples["split"] != "unlabelled")]
    return repeated[repeated.groupby("text")["label"].transform("nunique") > 1]


def majority_labels(rows: pd.DataFrame) -> dict[str, str]:
    """The label that most rows of a text have, by text; of equally many the one that stands first."""
    counts = rows.groupby(["text", "label"], sort=False).size().sort_values(ascending=False, kind="stable")
    return dict(counts.index[~counts.index.get_level_values("text").duplicated()])


def _spread(texts: pd.Series, groups: pd.Series) -> pd.Index:
    """The rows' index in an order that takes equal shares of all groups, whatever the order of the rows.

    Within a group texts are ordered by their sha256. The first row of each group comes before all others and the last
    one behind them, so that a group of two rows or more is on both sides of a cut that has room for all groups.
    """
    groups = groups[_sha256(texts).sort_values(kind="stable").index]
    place, size = groups.groupby(groups).cumcount(), groups.groupby(groups).transform("size")
    share = ((place + 0.5) / size).mask(place == 0, 0.0).mask(place == size - 1, 1.0)
    return share.sort_values(kind="stable").index


def _sha256(texts: pd.Series) -> pd.Series:
    return texts.map(lambda text: hashlib.sha256(text.encode()).hexdigest())


def with_test_rows(
    examples: pd.DataFrame, test_rows: int, origin: str, withheld_rows: int = 0, stratified: bool = False
) -> pd.DataFrame:
    """Make the training rows whose texts have the smallest sha256 the test set: fixed, of natural class balance.

    ``stratified``: of each class its share, at least a row of each class that has two or more; its last row still
    trains. Before that so many ``withheld_rows`` are taken out, in the same order: another data set's test rows, which
    a pilot must not see.
    """
    if (examples["split"] == "test").any():
        raise UserError(
            f"{origin}: got rows with split 'test' besides test_rows ({test_rows}), expected one of the two "
            "(test_rows: null keeps those of the file)"
        )
    candidates = examples.loc[examples["split"] == "train", "text"]
    if withheld_rows + test_rows >= len(candidates):
        named = f"test_rows ({test_rows})"
        if withheld_rows:
            named = f"withheld_rows and test_rows ({withheld_rows} and {test_rows})"
        raise UserError(f"{origin}: got {len(candidates)} training rows, expected more than {named}")
    if stratified:
        ranked = _spread(candidates, examples.loc[candidates.index, "label"])
    else:
        ranked = _sha256(candidates).sort_values(kind="stable").index
    drawn = ranked[withheld_rows : withheld_rows + test_rows]
    tested = examples.assign(split=examples["split"].mask(examples.index.isin(drawn), "test"))
    return tested.drop(ranked[:withheld_rows]).reset_index(drop=True)


def content_sha256(examples: pd.DataFrame) -> str:
    """Checksum of all (text, label) rows that does not depend on their order."""
    rows = sorted(
        hashlib.sha256(f"{text}\0{label}".encode()).digest()
        for text, label in zip(examples["text"], examples["label"], strict=True)
    )
    return hashlib.sha256(b"".join(rows)).hexdigest()


def check_content(examples: pd.DataFrame, dataset: Dataset, origin: str, remedy: str = "") -> None:
    """Refuse one class only, and content other than the params file expects.

    ``origin``: the source; ``remedy``: what to do where its content is not as expected.
    """
    counts = label_counts(examples)
    if not counts:
        raise UserError(f"{origin}: got no labelled rows, expected rows of at least two classes")
    if len(counts) < 2:
        raise UserError(f"{origin}: got one class only ({', '.join(counts)}), expected at least two")
    splits = examples["split"].value_counts().to_dict()
    if "train" not in splits:
        raise UserError(f"{origin}: got no training rows, expected a split 'train'")
    expected = dataset.expected
    for what, got, wanted in (
        ("{} rows", len(examples), expected.rows),
        ("rows {}", {split: splits[split] for split in SPLITS if split in splits}, expected.rows_by_split),
        ("label counts {}", counts, expected.labels),
        ("content with sha256 {}", content_sha256(examples), expected.sha256),
    ):
        if wanted is not None and got != wanted:
            raise UserError(f"{origin}: got {what.format(got)}, expected {wanted}" + (f"; {remedy}" if remedy else ""))


def check_labels_by_split(examples: pd.DataFrame, dataset: Dataset, origin: str, remedy: str) -> None:
    """Refuse other class counts of a split than the params file expects, where it expects some."""
    for split in SPLITS if dataset.expected.labels_by_split is not None else ():
        got = label_counts(examples[examples["split"] == split]) or "none"
        wanted = dataset.expected.labels_by_split.get(split, "none")
        if got != wanted:
            raise UserError(f"{origin}: got label counts {got} in the split {split!r}, expected {wanted}; {remedy}")


def shared_texts(examples: pd.DataFrame) -> dict[str, int]:
    """Rows of validation and test whose text also stands in the training rows, by split; 0 where a split has none."""
    train = examples.loc[examples["split"] == "train", "text"]
    splits = examples.loc[examples["text"].isin(train), "split"]
    return {split: int((splits == split).sum()) for split in ("validation", "test")}


def label_counts(examples: pd.DataFrame) -> dict[str, int]:
    """Rows a label, unlabelled rows left out, labels in alphabetical order."""
    labels = examples.loc[examples["split"] != "unlabelled", "label"]
    return {label: int(count) for label, count in labels.value_counts().sort_index().items()}
