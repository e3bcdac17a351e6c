"""New texts in blocks, from a table or one a line, and what a kept classifier makes of them."""

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from threephase.base.errors import UserError, warn
from threephase.data.cells import ROW
from threephase.data.cleaning import one_text
from threephase.data.file_look import read_table_in
from threephase.data.sources import checked_rows
from threephase.phases.kept_classifier import Description, KeptClassifier
from threephase.scores.predictions import PROBABILITY
from threephase.study.source_params import Dataset

BLOCK = 16384  # texts that are sorted by length together
DIGITS = 6


def texts_of(file: Path, described: Description, encoding: str | None = None) -> Iterator[str]:
    """The text of each row of a table with the study's text columns, read, checked and joined as the study's are.

    An empty row has the text "", so that the others keep their numbers.
    """
    keys = ("separator", "quote", "header") if described.separator else ("header",) * (not described.header)
    given = {key: getattr(described, key) for key in keys} | ({"encoding": encoding} if encoding else {})
    source, table = read_table_in(file, given, described.text_columns)
    dataset = Dataset(described.study, "", source, described.text_columns, [], deduplicate=False, test_rows=None)
    rows = checked_rows(dataset, "files", str(file), [(None, str(file), table)]).set_index(ROW)
    rows = rows.reindex(range(1, rows.index[-1] + 1))
    cells = zip(*(rows[column] for column in described.text_columns), strict=True)
    return (one_text(row, described.strip_tags) for row in cells)


def stdin_texts(stream: TextIO, described: Description, encoding: str | None = None) -> Iterator[str]:
    """Each line of a stream as a text; UTF-8 if no ``encoding`` is named."""
    try:
        stream.reconfigure(encoding=encoding or "utf-8")
        for line in stream:
            yield one_text([line], described.strip_tags)
    except (LookupError, UnicodeDecodeError) as error:
        raise UserError(f"standard input: {error}; name its encoding: --encoding cp1252") from None


def write_predictions(kept: KeptClassifier, texts: Iterable[str], output: TextIO) -> None:
    """Write a line a text, block by block: its number from 1, its label and the probability of each class.

    A row without a text has no label; how many there are, and how many were cut, is said at the end.
    """
    labels = kept.described.labels
    write = csv.writer(output, lineterminator="\n").writerow
    write(["row", "label", *(PROBABILITY + label for label in labels)])
    numbered, empty = enumerate(texts, start=1), []
    while block := list(itertools.islice(numbered, BLOCK)):
        given = [text for _, text in block if text]
        found = iter(kept.probabilities(given) if given else ())
        for number, text in block:
            if text:
                values = next(found)
                write([number, labels[values.argmax()], *(f"{value:.{DIGITS}f}" for value in values)])
            else:
                empty.append(number)
                write([number, "", *[""] * len(labels)])
        output.flush()
    if empty:
        warn(f"rows without a text, which got no label: {len(empty)}, the first is row {empty[0]}")
    if kept.truncated:
        warn(
            f"{kept.truncated} distinct texts are longer than {kept.described.max_tokens} tokens; the rest was cut off"
        )
