"""Tables of texts in files: CSV, JSON lines and Parquet, a folder of them, or one file a split."""

import codecs
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from threephase.base.errors import UserError, first_line, warn
from threephase.base.files import sha256_of
from threephase.study.source_params import SPLITS

READERS = {
    ".csv": partial(pd.read_csv, dtype=str, keep_default_na=False),
    ".jsonl": partial(pd.read_json, lines=True, dtype=False),
    ".parquet": lambda path, encoding: pd.read_parquet(path),
}
SUFFIXES = tuple(READERS)
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
FALLBACK = "cp1252"


def files_of(named: str | Mapping[str, str], place: str) -> list[tuple[str | None, Path]]:
    """The files that a user's ``source.files`` names, each with its split, None where the file gives none.

    A folder stands for all its tables; where each is named after a split (train.csv, test.csv), for that split.
    ``place`` names the parameter in errors. The same file for two splits is refused, by its content.
    """
    if isinstance(named, str):
        path = Path(named)
        tables = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES) if path.is_dir() else [path]
        if not tables:
            raise UserError(f"{place}: {path}: got a folder without tables, expected files in {', '.join(SUFFIXES)}")
        by_name = len(tables) > 1 and all(file.stem in SPLITS for file in tables)
        files = [(file.stem if by_name else None, file) for file in tables]
    else:
        files = [(split, Path(file)) for split, file in named.items()]
    for _, file in files:
        if file.suffix not in SUFFIXES:
            raise UserError(
                f"{place}: {file}: got {file.suffix!r}, expected a file that ends in {', '.join(SUFFIXES)}, or a folder"
            )
        if not file.is_file():
            raise UserError(f"{place}: {file}: no such file")
        if not os.access(file, os.R_OK):
            raise UserError(f"{place}: {file}: may not be read, expected a file that you have the right to read")
    refuse_same_content(files)
    return files


def refuse_same_content(files: list[tuple[str | None, Path]]) -> None:
    """Refuse two files of the same content: a test set that is the training set measures nothing."""
    seen: dict[str, tuple[str | None, Path]] = {}
    for split, file in files:
        first_split, first = seen.setdefault(sha256_of(file), (split, file))
        if (first_split, first) != (split, file):
            of_splits = f" for split {split!r} and {first_split!r}" if split else ""
            raise UserError(f"{file}: got the same content as {first}{of_splits}, expected different rows")


def read_rows(path: Path, encoding: str | None = None) -> pd.DataFrame:
    """The rows of a file as they are, CSV cells as texts.

    ``encoding`` None: UTF-8, or UTF-16 where a byte-order mark says so; a file that is neither is read as
    Windows-1252, with a warning. Refuses what can't be read and a table without rows.
    """
    with path.open("rb") as file:
        start = file.read(4)
    mark = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    try:
        rows = _read(path, encoding or mark)
    except LookupError:
        raise UserError(f"{path}: got encoding {encoding!r}, expected one that Python knows, such as cp1252") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: can't be read as {path.suffix[1:]}: {first_line(error)}") from None
    if path.suffix == ".csv" and not isinstance(rows.index, pd.RangeIndex):
        # pandas takes the first fields for row names, and every column would be off by one.
        raise UserError(f"{path}: row 1: got more fields than the header, expected {len(rows.columns)}")
    if rows.empty:
        raise UserError(f"{path}: got 0 rows, expected at least two classes of them")
    return rows


def _read(path: Path, encoding: str | None) -> pd.DataFrame:
    read = READERS[path.suffix]
    if encoding is not None:
        return read(path, encoding=encoding)
    try:
        return read(path, encoding="utf-8")
    except UnicodeDecodeError as error:
        rows = read(path, encoding=FALLBACK)
        warn(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); read as {FALLBACK} (source.encoding)")
        return rows
