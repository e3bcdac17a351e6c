"""From a source's rows to ``examples.parquet``: reading, cleaning, checking, the fixed test set."""

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from stages.common.errors import UserError, warn
from stages.common.settings import Dataset, DataSource

SPLITS = ("train", "validation", "test", "unlabelled")


def read_source(dataset: Dataset, file: Path) -> pd.DataFrame:
    """The source's rows as they are: the text column, the label columns and, if there is one, ``split``.

    ``file`` is the params file, named in errors. Raises UserError where the source is not there or
    lacks a column.
    """
    source = dataset.source
    rows = _read_package(source, file) if source.kind == "python_package" else _read_file(source, file)
    for column in [dataset.text_column, *dataset.label_columns]:
        if column not in rows.columns:
            names = ", ".join(map(str, rows.columns))
            raise UserError(f"{source.path or file}: got columns {names}, expected {column!r} among them")
    wanted = [dataset.text_column, *dataset.label_columns] + (["split"] if "split" in rows.columns else [])
    return rows[wanted]


def package_folder(package: str, version: str, folder: str, file: Path) -> Path:
    """A folder inside an installed package, without importing the package."""
    try:
        installed = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"{file}: package {package}: not installed; run pip install -r requirements.txt") from None
    if installed != version:
        raise UserError(
            f"{file}: package {package}: got version {installed}, expected {version}; "
            "run pip install -r requirements.txt"
        )
    module, _, rest = folder.partition("/")
    spec = importlib.util.find_spec(module)
    place = Path(spec.submodule_search_locations[0], rest) if spec and spec.submodule_search_locations else None
    if place is None or not place.is_dir():
        raise UserError(f"{file}: folder {folder!r} is not in package {package} {version}; reinstall it")
    return place


def _read_package(source: DataSource, file: Path) -> pd.DataFrame:
    """One row a text file ``<label>/<name>.txt``: its first line."""
    folder = package_folder(source.package, source.version, source.folder, file)
    # Only the first line: some articles hold stray bytes further down.
    texts = sorted(folder.glob("*/*.txt"))
    rows = [(text.read_bytes().partition(b"\n")[0].decode("utf-8"), text.parent.name) for text in texts]
    return pd.DataFrame(rows, columns=["text", "label"])


def _read_file(source: DataSource, file: Path) -> pd.DataFrame:
    path = Path(source.path)
    readers = {
        ".csv": lambda: pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig"),
        ".jsonl": lambda: pd.read_json(path, lines=True, dtype=False),
        ".parquet": lambda: pd.read_parquet(path),
    }
    if path.suffix not in readers:
        raise UserError(f"{file}: source.path: got {path.suffix!r}, expected a file that ends in {', '.join(readers)}")
    if not path.is_file():
        raise UserError(f"{file}: source.path: {path}: no such file")
    try:
        rows = readers[path.suffix]()
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: can't be read as {path.suffix[1:]}: {str(error).splitlines()[0]}") from None
    if path.suffix == ".csv" and not isinstance(rows.index, pd.RangeIndex):
        # pandas takes the first fields for row names, and every column would be off by one.
        raise UserError(f"{path}: row 1: got more fields than the header, expected {len(rows.columns)}")
    return rows


def clean(rows: pd.DataFrame, dataset: Dataset, origin: str) -> pd.DataFrame:
    """Rows with single spaces, text labels and an ``example_id`` that names split and source row.

    Returns columns example_id, text, label (with several levels label_1, label_2 ... and label, the
    whole path), split. Refuses an empty text or a missing label by its row (counted from 1).
    """
    text = rows[dataset.text_column].fillna("").astype(str).str.split().str.join(" ")
    levels = [rows[column].map(_label_text) for column in dataset.label_columns]
    split = rows["split"].astype(str) if "split" in rows.columns else pd.Series("train", index=rows.index)
    _refuse_row(
        origin, ~split.isin(SPLITS), lambda i: f"split: got {split.iloc[i]!r}, expected one of: {', '.join(SPLITS)}"
    )
    _refuse_row(origin, text == "", lambda i: "the text is empty, expected at least one word")
    for column, level in zip(dataset.label_columns, levels, strict=True):
        missing = (level == "") & (split != "unlabelled")
        _refuse_row(origin, missing, lambda i, column=column: f"{column}: the label is missing")
    ids = [f"{part}-{number:06d}" for number, part in enumerate(split)]
    examples = pd.DataFrame({"example_id": ids, "text": text})
    if len(levels) > 1:
        for number, level in enumerate(levels, start=1):
            examples[f"label_{number}"] = level
    examples["label"] = pd.concat(levels, axis=1).agg("/".join, axis=1) if len(levels) > 1 else levels[0]
    return examples.assign(split=split).reset_index(drop=True)


def _label_text(value: object) -> str:
    return "" if value is None or value != value else str(value).strip()


def _refuse_row(origin: str, bad: pd.Series, reason: Callable[[int], str]) -> None:
    if bad.any():
        first = bad.to_numpy().argmax()
        raise UserError(f"{origin}: row {first + 1}: {reason(first)}; mend or remove the row")


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


def with_test_rows(examples: pd.DataFrame, test_rows: int, origin: str) -> pd.DataFrame:
    """Make the training rows whose texts have the smallest sha256 the test set: fixed, of natural class balance."""
    if (examples["split"] == "test").any():
        raise UserError(
            f"{origin}: got rows with split 'test' besides test_rows ({test_rows}), expected one of the two "
            "(test_rows: null keeps those of the file)"
        )
    candidates = examples.loc[examples["split"] == "train", "text"]
    if test_rows >= len(candidates):
        raise UserError(f"{origin}: got {len(candidates)} training rows, expected more than test_rows ({test_rows})")
    digests = candidates.map(lambda text: hashlib.sha256(text.encode()).hexdigest())
    chosen = digests.sort_values(kind="stable").index[:test_rows]
    return examples.assign(split=examples["split"].mask(examples.index.isin(chosen), "test"))


def content_sha256(examples: pd.DataFrame) -> str:
    """Checksum of all (text, label) rows that does not depend on their order."""
    rows = sorted(
        hashlib.sha256(f"{text}\0{label}".encode()).digest()
        for text, label in zip(examples["text"], examples["label"], strict=True)
    )
    return hashlib.sha256(b"".join(rows)).hexdigest()


def check_content(examples: pd.DataFrame, dataset: Dataset, origin: str) -> None:
    """Refuse one class only, and content other than the params file expects."""
    counts = label_counts(examples)
    if not counts:
        raise UserError(f"{origin}: got no labelled rows, expected rows of at least two classes")
    if len(counts) < 2:
        raise UserError(f"{origin}: got one class only ({', '.join(counts)}), expected at least two")
    expected = dataset.expected
    if expected.rows is not None and len(examples) != expected.rows:
        raise UserError(f"{origin}: got {len(examples)} rows, expected {expected.rows}")
    if expected.labels is not None and counts != expected.labels:
        raise UserError(f"{origin}: got label counts {counts}, expected {expected.labels}")
    got = content_sha256(examples)
    if expected.sha256 is not None and got != expected.sha256:
        raise UserError(f"{origin}: got content with sha256 {got}, expected {expected.sha256}")


def label_counts(examples: pd.DataFrame) -> dict[str, int]:
    """Rows a label, unlabelled rows left out, labels in alphabetical order."""
    labels = examples.loc[examples["split"] != "unlabelled", "label"]
    return {label: int(count) for label, count in labels.value_counts().sort_index().items()}


def label_levels(rows: pd.DataFrame) -> np.ndarray:
    """Integer labels of shape (rows, levels), top level first; only their equality has a meaning."""
    columns = [column for column in rows.columns if column.startswith("label_")] or ["label"]
    return np.column_stack([pd.factorize(rows[column])[0] for column in columns])
