"""The audit of the paper as the page shows it: the items of ``audit.json``, checked before anything is rendered."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.common.files import read_json
from stages.common.schema import build, checked, one_of

OUTCOMES = ("finding", "passes", "undecided", "not run")


@dataclass(frozen=True)
class Item:
    """One check: what is asked, how, what was found on which data, and what would prove it wrong."""

    id: str
    title: str
    question: str
    method: str
    finding: str
    outcome: str = checked(one_of(*OUTCOMES))
    columns: list[str]
    rows: list[list[str]]
    code: str
    falsify: str
    data: str


def read_audit(file: Path) -> list[Item] | None:
    """The items in their order; None where there is no such file."""
    if not file.is_file():
        return None
    content = read_json(file)
    if not isinstance(content, list):
        raise UserError(f"{file}: got {type(content).__name__}, expected a list of items; make it again")
    return [_item(record, file, place) for place, record in enumerate(content)]


def _item(record: Any, file: Path, place: int) -> Item:
    """An item whose table holds texts alone."""
    if isinstance(record, dict) and isinstance(record.get("rows"), list):
        record = record | {"rows": [_texts(row, record.get("columns")) for row in record["rows"]]}
    item = build(Item, record, file, f"[{place}]")
    for number, row in enumerate(item.rows):
        if len(row) != len(item.columns):
            raise UserError(
                f"{file}: [{place}].rows[{number}]: got {len(row)} values, expected one for each of the "
                f"{len(item.columns)} columns; make it again"
            )
    return item


def _texts(row: Any, columns: Any) -> Any:
    """A row of the table as texts in the order of the columns, whether it was written by name or by place."""
    if isinstance(row, dict) and isinstance(columns, list):
        row = [row.get(column) for column in columns]
    return [_text(value) for value in row] if isinstance(row, list) else row


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def counts(items: list[Item]) -> list[tuple[str, int]]:
    """How many items have which outcome, in the order of ``OUTCOMES``."""
    found = [item.outcome for item in items]
    return [(outcome, found.count(outcome)) for outcome in OUTCOMES if outcome in found]
