"""Which files a user's ``source.files`` names, and what is in one: unpacked, and as text in its encoding."""

import codecs
import gzip
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from threephase.base.errors import UserError, first_line, shortened
from threephase.base.files import files_in, sha256_of
from threephase.study.source_params import SPLITS

DELIMITED = (".csv", ".tsv", ".tab", ".txt", ".text", ".dat", ".data", "")
JSON = (".json", ".jsonl", ".ndjson")
TABLES = (".csv", ".tsv", *JSON, ".parquet", ".xlsx")
"""What counts as a table in a folder; a .txt there is as likely a note."""
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
AS_CSV = "save it as CSV in UTF-8"
BROKEN = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
"""What damaged archives raise."""
CONVERSIONS = {
    ".xls": "save it as .xlsx or CSV",
    ".ods": "save it as .xlsx or CSV",
    ".sav": "pandas.read_spss(file).to_parquet(...)",
    ".dta": "pandas.read_stata(file).to_parquet(...)",
    ".feather": "pandas.read_feather(file).to_parquet(...)",
    ".arrow": "datasets.Dataset.from_file(file).to_parquet(...)",
    ".pkl": "a pickle can run code; where it was made: frame.to_parquet(...)",
    ".bz2": "unpack it: bunzip2",
    ".xz": "unpack it: unxz",
    ".zst": "unpack it: unzstd",
    ".tar": "unpack it: tar -xf",
    ".tgz": "unpack it: tar -xzf",
    ".7z": "unpack it",
}


def files_of(
    named: str | Mapping[str, str], place: str, label_from: str | None = None
) -> list[tuple[str | None, Path]]:
    """The files that a user's ``source.files`` names, each with its split, None where the file gives none.

    A folder stands for all its tables; where each is named after a split (train.csv, test.csv), for that split. Where
    labels come from names (``label_from``) it stays a folder. ``place`` names the parameter in errors. The same file
    for two splits is refused, by its content.
    """
    given = [(None, Path(named))] if isinstance(named, str) else [(split, Path(file)) for split, file in named.items()]
    for _, path in given:
        if not path.exists():
            raise UserError(f"{place}: {path}: no such file")
    if label_from is not None:
        for _, path in given:
            if not path.is_dir():
                raise UserError(f"{place}: {path}: got a file, expected a folder (source.label_from: {label_from})")
        files = given
    else:
        files = [(split, file) for named_split, path in given for split, file in _tables(named_split, path, place)]
        for _, file in files:
            _check_file(file, place)
    refuse_same_content(files)
    return files


def _tables(split: str | None, path: Path, place: str) -> list[tuple[str | None, Path]]:
    if not path.is_dir():
        return [(split, path)]
    tables = [file for file in files_in(path, "*") if _unpacked(file).suffix.lower() in TABLES]
    if not tables:
        raise UserError(f"{place}: {path}: got a folder without tables, expected files in {', '.join(TABLES)}")
    names = [table.name.split(".")[0] for table in tables]
    by_name = split is None and len(tables) > 1 and set(names) <= set(SPLITS)
    return [(name if by_name else split, table) for name, table in zip(names, tables, strict=True)]


def _check_file(file: Path, place: str) -> None:
    if not os.access(file, os.R_OK):
        raise UserError(f"{place}: {file}: may not be read, expected a file that you have the right to read")
    suffix = suffix_of(file)
    if suffix not in (*DELIMITED, *TABLES):
        raise UserError(
            f"{place}: {file}: got {suffix!r}, expected a file that ends in {', '.join(TABLES)}, .txt, .gz or .zip, or "
            f"a folder; {CONVERSIONS.get(suffix, AS_CSV)}"
        )


def refuse_same_content(files: list[tuple[str | None, Path]]) -> None:
    """Refuse two files of the same content: a test set that is the training set measures nothing."""
    seen: dict[object, tuple[str | None, Path]] = {}
    for split, file in files:
        parts = files_in(file) if file.is_dir() else [file]
        first_split, first = seen.setdefault(tuple(sha256_of(part) for part in parts), (split, file))
        if (first_split, first) != (split, file):
            of_splits = f" for split {split!r} and {first_split!r}" if split else ""
            raise UserError(f"{file}: got the same content as {first}{of_splits}, expected different rows")


def suffix_of(path: Path) -> str:
    """The suffix that says how a file is read, in lower case: without .gz, and of a .zip that of the file in it."""
    if path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                return Path(_member(path, archive)).suffix.lower()
        except BROKEN as error:
            raise UserError(f"{path}: can't be unpacked: {first_line(error)}") from None
    return _unpacked(path).suffix.lower()


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in (".gz", ".zip") else path


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    """The one file of an archive; what a Mac adds is passed over."""
    names = [
        name for name in archive.namelist() if not name.startswith("__MACOSX") and Path(name).name and name[-1] != "/"
    ]
    if len(names) != 1:
        told = shortened(", ".join(names))
        raise UserError(f"{path}: got {len(names)} files in it ({told}), expected one; unpack it and name files")
    return names[0]


def content_of(path: Path) -> bytes:
    """What is in a file, unpacked."""
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.read(_member(path, archive))
        if path.suffix.lower() == ".gz":
            return gzip.decompress(path.read_bytes())
        return path.read_bytes()
    except BROKEN as error:
        raise UserError(f"{path}: can't be unpacked: {first_line(error)}") from None


def mark_of(content: bytes) -> str | None:
    """The encoding that a byte-order mark names, if there is one."""
    return next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)


def text_of(path: Path, encoding: str | None = None) -> str:
    """What is in a file, as text.

    ``encoding`` None: UTF-8, or UTF-16 where a byte-order mark says so.
    """
    content = content_of(path)
    mark = mark_of(content)
    known = mark if encoding is None or (encoding, mark) == ("utf-8", "utf-8-sig") else encoding
    try:
        return content.decode(known or "utf-8")
    except LookupError:
        raise UserError(f"{path}: got encoding {encoding!r}, expected one that Python knows, such as cp1252") from None
    except UnicodeError as error:
        raise UserError(
            f"{path}: can't be read as {known or 'utf-8'}: {first_line(error)}; name its encoding (--encoding, or "
            "source.encoding of its definition)"
        ) from None


def json_of(place: str | Path, text: str) -> Any:
    """One JSON value; refuses one with a key twice, which a reader of JSON would drop, and numbers beyond Python's.

    What is no JSON raises ``json.JSONDecodeError``; ``place`` names the text in the other errors.
    """
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise UserError(f"{place}: got JSON that nests too deep, expected rows of texts and numbers") from None
    except ValueError as error:
        reason = first_line(error).partition(";")[0]
        raise UserError(f"{place}: got JSON that can't be read ({reason}), expected rows; mend or remove it") from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shortened(repr(twice))} twice in one row")
    return mapping
