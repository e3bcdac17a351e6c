"""The audit of the paper as the page shows it: the items of ``audit.json``, checked before anything is rendered."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from threephase.audit.item import OUTCOMES, Item
from threephase.base.errors import UserError
from threephase.base.files import read_json
from threephase.study.schema import build, refuse_unknown

SWITCHES = "switches"  # the item with the effects of single switches; its rows begin with their names


def read_audit(file: Path) -> list[Item] | None:
    """The items in their order; None where there is no such file."""
    if not file.is_file():
        return None
    content = read_json(file)
    if not isinstance(content, list):
        raise UserError(f"{file}: got {type(content).__name__}, expected a list of items; make it again")
    return [_item(record, file, f"[{place}]") for place, record in enumerate(content)]


def _item(record: Any, file: Path, place: str) -> Item:
    """An item; one that would not pass its own checks is refused by the place in the file."""
    if isinstance(record, dict):
        if "outcome" in record:
            refuse_unknown(file, f"{place}.outcome", record["outcome"], OUTCOMES)
        columns, rows = (record.get(key) if isinstance(record.get(key), list) else [] for key in ("columns", "rows"))
        for number, row in enumerate(rows):
            if not isinstance(row, list) or len(row) != len(columns):
                got = len(row) if isinstance(row, list) else type(row).__name__
                raise UserError(
                    f"{file}: {place}.rows[{number}]: got {got}, expected one text for each of the {len(columns)} "
                    "columns; make it again"
                )
    return build(Item, record, file, place)


def counts(items: Sequence[Item]) -> list[tuple[str, int]]:
    """How many items have which outcome, in the order of ``OUTCOMES``."""
    found = [item.outcome for item in items]
    return [(outcome, found.count(outcome)) for outcome in OUTCOMES if outcome in found]


def effects(items: Sequence[Item]) -> dict[str, list[str]]:
    """By switch what was measured of it, a line a row of the item ``switches``; coupled ones share their lines."""
    found: dict[str, list[str]] = {}
    for item in items:
        for names, *values in item.rows if item.id == SWITCHES else []:
            line = ", ".join(
                f"{column}: {value}" for column, value in zip(item.columns[1:], values, strict=True) if value
            )
            for name in names.split(", "):
                found.setdefault(name, []).append(line)
    return found
