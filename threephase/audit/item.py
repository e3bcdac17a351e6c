"""An item of the audit: a question, how it was answered, what came out, and what would prove that wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base.errors import UserError
from threephase.base.files import read_json, write_json, write_text
from threephase.results.tables import escape_markdown, to_markdown
from threephase.scores.statistics import NOT_RUN, UNDECIDED
from threephase.study.schema import build, refuse_unknown

FINDING, PASSES = "finding", "passes"
OUTCOMES = (FINDING, PASSES, UNDECIDED, NOT_RUN)
INTRODUCTION = (
    "What the paper's printed numbers, its data sets and our own runs say about each other. Every sentence below "
    "that begins with Found is computed; a finding says that printed numbers do not fit together, not why."
)


@dataclass(frozen=True)
class Item:
    """One check. All texts are plain; ``rows`` hold one text a column of ``columns``.

    ``outcome`` is one of ``OUTCOMES``, ``code`` the file of the check, ``falsify`` what would prove the finding wrong,
    ``data`` what it was computed on.
    """

    id: str
    title: str
    question: str
    method: str
    finding: str
    outcome: str
    columns: list[str]
    rows: list[list[str]]
    code: str
    falsify: str
    data: str

    def __post_init__(self) -> None:
        assert self.outcome in OUTCOMES and all(len(row) == len(self.columns) for row in self.rows), self.id


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, list]:
    """The columns and rows of an item from records; what a record lacks is an empty text."""
    return {"columns": list(columns), "rows": [[str(row.get(column, "")) for column in columns] for row in rows]}


def code_of(module: str) -> str:
    """The file of a module by its name."""
    return module.replace(".", "/") + ".py"


def points(difference: float) -> str:
    """A difference of printed numbers in percentage points, with its sign."""
    return f"{difference:+z.2f}"


def to_text(items: Sequence[Item]) -> str:
    """The items as Markdown: an overview, then each with its table."""
    overview = pd.DataFrame([{"Item": item.title, "Outcome": item.outcome, "Found": item.finding} for item in items])
    parts = ["# Audit\n", INTRODUCTION + "\n", to_markdown(overview)]
    for item in items:
        parts += [f"## {escape_markdown(item.title)}\n", f"{escape_markdown(item.question)}\n"]
        parts += [f"Found ({item.outcome}): {escape_markdown(item.finding)}\n"]
        parts += [to_markdown(pd.DataFrame(item.rows, columns=item.columns))] if item.rows else []
        said = {"How": item.method, "On": item.data, "What would prove it wrong": item.falsify, "Code": item.code}
        parts += [f"{name}: {escape_markdown(text)}\n" for name, text in said.items()]
    return "\n".join(parts)


def write(file: Path, items: Sequence[Item]) -> None:
    """Write the items as JSON to ``file`` and as Markdown beside it."""
    write_json(file, [asdict(item) for item in items])
    write_text(file.with_suffix(".md"), to_text(items))


def read(file: Path) -> list[Item] | None:
    """The items that ``write`` wrote, in their order; None where there is no such file."""
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
            got = len(row) if isinstance(row, list) else type(row).__name__
            if got != len(columns):
                expected = f"expected one text for each of the {len(columns)} columns; make it again"
                raise UserError(f"{file}: {place}.rows[{number}]: got {got}, {expected}")
    return build(Item, record, file, place)
