"""Where the paper's text, the authors' code and this project differ, as ``paper/deviations.yaml`` tells it."""

from collections.abc import Collection
from dataclasses import dataclass

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.params import Protocol
from threephase.study.schema import build, checked, not_empty, read_yaml, refuse_unknown

SWITCHES = "switches"  # the key of a deviation, and the item of the audit whose rows begin with switches


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
    deviations = build(Deviations, read_yaml(file), file).deviations
    named = [switch for deviation in deviations for switch in deviation.switches]
    known = Protocol.__dataclass_fields__
    for switch in named:
        refuse_unknown(file, SWITCHES, switch, known)
    for switch in known:
        if named.count(switch) != 1:
            raise UserError(f"{file}: {SWITCHES}: got {switch!r} {named.count(switch)} times, expected it once")
    return deviations


def within(switches: Collection[str]) -> str:
    """The questions that these switches answer, for a place within a sentence."""
    questions = [each.question for each in read_deviations() if not set(switches).isdisjoint(each.switches)]
    return " and ".join(question[0].lower() + question[1:] for question in questions)
