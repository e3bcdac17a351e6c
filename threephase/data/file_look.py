"""A look at a user's files before they are read: how they are written, found by reading the whole of them.

What is found goes into ``source`` of the definition, so that every stage reads them in the same way, without a guess.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base.errors import UserError
from threephase.base.files import files_in
from threephase.data.raw_rows import refuse_missing
from threephase.data.row_files import DELIMITED, JSON, content_of, files_of, json_of, mark_of, suffix_of, text_of
from threephase.data.table_reader import EXCEL_MARK, read_parts, read_records
from threephase.study.source_params import SPLITS, DataSource

SEPARATORS = (",", ";", "\t", "|")
QUOTE = '"'
UNREAD = "\ufffd"  # what Python reads where it can't decode
WESTERN = "cp1252"
CLASS_SHARE = 0.2  # of the rows, that distinct labels are at most
FOREIGN_SHARE = 0.25  # of the letters, that a Western text has outside of ASCII at most
NUL_SHARE = 0.2  # of the bytes, that a text in UTF-8 or in an encoding of one byte has at most
MIXED_SHARE = 0.05  # of what is beyond ASCII, that happens to be UTF-8 in another encoding at most
SPLIT_NAMES = {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "testing": "test",
} | {split: split for split in SPLITS}


@dataclass(frozen=True)
class Reading:
    """One way to read a delimited file: what it takes for the header, and whether the columns fit."""

    separator: str
    quote: str
    header: bool
    names: list[str]
    found: bool
    classes: bool
    swallowed: int | None

    @property
    def fit(self) -> tuple[bool, bool]:
        return self.found, self.found and self.classes


def look_at_files(
    paths: list[Path], given: Mapping[str, Any], columns: Sequence[str], labels: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """The keys of ``source`` that say how files are read, and the columns' names of delimited ones.

    ``given``: the keys that the user has decided. ``columns``: all that are asked for, by name or by number from 1;
    ``labels``: those of them that hold classes. Refuses what can't be read, or reads in two ways equally well.
    """
    label_files = given.get("label_files") or []
    paths = [*paths, *map(Path, [label_files] if isinstance(label_files, str) else dict(label_files).values())]
    folders = [path for path in paths if path.is_dir()]
    single = [part for path in paths for part in (files_in(path) if path in folders else [path])]
    texts = [path for path in single if suffix_of(path) in (*DELIMITED, *JSON)]
    keys = dict(given)
    if texts and "encoding" not in keys:
        keys["encoding"] = _encoding(texts)
    keys |= _splits(paths, keys)
    delimited = [path for path in texts if suffix_of(path) in DELIMITED]
    if not delimited or folders or label_files:
        return keys, []
    readings = [_reading(path, keys, columns, labels) for path in delimited]
    first = readings[0]
    for path, reading in zip(delimited, readings, strict=True):
        for key in ("separator", "quote", "header"):
            ours, other = getattr(first, key), getattr(reading, key)
            if ours != other:
                raise UserError(
                    f"{path}: got {key} {other!r}, but {ours!r} in {delimited[0]}, expected one for all; "
                    f"bring them to one form, or choose: --{'no-header' if key == 'header' else key}"
                )
    return keys | {"separator": first.separator, "quote": first.quote, "header": first.header}, first.names


def read_table_in(file: Path, given: Mapping[str, Any], columns: Sequence[str]) -> tuple[DataSource, pd.DataFrame]:
    """How one table of any format is read, as a look at it says, and its rows as ``read_parts`` gives them.

    ``given`` and ``columns`` as in ``look_at_files``; the one column of a file is the one that is asked for by number,
    whatever the number. Refuses what can't be read, and a file of several tables.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    keys, _ = look_at_files([path for _, path in files_of(str(file), "FILE")], given, columns, [])
    source = DataSource(files=str(file), **keys)
    parts = [(split, rows) for split, _, rows in read_parts(file, source)]
    if len(parts) > 1:
        raise UserError(f"{file}: got rows of {', '.join(split for split, _ in parts)}, expected one list of rows")
    rows = parts[0][1]
    return source, rows.set_axis(columns, axis=1) if _is_alone(rows.columns, columns) else rows


def _is_alone(names: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether one column is asked for by number where a file has one."""
    return len(names) == len(columns) == 1 and columns[0].isdigit()


def _encoding(files: list[Path]) -> str:
    """The one encoding of all files: UTF-8, a byte-order mark's, or Windows-1252 for Western letters."""
    encodings = {_encoding_of(file) for file in files} - {"ascii"} or {"utf-8"}
    if len(encodings) > 1:
        raise UserError(
            f"FILE= (--file): got files in {' and '.join(sorted(encodings))}, expected one encoding; --encoding"
        )
    return encodings.pop()


def _encoding_of(file: Path) -> str:
    content = content_of(file)
    if mark := mark_of(content):
        return "utf-8" if mark == "utf-8-sig" else mark
    if content.count(0) > NUL_SHARE * len(content):
        raise UserError(
            f"{file}: got a NUL in every few bytes, as UTF-16 has them, expected a text in UTF-8; name its encoding, "
            f"such as --encoding utf-16-{'le' if content[0] else 'be'}, or save it anew"
        )
    try:
        content.decode("utf-8")
        return "ascii" if content.isascii() else "utf-8"
    except UnicodeDecodeError as error:
        place = f"{file}: line {content[: error.start].count(b'%c' % 10) + 1}"
    read = content.decode("utf-8", errors="replace")
    broken = read.count(UNREAD)
    sound = sum(sign > "\x7f" for sign in read) - broken
    if sound > broken:
        raise UserError(f"{place}: is not UTF-8, as the rest is; mend it, or name the encoding of all (--encoding)")
    letters = sum(byte > 127 or chr(byte).isalpha() for byte in content)
    foreign = sum(byte > 127 for byte in content)
    try:
        content.decode(WESTERN)
    except UnicodeDecodeError:
        foreign = letters
    if foreign > FOREIGN_SHARE * letters:
        from charset_normalizer import from_bytes

        best = from_bytes(content[:100_000]).best()
        guess = best.encoding if best else "cp1251"
        raise UserError(f"{place}: is not UTF-8, and no Western text; name its encoding, such as --encoding {guess}")
    if sound > MIXED_SHARE * broken:
        raise UserError(
            f"{place}: is not UTF-8, as other lines are; bring all to one encoding, or name that of all, such as "
            f"--encoding {WESTERN}"
        )
    return WESTERN


def _splits(paths: list[Path], keys: Mapping[str, Any]) -> dict[str, Any]:
    """The splits of a JSON file with a list of rows for each, where their names leave no doubt."""
    if "splits" in keys or len(paths) > 1 or paths[0].is_dir() or suffix_of(paths[0]) not in JSON:
        return {}
    try:
        content = json_of(paths[0], text_of(paths[0], keys["encoding"]))
    except json.JSONDecodeError:
        return {}
    tables = [key for key, value in content.items() if isinstance(value, list)] if isinstance(content, dict) else []
    splits = {SPLIT_NAMES.get(key.lower(), key): key for key in tables}
    if len(tables) < 2 or len(splits) < len(tables) or not set(splits) <= set(SPLITS):
        return {}
    return {"splits": splits}


def _reading(path: Path, keys: Mapping[str, Any], columns: Sequence[str], labels: Sequence[str]) -> Reading:
    """The one way to read a delimited file; refuses two that fit equally well, and none."""
    text = text_of(path, keys["encoding"])
    readings, reasons = [], []
    for separator in _separators(path, text, keys, labels):
        try:
            readings.append(_with(path, text, separator, keys, columns, labels))
        except UserError as error:
            reasons.append(error)
    if not readings:
        raise reasons[0]
    fit = max(reading.fit for reading in readings)
    best = [reading for reading in readings if reading.fit == fit]
    if len(best) > 1 and fit[0]:
        signs = " or ".join(repr(reading.separator) for reading in best)
        raise UserError(
            f"{path}: got two ways to read it that fit equally well (separated by {signs}), expected one; name the "
            "sign in a first line, such as sep=; (or by add_study --separator)"
        )
    reading = best[0]
    if not reading.found:
        without = "; of a file without header: --no-header --text-column 1 --label-column 2"
        separated = f" (separated by {reading.separator!r})"
        refuse_missing(path, reading.names, columns, without if labels else separated)
    if reading.swallowed and "quote" not in keys:
        raise UserError(
            f"{path}: line {reading.swallowed}: a quote opens here and takes in lines that look like rows, expected it "
            "to close in its field; mend it, or choose: --quote none (it is plain text) or --quote '\"' (it is right)"
        )
    return reading


def _separators(path: Path, text: str, keys: Mapping[str, Any], labels: Sequence[str]) -> list[str]:
    """What may separate the fields: what is given, what Excel wrote down, or what stands in the first line.

    A comma where no column of labels is asked for: a file of texts to label may have one column.
    """
    mark = EXCEL_MARK.match(text)
    head = (text[mark.end() :] if mark else text).lstrip("\r\n").partition("\n")[0]
    if not head.strip():
        raise UserError(f"{path}: got 0 rows, expected some")
    if "separator" in keys or mark:
        return [keys.get("separator") or mark[1]]
    separators = [sign for sign in SEPARATORS if sign in head]
    if not separators and not labels:
        return [","]
    if not separators:
        raise UserError(
            f"{path}: got one field ({head.strip()[:60]!r}), expected several with , ; | or a tab between; "
            "--separator names another"
        )
    return separators


def _with(
    path: Path, text: str, separator: str, keys: Mapping[str, Any], columns: Sequence[str], labels: Sequence[str]
) -> Reading:
    """What a file reads as with this separator.

    Where quotes don't enclose whole fields they are plain characters in a file with tabs; others are refused.
    """
    quote = keys.get("quote", QUOTE)
    try:
        lines, _, records = read_records(path, text, separator, quote)
    except UserError:
        if separator != "\t" or "quote" in keys:
            raise
        quote = ""
        lines, _, records = read_records(path, text, separator, quote)
    first = [name.strip() for name in records[0]]
    numbers = [str(number) for number in range(1, len(first) + 1)]
    header = keys.get("header")
    if header is None:
        header = _has_header(first, records[1:], columns, labels, numbers)
    names, body = first if header else numbers, records[header:]
    found = _is_alone(names, columns) or all(column in names or column in numbers for column in columns)
    places = [names.index(column) if column in names else int(column) - 1 for column in labels] if found else []
    classes = {tuple(record[place].strip() for place in places) for record in body}
    swallowed = _swallowed(text, separator, lines[header:], body, places) if quote and places else None
    return Reading(separator, quote, header, names, found, len(classes) <= CLASS_SHARE * len(body), swallowed)


def _has_header(
    first: list[str], body: list[list[str]], columns: Sequence[str], labels: Sequence[str], numbers: list[str]
) -> bool:
    """Whether the first row names the columns: where they are asked for by number, it has a label that no other has.

    A header that comes again is one.
    """
    if not set(columns) <= set(numbers) or set(columns) <= set(first):
        return True
    places = [int(label) - 1 for label in labels]
    rows = [[cell.strip() for cell in row] for row in body]
    others = {tuple(row[place] for place in places) for row in rows if row != first}
    return bool(places) and tuple(first[place] for place in places) not in others


def _swallowed(text: str, separator: str, lines: list[int], records: list[list[str]], places: list[int]) -> int | None:
    """The first line whose record goes on over lines that look like whole rows: as many fields, a known label."""
    known = [{record[place].strip() for record in records} for place in places]
    rows = text.split("\n")
    for begin, end in zip(lines, [*lines[1:], None], strict=False):
        if end and end - begin == 1:
            continue
        inside = [line.split(separator) for line in rows[begin - 1 : end and end - 1]]
        whole = [
            len(fields) == len(records[0])
            and all(fields[place].strip(f" \r{QUOTE}") in labels for place, labels in zip(places, known, strict=True))
            for fields in inside
        ]
        # The record's own beginning or end may look like one row.
        if sum(whole) > 1:
            return begin
    return None
