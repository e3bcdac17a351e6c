"""Outputs appear whole or not at all: written under a temporary name in the same folder, then renamed."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threephase.base.errors import UserError, first_line, shortened
from threephase.base.faults import described, system_error
from threephase.base.handed_over import verify

if TYPE_CHECKING:
    import pandas as pd

# What a spreadsheet would run; numbers with their signs are none, and apostrophes before it stand for themselves.
NUMBERS = r"[+-]?[\d.]+(?:e[+-]?\d+)?(?:, [+-]?[\d.]+)*$"
FORMULA = re.compile(rf"'*(?:[=@\t\r]|(?=[+-])(?!{NUMBERS}))")


def _temporary_name(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Give an error of the system that names no file the path of the output that it spoils."""
    try:
        yield
    except Exception as error:
        fault = system_error(error)
        if fault is None:
            raise
        if fault.filename is None and fault.errno is not None:
            fault.filename = str(path)
        raise fault from None


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; it becomes ``path`` at the end, and vanishes on any error."""
    temporary = _temporary_name(path)
    try:
        with _naming(path):
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it replaces the folder ``path`` at the end, and vanishes on any error."""
    temporary = _temporary_name(path)
    replaced = temporary.with_suffix(".old.tmp")
    for leftover in (temporary, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    if path.is_file():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    temporary.mkdir()
    try:
        with _naming(path):
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush(file)
            if path.exists():
                # Out of the way in one step: a kill while it is removed must not leave half under the final name.
                os.replace(path, replaced)
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def _flush(path: Path) -> None:
    """Force the content to disk before the rename, so that a power cut can't leave an empty final file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """Write a data frame as CSV or Parquet, by the suffix of ``path``.

    In CSV a text that a spreadsheet would run begins with an apostrophe, which ``read_csv`` takes away.
    """
    with new_file(path) as temporary:
        if path.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            harmless = _with_texts(frame, lambda text: f"'{text}" if FORMULA.match(text) else text)
            harmless.to_csv(temporary, index=False, lineterminator="\n")


def read_csv(path: Path, **options: Any) -> "pd.DataFrame":
    """Read a table that ``write_table`` wrote, as pandas does with its ``options``."""
    import pandas as pd

    with reading(path):
        frame = pd.read_csv(path, **options)
    return _with_texts(frame, lambda text: text[1:] if text.startswith("'") and FORMULA.match(text) else text)


def _with_texts(frame: "pd.DataFrame", change: Callable[[str], str]) -> "pd.DataFrame":
    """A data frame with each of its texts changed."""
    from pandas.api.types import is_numeric_dtype

    changed = {}
    for name in frame.columns:
        if not is_numeric_dtype(frame[name]):
            column = frame[name].map(lambda cell: change(cell) if isinstance(cell, str) else cell)
            if not column.equals(frame[name]):
                changed[name] = column
    return frame.assign(**changed)


def read_table(path: Path) -> "pd.DataFrame":
    """Read a data frame that an earlier stage wrote, as ``reading`` has it."""
    import pandas as pd

    if path.suffix != ".parquet":
        return read_csv(path)
    with reading(path):
        return pd.read_parquet(path)


def read_json(path: Path) -> Any:
    """Read JSON that an earlier stage wrote, as ``reading`` has it."""
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around what reads a file that an earlier stage wrote: UserError where it is missing, damaged or no such table."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; run the stage that makes it first (dvc repro in the study's folder)")
    verify(path)
    try:
        yield
    except Exception as error:  # about damaged bytes libraries raise whatever comes
        if isinstance(error, UserError) or described(error):
            raise
        said = shortened(first_line(error), 100)
        raise UserError(f"{path}: can't be read: {said}; remove it, then dvc repro in the study's folder") from None


def with_part(file: Path, text: str, name: str, command: str, part: str) -> str:
    """``text``, the content of ``file``, with the ``part`` that a command writes between two marks, each there once."""
    opens, closes = f"<!-- {name}: written by {command} -->", f"<!-- {name}: end -->"
    if text.count(opens) != 1 or text.count(closes) != 1:
        raise UserError(f"{file}: got no place for what is written there, expected one line {opens} and one {closes}")
    before, _, rest = text.partition(opens)
    return f"{before}{opens}\n\n{part}\n{closes}{rest.partition(closes)[2]}"


def files_in(folder: Path, pattern: str = "**/*") -> list[Path]:
    """A folder's files in order, at any depth; hidden ones, such as a Mac adds, are passed over."""
    found = sorted(file for file in folder.glob(pattern) if file.is_file())
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def sha256_of(path: Path) -> str:
    """Checksum of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
