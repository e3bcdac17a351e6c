"""From a source's rows to ``examples.parquet``: cleaning, checking, the fixed test set."""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pandas as pd

from threephase.base.errors import UserError, warn
from threephase.data.cells import READ_FROM, cell_text, refuse_row, shown
from threephase.study.source_params import SPLITS, Dataset

TAG = re.compile("<.{0,6}>")
HIDDEN = "-1"  # what test labels read as where their owner keeps them back
INVISIBLE = re.compile("[\0\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
MISSING = ("NaN", "nan", "None", "null", "NULL")  # what programs write for nothing; a class "none" is one
WHOLE = re.compile(r"(-?\d+)\.0+")
LONGEST_LABEL = 300


def clean(rows: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Rows with single spaces, text labels and an ``example_id`` that names split and source row.

    Several text columns are joined by a space. Returns columns example_id, text, label (with several levels label_1,
    label_2 ... and label, the whole path), split; unlabelled rows have the label "". Refuses an empty text, and a
    missing, hidden or undeclared label, by file and row (counted from 1).
    """
    refuse = functools.partial(refuse_row, rows[READ_FROM])
    columns = [rows[column] for column in dataset.text_columns]
    text = pd.Series([_one_text(cells, dataset.strip_tags) for cells in zip(*columns, strict=True)], dtype=str)
    split = rows["split"].astype(str) if "split" in rows.columns else pd.Series("train", index=rows.index)
    refuse(~split.isin(SPLITS), lambda i: f"split: got {split.iloc[i]!r}, expected one of: {', '.join(SPLITS)}")
    refuse(text.map(_is_empty), lambda i: "the text is empty, expected at least one word")
    split = split.to_numpy()
    of_files = dataset.source.files is not None
    levels = [_labels(rows[column], split, dataset.class_names, of_files, refuse) for column in dataset.label_columns]
    for column, level in zip(dataset.label_columns, levels, strict=True):
        missing = (level == "") & (split != "unlabelled")
        refuse(missing, lambda i, column=column: _missing(column, [level.iloc[i] for level in levels]))
    ids = [f"{part}-{number:06d}" for number, part in enumerate(split)]
    examples = pd.DataFrame({"example_id": ids, "text": text})
    if len(levels) > 1:
        for number, level in enumerate(levels, start=1):
            examples[f"label_{number}"] = level
        examples["label"] = pd.concat(levels, axis=1).agg("/".join, axis=1).where(split != "unlabelled", "")
        _refuse_merged_levels(examples, refuse)
    else:
        examples["label"] = levels[0]
    return examples.assign(split=split)


def _one_text(cells: tuple[object, ...], strip_tags: bool) -> str:
    text = " ".join(str(cell) for cell in cells if cell is not None and cell == cell)
    return " ".join((TAG.sub("", text) if strip_tags else text).split())


def _is_empty(text: str) -> bool:
    return not text or not INVISIBLE.sub("", text).strip()


def _labels(
    values: pd.Series, split: np.ndarray, names: dict[str, str] | None, of_files: bool, refuse: Callable[..., None]
) -> pd.Series:
    """One level's labels under their declared ``names``; "" where missing, and in unlabelled rows.

    Those ``of_files``, the user's own, are brought to one spelling.
    """
    level = pd.Series([(cell_text(value) or "").strip() for value in values], dtype=str)
    level = level.where(split != "unlabelled", "")
    if of_files:
        names = names and {canonical(key): name for key, name in names.items()}
        level = _in_one_spelling(level, values, names or {}, refuse)
    refuse(
        (level == HIDDEN).groupby(split).transform("all"),
        lambda i: (
            f"{values.name}: every label of the split {split[i]!r} is hidden ({HIDDEN}), expected labels; use another "
            "split, or this one as unlabelled"
        ),
    )
    if names is None:
        return level
    declared = ", ".join(key if key == name else f"{key} ({name})" for key, name in names.items())
    refuse(
        ~level.isin([*names, ""]), lambda i: f"{values.name}: got label {level.iloc[i]!r}, expected one of: {declared}"
    )
    return level.map({**names, "": ""})


def canonical(label: str) -> str:
    """The one spelling of a label: Unicode's NFKC, without what can't be seen, 1.0 as 1."""
    label = INVISIBLE.sub("", unicodedata.normalize("NFKC", label)).strip()
    whole = WHOLE.fullmatch(label)
    return whole[1] if whole else label


def _in_one_spelling(
    level: pd.Series, values: pd.Series, names: dict[str, str], refuse: Callable[..., None]
) -> pd.Series:
    """Labels in one spelling each, told in one line where some have several; "" where one says that it is missing."""
    spelling = {label: canonical(label) for label in level.unique()}
    spelt = level.map(spelling)
    refuse(
        spelt.isin(MISSING) & ~spelt.isin(names),
        lambda i: (
            f"{values.name}: got {spelt.iloc[i]!r}, which stands for a missing label; where it is a class, declare it "
            f"(--class {spelt.iloc[i]}, or class_names)"
        ),
    )
    breaks = spelt.map(lambda label: len(label.splitlines()) > 1)
    refuse(breaks, lambda i: f"{values.name}: got a line break in the label {shown(spelt.iloc[i])}, expected a line")
    refuse(
        spelt.str.len() > LONGEST_LABEL,
        lambda i: (
            f"{values.name}: got a label of {len(spelt.iloc[i])} characters ({shown(spelt.iloc[i])}), expected at most "
            f"{LONGEST_LABEL}; name the column that holds the classes"
        ),
    )
    as_given = pd.Series([cell_text(value) or "" for value in values], dtype=str)[spelt.to_numpy() != ""]
    several = as_given.groupby(spelt[spelt != ""]).unique()
    several = several[several.map(len) > 1]
    if len(several):
        label, spellings = several.index[0], several.iloc[0]
        warn(
            f"{values.name}: {several.map(len).sum()} spellings are read as {len(several)} labels, such as "
            f"{' and '.join(map(shown, spellings[:3]))} as {shown(label)}"
        )
    return spelt


def _refuse_merged_levels(examples: pd.DataFrame, refuse: Callable[..., None]) -> None:
    """Refuse a path that two lists of levels share: a/b and c, a and b/c."""
    columns = [column for column in examples.columns if column.startswith("label_")]
    first = examples.groupby("label")[columns].transform("first")
    refuse(
        (first != examples[columns]).any(axis=1),
        lambda i: (
            f"got levels {' + '.join(map(shown, examples[columns].iloc[i]))} besides "
            f"{' + '.join(map(shown, first.iloc[i]))}, which with / are one path; replace the / in a label"
        ),
    )


def _missing(column: str, levels: list[str]) -> str:
    """Why a row without a label in ``column`` is refused; ``levels``: its labels, top level first."""
    given = [level for level in levels if level]
    if not given:
        return f"{column}: the label is missing"
    return f"{column}: got {len(given)} levels of labels ({'/'.join(given)}), expected {len(levels)} in every row"


def without_duplicates(examples: pd.DataFrame) -> pd.DataFrame:
    """One row of each distinct text, the first; warns where copies of a text carry different labels.

    Of copies in several splits a test row stays before a validation, a training and an unlabelled one.
    """
    labelled = examples[examples["split"] != "unlabelled"]
    contradicting = labelled.groupby("text")["label"].nunique().gt(1).sum()
    if contradicting:
        warn(f"{contradicting} texts stand with different labels; the first label of each is kept")
    rank = examples["split"].map({"test": 0, "validation": 1, "train": 2, "unlabelled": 3})
    ranked = examples.loc[rank.sort_values(kind="stable").index]
    return ranked.drop_duplicates("text").sort_index().reset_index(drop=True)


def with_test_rows(examples: pd.DataFrame, test_rows: int, origin: str, withheld_rows: int = 0) -> pd.DataFrame:
    """Make the training rows whose texts have the smallest sha256 the test set: fixed, of natural class balance.

    Before that so many ``withheld_rows`` are taken out, in the same order: another data set's test rows, which a pilot
    must not see.
    """
    if (examples["split"] == "test").any():
        raise UserError(
            f"{origin}: got rows with split 'test' besides test_rows ({test_rows}), expected one of the two "
            "(test_rows: null keeps those of the file)"
        )
    candidates = examples.loc[examples["split"] == "train", "text"]
    if withheld_rows + test_rows >= len(candidates):
        named = (
            f"withheld_rows and test_rows ({withheld_rows} and {test_rows})"
            if withheld_rows
            else (f"test_rows ({test_rows})")
        )
        raise UserError(f"{origin}: got {len(candidates)} training rows, expected more than {named}")
    digests = candidates.map(lambda text: hashlib.sha256(text.encode()).hexdigest())
    ranked = digests.sort_values(kind="stable").index
    chosen = ranked[withheld_rows : withheld_rows + test_rows]
    tested = examples.assign(split=examples["split"].mask(examples.index.isin(chosen), "test"))
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
