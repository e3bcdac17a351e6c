"""New texts in blocks, from a table or one a line, and what a kept classifier makes of them."""

import csv
import itertools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from threephase.base.errors import UserError, warn
from threephase.data.cleaning import one_text
from threephase.data.file_look import read_table_in
from threephase.data.raw_rows import ROW, cell_text
from threephase.data.sources import checked_rows
from threephase.data.table_reader import TEXT
from threephase.phases.kept_classifier import Description, KeptClassifier
from threephase.scores.predictions import PROBABILITY
from threephase.study.source_params import Dataset

BLOCK = 16384  # texts that are sorted by length together
DIGITS = 6
NUMBER, LABEL, GIVEN = "row", "label", "input_"  # our columns, and what tells the input's columns apart from them


class NewTexts(NamedTuple):
    """The names of an input's columns, and of each row the cells under them and its text, "" where it has none."""

    columns: list[str]
    rows: Iterator[tuple[list[str], str]]


def texts_of(file: Path, described: Description, encoding: str | None = None) -> NewTexts:
    """The rows of a table with the study's text columns, read, checked and joined as the study's are.

    Where the study names its one text column by number, a file of one column has the texts in it. An empty row is one
    of empty cells, so that the others keep their numbers.
    """
    keys = ("separator", "quote", "header") if described.separator else ("header",) * (not described.header)
    given = {key: getattr(described, key) for key in keys} | ({"encoding": encoding} if encoding else {})
    source, table = read_table_in(file, given, described.text_columns)
    dataset = Dataset(described.study, "", source, described.text_columns, [], deduplicate=False, test_rows=None)
    checked = checked_rows(dataset, "files", str(file), [(None, str(file), table)]).set_index(ROW)
    table = table.reindex(range(table.index[-1] + 1))
    texts = zip(*(checked[column].reindex(table.index + 1) for column in described.text_columns), strict=True)
    rows = zip(table.itertuples(index=False, name=None), texts, strict=True)
    columns = [str(column) for column in table.columns]
    return NewTexts(columns, ((list(map(_written, row)), one_text(cells, described.strip_tags)) for row, cells in rows))


def stdin_texts(stream: TextIO, described: Description, encoding: str | None = None) -> NewTexts:
    """Each line of a stream as a text; UTF-8 if no ``encoding`` is named."""

    def rows() -> Iterator[tuple[list[str], str]]:
        try:
            stream.reconfigure(encoding=encoding or "utf-8")
            for line in stream:
                yield [line.rstrip("\n")], one_text([line], described.strip_tags)
        except (LookupError, UnicodeDecodeError) as error:
            raise UserError(f"standard input: {error}; name its encoding: --encoding cp1252") from None

    return NewTexts([TEXT], rows())


def _written(cell: Any) -> str:
    """A cell of the input as it stands beside its label."""
    return cell_text(cell.tolist() if isinstance(cell, np.ndarray) else cell) or ""


def write_predictions(kept: KeptClassifier, texts: NewTexts, output: TextIO) -> int:
    """Write a line a row, block by block: its number from 1, its cells, its label and the probability of each class.

    Returns how many rows that are.
    A column of the input that has the name of one of ours becomes ``input_<name>``. A row without a text has no label;
    how many there are, and how many were cut, is said at the end.
    """
    labels = kept.described.labels
    ours = [LABEL, *(PROBABILITY + label for label in labels)]
    write = csv.writer(output, lineterminator="\n").writerow
    write([NUMBER, *(_told_apart(column, [NUMBER, *ours], texts.columns) for column in texts.columns), *ours])
    numbered, empty, number = enumerate(texts.rows, start=1), [], 0
    while block := list(itertools.islice(numbered, BLOCK)):
        given = [text for _, (_, text) in block if text]
        found = iter(kept.probabilities(given) if given else ())
        for number, (cells, text) in block:
            if text:
                values = next(found)
                write([number, *cells, labels[values.argmax()], *(f"{value:.{DIGITS}f}" for value in values)])
            else:
                empty.append(number)
                write([number, *cells, *[""] * len(ours)])
        output.flush()
    if empty:
        warn(f"rows without a text, which got no label: {len(empty)}, the first is row {empty[0]}")
    if kept.truncated:
        warn(
            f"{kept.truncated} distinct texts are longer than {kept.described.max_tokens} tokens; the rest was cut off"
        )
    return number


def _told_apart(column: str, ours: Collection[str], columns: Collection[str]) -> str:
    """The name that a column of the input has beside ours."""
    name = column
    while name in ours or (name != column and name in columns):
        name = GIVEN + name
    return name
