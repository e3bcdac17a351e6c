"""A part of a document that a command writes, between two marks that say so."""

from pathlib import Path

from threephase.base.errors import UserError


def with_part(file: Path, text: str, name: str, command: str, part: str) -> str:
    """``text``, the content of ``file``, with ``part`` between its marks of that name; each must stand there once."""
    opens, closes = f"<!-- {name}: written by {command} -->", f"<!-- {name}: end -->"
    if text.count(opens) != 1 or text.count(closes) != 1:
        raise UserError(f"{file}: got no place for what is written there, expected one line {opens} and one {closes}")
    before, _, rest = text.partition(opens)
    return f"{before}{opens}\n\n{part}\n{closes}{rest.partition(closes)[2]}"
