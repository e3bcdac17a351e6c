"""Where the paper's text, the authors' code and this project differ, beside what each difference was measured to do."""

import re
from collections.abc import Sequence
from typing import Any

from threephase.audit.item import Item
from threephase.audit.one_switch import is_switch_study, switched
from threephase.paper.deviations import SWITCHES, read_deviations, within
from threephase.paper.numbers import DESCRIBED, PROTOCOLS
from threephase.report.drawing import Scale, scale_of
from threephase.results.tables import format_setting
from threephase.study.params import Shared, Study

PROTOCOL_TEXTS = dict(zip(PROTOCOLS, ("by the paper’s text", "by the authors’ code"), strict=True))
PROTOCOL_TEXTS["few_labels"] = "by the paper’s text with every label counted"
TOLD = ("Study", "Variant", "Difference", "Effect")  # the columns of that item that a page shows
INTERVAL = re.compile(r"([+-]\d+\.\d) \[(-?\d+\.\d), (-?\d+\.\d)\]$")


def deviation_rows(shared: Shared, audit: Sequence[Item] = ()) -> tuple[list[dict[str, Any]], Scale]:
    """The rows of the table: the texts, each switch with its values, and what the ``audit`` measured of it.

    Behind them the scale on which all measured effects can be drawn.
    """
    effects = _effects(audit)
    scale = scale_of([0.0, *(value for lines in effects.values() for line in lines for value in line["interval"])], 4)
    for line in (line for lines in effects.values() for line in lines):
        places = [*map(scale.x, line["interval"])]
        line["drawing"] = {"middle": places[0], "span": places[1:], "seeds": [], "kind": ""} if places else None
    protocols = [shared.protocols[name] for name in shown_protocols(shared)]
    rows = [
        {
            "text": deviation,
            "switches": [
                {"name": switch, "values": [format_setting(getattr(protocol, switch)) for protocol in protocols]}
                for switch in deviation.switches
            ],
            # Two switches that go together share their lines.
            "effects": [
                line
                for number, switch in enumerate(deviation.switches)
                for line in effects.get(switch, [])
                if not any(line in effects.get(earlier, []) for earlier in deviation.switches[:number])
            ],
        }
        for deviation in read_deviations()
    ]
    return rows, scale


def _effects(audit: Sequence[Item]) -> dict[str, list[dict[str, Any]]]:
    """By switch what was measured of it, a line a row of the item ``switches``; coupled ones share their lines.

    ``interval``: difference, low and high, as far as the row states them.
    """
    effects: dict[str, list[dict[str, Any]]] = {}
    for item in audit:
        for names, *values in item.rows if item.id == SWITCHES else []:
            row = dict(zip(item.columns[1:], values, strict=True))
            said = [row[column] for column in TOLD if row.get(column)]
            stated = INTERVAL.match(row.get("Difference", ""))
            line = {"text": ", ".join(said), "interval": [float(value) for value in stated.groups()] if stated else []}
            for name in names.split(", "):
                effects.setdefault(name, []).append(line)
    return effects


def protocol_text(protocol: str) -> str:
    """Whose rules a protocol is, within a sentence."""
    return PROTOCOL_TEXTS.get(protocol, f"by protocol “{protocol}”")


def how_run(study: Study) -> str:
    """What tells a study from another one of its data set and encoder: rules, training rows, seeds or folds."""
    params = study.params
    rules = protocol_text(params.protocol)
    if is_switch_study(study):
        changed = switched(study)
        keys = ", ".join(f"{name}: {format_setting(here)}" for name, (_, here) in changed.items())
        rules = f"{protocol_text(DESCRIBED)}, except for {within(changed)} ({keys})"
    rows = f", {params.train_rows:,} training rows" if params.train_rows else ""
    rows += f", {params.shots} labelled rows a class" if params.shots else ""
    unit = "seed" if study.dataset.folds is None else "fold"
    return f"{rules}{rows}, {len(params.seeds)} {unit}{'s' * (len(params.seeds) != 1)}"


def shown_protocols(shared: Shared) -> list[str]:
    """The paper's text and the authors' code, as far as the parameters have them; others are copies with a change."""
    return [name for name in PROTOCOLS if name in shared.protocols]
