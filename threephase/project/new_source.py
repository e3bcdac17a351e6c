"""``source`` and the columns of a user's own data, from what add_study's command line names and a look at the files."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from threephase.base.errors import UserError, shortened
from threephase.base.files import files_in
from threephase.data.file_look import CLASS_SHARE, look_at_files
from threephase.data.hub import download
from threephase.data.row_files import TABLES, files_of
from threephase.data.sources import HUB_FILES
from threephase.data.table_reader import LABEL, TEXT, read_parts
from threephase.study.schema import build
from threephase.study.source_params import LABEL_FROM, OTHER_SOURCES, SPLITS, DataSource

FILE = "FILE= (--file)"  # as make and the command call it
NO_CHARACTER = {"none": "", "tab": "\t", "\\t": "\t"}


def named_files(given: Sequence[str], option: str = FILE) -> str | dict[str, str]:
    """``source.files`` of what the command line names: one path, or one a split.

    A path out of this folder becomes a full one, so that a copy of the folder finds the file too.
    """
    pairs = [text.partition("=") for text in given]
    if all(separator and split in SPLITS for split, separator, _ in pairs):
        files = {split: _lasting(path) for split, _, path in pairs}
        if len(files) < len(pairs):
            raise UserError(f"{option}: got {', '.join(given)}, expected each split once")
        return files
    if len(given) > 1:
        splits = "=FILE, ".join(SPLITS)
        raise UserError(
            f"{option}: got {', '.join(given)}, expected one file or folder, or one file a split ({splits}=FILE)"
        )
    return _lasting(given[0])


def _lasting(path: str) -> str:
    return os.path.abspath(path) if os.path.relpath(path).startswith(os.pardir) else path


def source_of(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str], list[str]]:
    """The content of ``source``, and the names of the text and label columns."""
    texts, labels = arguments.text_column, arguments.label_column
    given = {"split_column": arguments.split_column, "encoding": arguments.encoding, "header": arguments.header}
    given |= {key: NO_CHARACTER.get(value := getattr(arguments, key), value) for key in ("separator", "quote")}
    given["splits"] = _splits(arguments.split)
    given = {key: value for key, value in given.items() if value is not None}
    if bool(arguments.file) == bool(arguments.hub):
        raise UserError(f"{FILE}: expected either it or --hub ID@REVISION")
    if arguments.hub:
        _need_columns(texts, labels)
        return _of_hub(arguments.hub, given), texts, labels
    files = named_files(arguments.file)
    if arguments.labels:
        given["label_files"] = named_files(arguments.labels, "--labels")
    elif not texts and not labels and (label_from := _label_from(files)):
        given["label_from"] = label_from
    elif not texts and not labels:
        texts, labels = _only_columns(files, given)
    if "label_files" in given or "label_from" in given:
        texts, labels = [TEXT], [LABEL]
    _need_columns(texts, labels)
    split = [arguments.split_column] if arguments.split_column else []
    build(DataSource, {"files": files} | given, Path("add_study"), "source")
    paths = [path for _, path in files_of(files, FILE, given.get("label_from"))]
    keys, names = look_at_files(paths, given, [*texts, *labels, *split], labels)
    source = {"files": files} | keys
    if not names and "label_from" not in source and any(column.isdigit() for column in (*texts, *labels)):
        names = _names(source)
    for column in (texts, labels, split):
        column[:] = [name if name in names or not name.isdigit() else _by_number(name, names) for name in column]
    return source | ({"split_column": split[0]} if split else {}), texts, labels


def how_read(source: Mapping[str, Any], texts: Sequence[str], labels: Sequence[str]) -> str:
    """In one line how the files are read, and which columns."""
    keys = [f"text {' and '.join(map(repr, texts))}", f"label {' and '.join(map(repr, labels))}"]
    told = ("encoding", "separator", "quote", "splits", "label_from")
    keys += [f"{key} {source[key]!r}" for key in told if key in source]
    if "header" in source:
        keys.append("the first row is the header" if source["header"] else "no header")
    return f"Read with {', '.join(keys)}."


def _need_columns(texts: Sequence[str], labels: Sequence[str]) -> None:
    for option, word, columns in (("--text-column", "TEXT", texts), ("--label-column", "LABEL", labels)):
        if not columns:
            raise UserError(f"{word}= ({option}): expected the column's name, or its number from 1")


def _splits(given: Sequence[str]) -> dict[str, str] | None:
    pairs = [text.partition("=") for text in given]
    for ours, _, theirs in pairs:
        if ours not in SPLITS or not theirs:
            raise UserError(f"--split: got {ours}={theirs}, expected one of {', '.join(SPLITS)}=NAME")
    return {ours: theirs for ours, _, theirs in pairs} or None


def _label_from(files: str | dict[str, str]) -> str | None:
    """Whether the classes of a folder of texts are its folders, or its files; None for tables."""
    path = Path(files if isinstance(files, str) else next(iter(files.values())))
    if not path.is_dir() or any(file.suffix.lower() in TABLES for file in files_in(path, "*")):
        return None
    return LABEL_FROM[0] if files_in(path, "*/*") else LABEL_FROM[1]


def _only_columns(files: str | dict[str, str], given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The text and the label column of a table that has no others; refuses one that leaves a doubt.

    Labels are few for the rows, texts are not, and the label's name is no label, as it is where there is no header.
    """
    paths = [path for _, path in files_of(files, FILE)]
    keys, _ = look_at_files(paths, given, [], [])
    source = build(DataSource, {"files": str(paths[0])} | keys, Path("add_study"), "source")
    _, _, rows = next(read_parts(paths[0], source))
    distinct = {name: set(map(str, rows[name])) for name in rows.columns if name != given.get("split_column")}
    labels = [name for name, values in distinct.items() if len(values) <= CLASS_SHARE * len(rows)]
    texts = [name for name in distinct if name not in labels]
    if len(texts) != 1 or len(labels) != 1 or ("header" not in given and labels[0] in distinct[labels[0]]):
        raise UserError(
            f"{paths[0]}: got columns {shortened(', '.join(distinct), 120)}, expected one of texts and one of labels; "
            "name them: TEXT=... LABEL=... of make, --text-column and --label-column"
        )
    return texts, labels


def _names(source: Mapping[str, Any]) -> list[str]:
    """The columns of files that state them: JSON, Parquet and Excel."""
    (_, path), *_ = files_of(source["files"], FILE)
    _, _, rows = next(read_parts(path, build(DataSource, dict(source), path, "source")))
    return [str(column) for column in rows.columns]


def _by_number(number: str, names: Sequence[str]) -> str:
    if not 1 <= int(number) <= len(names):
        raise UserError(f"--text-column: got number {number}, expected one up to {len(names)}, or a name")
    return names[int(number) - 1]


def _of_hub(given: str, keys: dict[str, Any]) -> dict[str, Any]:
    name, _, revision = given.partition("@")
    if not revision:
        raise UserError(f"--hub: got {given!r}, expected ID@REVISION, such as me/my_data@0123abc")
    if "splits" not in keys:
        raise UserError("--hub: expected the splits to read: --split train=NAME, and --split test=NAME if there is one")
    # The name of a branch moves on; its commit does not.
    commit = download(name, revision, "dataset", HUB_FILES, OTHER_SOURCES).name
    return {"hub": {"id": name, "revision": commit}} | keys
