"""Where the paper's text, the authors' code and this project differ, beside what each difference was measured to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.common import paths
from stages.common.errors import UserError
from stages.common.pages.audit import Item
from stages.common.paper import PROTOCOLS
from stages.common.schema import build, checked, not_empty, read_yaml, refuse_unknown
from stages.common.settings import Protocol, Shared

NOT_MEASURED = "not measured"
SWITCHES = "switches"  # the audit's item with the effect of single switches; its rows begin with a switch's name


@dataclass(frozen=True)
class Deviation:
    """One question; ``switches`` are the keys of a protocol that hold the answer, where any do."""

    question: str = checked(not_empty)
    paper: str = checked(not_empty)
    code: str = checked(not_empty)
    ours: str = checked(not_empty)
    switches: list[str]


@dataclass(frozen=True)
class Deviations:
    """``paper/deviations.yaml``."""

    deviations: list[Deviation] = checked(not_empty)


def read_deviations() -> list[Deviation]:
    """The texts, in their order; every switch that they name is one, and every switch is named once."""
    file = paths.DEVIATIONS
    found = build(Deviations, read_yaml(file), file).deviations
    named = [switch for deviation in found for switch in deviation.switches]
    known = Protocol.__dataclass_fields__
    for switch in named:
        refuse_unknown(file, SWITCHES, switch, known)
    for switch in known:
        if named.count(switch) != 1:
            raise UserError(f"{file}: {SWITCHES}: got {switch!r} {named.count(switch)} times, expected it once")
    return found


def deviation_rows(shared: Shared, audit: Sequence[Item] | None) -> list[dict[str, Any]]:
    """The rows of the table: the texts, each switch with its values, and its measured effect."""
    effects = _effects(audit)
    return [
        {
            "text": deviation,
            "switches": [
                {"name": switch, "values": [_value(shared.protocols[name], switch) for name in shown_protocols(shared)]}
                for switch in deviation.switches
            ],
            "effect": [line for switch in deviation.switches for line in effects.get(switch, [])],
        }
        for deviation in read_deviations()
    ]


def shown_protocols(shared: Shared) -> list[str]:
    """The paper's text and the authors' code, as far as the parameters have them; others are copies with a change."""
    return [name for name in PROTOCOLS if name in shared.protocols]


def _effects(audit: Sequence[Item] | None) -> dict[str, list[str]]:
    """By switch a line for every row of the audit's table that begins with its name."""
    found: dict[str, list[str]] = {}
    for item in audit or ():
        if item.id == SWITCHES:
            for name, *values in item.rows:
                said = [f"{column}: {value}" for column, value in zip(item.columns[1:], values, strict=True) if value]
                found.setdefault(name, []).append(", ".join(said))
    return found


def _value(protocol: Protocol, switch: str) -> str:
    value = getattr(protocol, switch)
    if value is None:
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
