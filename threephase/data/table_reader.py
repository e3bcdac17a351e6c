"""The rows of a user's file as they are: delimited text, JSON, Parquet, Excel, or texts whose names are their labels.

What ``source`` leaves open is not guessed here: ``python -m commands.add_study`` looks at a file and writes it down.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq

from threephase.base.errors import UserError, first_line
from threephase.base.files import files_in
from threephase.data.row_files import DELIMITED, JSON, content_of, json_of, suffix_of, text_of
from threephase.study.source_params import SPLITS, DataSource

Rows = tuple[str | None, str | list[str], pd.DataFrame]
"""A split (None: the rows name their own, or have none), where all or each row was read, and its rows as they are.

A table's index is the place of each row in its file, from 0, where empty rows count that are passed over.
"""

EXCEL_MARK = re.compile('"?sep=(.)"?\r?\n')
LINE = re.compile("[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+")
TEXT, LABEL = "text", "label"  # the columns of what has no names of its own


def read_parts(
    path: Path, source: DataSource, label_file: Path | None = None, declared: Collection[str] = ()
) -> Iterator[Rows]:
    """What one entry of ``source.files`` holds: a table, or one a split; columns without names are called 1, 2 ...

    ``declared``: labels, as ``with_class_names`` takes them. Refuses, in one line, what can't be read as ``source``
    says, and what has no rows.
    """
    if source.label_from is not None:
        parts = _named_texts(path, source)
    elif label_file is not None:
        parts = iter([(None, str(path), _parallel(path, label_file, source))])
    else:
        parts = ((split, str(path), rows) for split, rows in _table(path, source, declared))
    for split, place, rows in parts:
        if rows.empty:
            raise UserError(f"{path}: got 0 rows, expected some")
        yield split, place if split is None else f"{place}, split {split}", rows


def _table(path: Path, source: DataSource, declared: Collection[str]) -> Iterator[tuple[str | None, pd.DataFrame]]:
    suffix = suffix_of(path)
    if suffix in DELIMITED:
        separator = source.separator or ("\t" if suffix == ".tsv" else ",")
        read = read_records(path, text_of(path, source.encoding), separator, source.quote)
        yield None, with_names(path, read.places, read.records, source.header)
    elif suffix in JSON:
        yield from _json_tables(path, _json(path, text_of(path, source.encoding)), source)
    else:
        try:
            if suffix == ".parquet":
                table = pq.read_table(io.BytesIO(content_of(path)))
                table.validate(full=True)  # pandas would find letters that are no UTF-8 later, cell by cell
                # Integers beside empty cells stay whole: as floats large ids would be others.
                rows = table.to_pandas(integer_object_nulls=True).reset_index(drop=True)
                yield None, with_class_names(rows, table.schema.metadata, declared)
            else:
                yield None, with_names(path, *_sheet(path), source.header)
        except UserError:
            raise
        except Exception as error:  # of a damaged file, which fails anywhere in these libraries
            raise UserError(f"{path}: can't be read as {suffix[1:]}: {first_line(error)[:150]}") from None


def with_class_names(
    rows: pd.DataFrame, metadata: Mapping[bytes, bytes] | None, declared: Collection[str]
) -> pd.DataFrame:
    """The rows with the names of classes for the numbers that ``datasets`` keeps of them (its ``ClassLabel``).

    ``metadata``: of the Arrow schema, where the names stand, also of columns that were taken out since. Numbers that
    are ``declared`` as labels stay.
    """
    features = json.loads((metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features") or {}
    for column, feature in features.items():
        if column in rows and isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            names = dict(enumerate(feature["names"]))
            if not set(map(str, names)) <= set(declared):
                rows[column] = [names.get(cell, cell) for cell in rows[column]]
    return rows


class Records(NamedTuple):
    """Records that are not empty: the line on which each begins, its place, both counted from 1, and its fields."""

    lines: list[int]
    places: list[int]
    records: list[list[str]]


def read_records(path: Path, text: str, separator: str, quote: str) -> Records:
    """The records of a delimited text; all have as many fields as the first.

    A quote that opens a field must close it: one that does not would swallow rows. Empty lines, and the line by which
    Excel is told the separator, are passed over.
    """
    csv.field_size_limit(sys.maxsize)
    mark = EXCEL_MARK.match(text)
    before, file = int(bool(mark)), (line[0] for line in LINE.finditer(text, mark.end() if mark else 0))
    quoting = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True, **quoting)
    lines, places, records, end = [], [], [], 0
    try:
        for place, record in enumerate(reader, start=1):
            if any(record):
                lines.append(before + end + 1)
                places.append(place)
                records.append(record)
            end = reader.line_num
    except csv.Error as error:
        raise UserError(
            f"{path}: line {before + end + 1}: a quote ({quote}) opens a field that it doesn't close ({error}); write "
            "it twice within quotes, or read it as a plain character (add_study --quote none)"
        ) from None
    width = len(records[0]) if records else 0
    for number, record in enumerate(records):
        if len(record) > width and not any(record[width:]):
            del record[width:]
        if len(record) != width:
            raise UserError(
                f"{path}: line {lines[number]}: got {len(record)} fields, expected {width} as in the first row, "
                f"separated by {separator!r}; put fields that hold it in quotes"
            )
    return Records(lines, places, records)


def with_names(path: Path, places: list[int], records: list[list[Any]], header: bool) -> pd.DataFrame:
    """Records as a table: the first one's names, or the columns' numbers, and the rows' places for index.

    Refuses a header that comes again, as where tables were put one below the other.
    """
    if not header or not records:
        index = [place - 1 for place in places]
        return pd.DataFrame(records, index=index, columns=_numbers(len(records[0]) if records else 0), dtype=object)
    names = [str(name).strip() for name in records[0]]
    index = [place - places[0] - 1 for place in places[1:]]
    again = records.index(records[0], 1) if len(names) > 1 and records[0] in records[1:] else None
    if again is not None:
        raise UserError(f"{path}: row {index[again - 1] + 1}: got the header again, expected a row; remove it")
    return pd.DataFrame(records[1:], index=index, columns=names, dtype=object)


def _numbers(width: int) -> list[str]:
    return [str(number) for number in range(1, width + 1)]


def _sheet(path: Path) -> tuple[list[int], list[list[Any]]]:
    """The place, counted from 1, and the cells of each row of a workbook's one sheet."""
    sheets = pd.read_excel(
        io.BytesIO(content_of(path)), sheet_name=None, header=None, dtype=object, na_filter=False, engine="openpyxl"
    )
    filled = {name: sheet for name, sheet in sheets.items() if not sheet.empty}
    if len(filled) > 1:
        raise UserError(
            f"{path}: got sheets {', '.join(filled)[:120]}, expected one; save the one with the rows as CSV"
        )
    rows = [row for sheet in filled.values() for row in sheet.to_numpy().tolist()]
    kept = [(number, row) for number, row in enumerate(rows, start=1) if any(str(cell).strip() for cell in row)]
    return [number for number, _ in kept], [row for _, row in kept]


def _json(path: Path, text: str) -> Any:
    """One JSON value, or one a line, None for an empty line."""
    try:
        return json_of(path, text)
    except json.JSONDecodeError as error:
        whole = error
    values = []
    for number, line in enumerate(lines_of(text), start=1):
        try:
            values.append(json_of(f"{path}: line {number}", line) if line.strip() else None)
        except json.JSONDecodeError as error:
            # What no line but the first parses as is one value with an error in it.
            place, reason = (number, error) if any(values) else (whole.lineno, whole)
            raise UserError(f"{path}: line {place}: is no JSON ({reason.msg})") from None
    return values


def _json_tables(path: Path, content: Any, source: DataSource) -> Iterator[tuple[str | None, pd.DataFrame]]:
    """The rows of a list, of a mapping with one list of rows in it, or of one with a list a split."""
    if isinstance(content, list):
        yield None, _json_rows(path, content)
        return
    if not isinstance(content, dict):
        raise UserError(f"{path}: got {type(content).__name__}, expected rows: a list of mappings, or one a line")
    tables = {key: value for key, value in content.items() if _is_rows(value)}
    inner = [value for value in content.values() if isinstance(value, dict)]
    ours = source.splits if source.splits and source.split_column is None else {split: split for split in SPLITS}
    by_split = {split: tables[key] for split, key in ours.items() if key in tables}
    if by_split and (source.splits or len(by_split) == len(tables)):
        for split, rows in by_split.items():
            yield split, _json_rows(path, rows)
    elif len(tables) > 1:
        raise UserError(
            f"{path}: got rows under {', '.join(tables)[:120]}, expected one list of rows, or one a split; leave one, "
            "or name the splits (add_study --split train=KEY --split test=KEY)"
        )
    elif tables:
        yield None, _json_rows(path, *tables.values())
    elif len(inner) == 1:
        yield from _json_tables(path, inner[0], source)
    elif content and all(isinstance(value, list | dict) for value in content.values()):
        yield None, _json_columns(path, content)
    else:
        yield None, _json_rows(path, [content] if content else [])


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict | list) for row in value)


def _json_rows(path: Path, rows: list[Any]) -> pd.DataFrame:
    given = {place: row for place, row in enumerate(rows) if row is not None}
    named = all(isinstance(row, dict) for row in given.values())
    if not named and not all(isinstance(row, list) for row in given.values()):
        bad = next(place for place, row in given.items() if not isinstance(row, dict))
        raise UserError(f"{path}: row {bad + 1}: got no mapping, expected one of the columns, as in {{'text': ...}}")
    frame = pd.DataFrame(list(given.values()), index=list(given), dtype=object)
    return frame if named else frame.set_axis(_numbers(frame.shape[1]), axis=1)


def _json_columns(path: Path, content: dict[str, Any]) -> pd.DataFrame:
    """A list or mapping a column, as pandas writes it by default."""
    try:
        return pd.DataFrame(content, dtype=object).reset_index(drop=True)
    except ValueError as error:
        raise UserError(f"{path}: got columns that don't fit each other ({first_line(error)[:120]})") from None


def lines_of(text: str) -> list[str]:
    """The lines of a text, by line feeds alone: other marks stand within texts."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _parallel(path: Path, label_file: Path, source: DataSource) -> pd.DataFrame:
    """A text a line of one file, its label on the same line of the other."""
    texts, labels = (lines_of(text_of(file, source.encoding)) for file in (path, label_file))
    if len(texts) != len(labels):
        raise UserError(f"{label_file}: got {len(labels)} lines, expected {len(texts)} as in {path}, a label each")
    return pd.DataFrame({TEXT: texts, LABEL: labels})


def _named_texts(folder: Path, source: DataSource) -> Iterator[Rows]:
    """One row a text file ``<label>/<name>``, or one a line of the files ``<label>.txt``."""
    in_folders = source.label_from == "folder"
    rows = []
    for file in files_in(folder, "*/*" if in_folders else "*"):
        text = text_of(file, source.encoding)
        texts, label = ([text], file.parent.name) if in_folders else (lines_of(text), file.stem)
        rows += [(place, str(file), each, label) for place, each in enumerate(texts)]
    table = pd.DataFrame(rows, columns=["place", "file", TEXT, LABEL]).set_index("place")
    yield None, table.pop("file").tolist(), table
