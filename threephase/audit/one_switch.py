"""What each difference between the paper's text and the released code does, measured by itself."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from threephase.audit.item import FINDING, Item, code_of, table
from threephase.audit.published_runs import PublishedStudy
from threephase.audit.recipe import stated
from threephase.base import paths
from threephase.base.errors import UserError
from threephase.paper.deviations import SWITCHES, within
from threephase.paper.numbers import DESCRIBED
from threephase.results.differences import compare
from threephase.results.tables import format_number, format_setting
from threephase.scores.statistics import NOT_RUN, ROWS_ONLY, TOO_FEW_SEEDS, UNDECIDED
from threephase.study.params import SPLIT_SETTINGS, Study
from threephase.study.rules import counts_all_labels

CELLS = ("three_phase", "joint", "ft")
MOST_SWITCHES = 2  # some switches are coupled: a test set that selects needs no validation rows
SHOWN = [
    "Switch", "From", "To", "Study", "Encoder", "Variant", "Described", "Switched", "Difference", "Intervals",
    "Effect",
]  # fmt: skip


def switched(study: Study) -> dict[str, tuple[Any, Any]]:
    """The switches of a study's protocol that differ from the paper's text: value there and here."""
    described, own = study.shared.protocols[DESCRIBED], study.protocol
    pairs = {
        field.name: (getattr(described, field.name), getattr(own, field.name)) for field in dataclasses.fields(own)
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def is_switch_study(study: Study) -> bool:
    """Whether a study's protocol is the paper's text but for one switch, or two that go together.

    One without selection rows is none: it counts labels, which neither the text nor the code does.
    """
    return not counts_all_labels(study.protocol) and 0 < len(switched(study)) <= MOST_SWITCHES


def _settings(study: Study, encoder: str) -> tuple:
    """All that two studies must have in common, for a switch to be their only difference."""
    params = study.params
    same = ("dataset", "seeds", "primary_metric", *SPLIT_SETTINGS)
    return (*(getattr(params, name) for name in same), params.hyperparameters[encoder])


def base_of(own: PublishedStudy, encoder: str, published: Sequence[PublishedStudy]) -> PublishedStudy | None:
    """The published study of the paper's text with the same settings; None where there is none.

    Raises UserError where two would do.
    """
    fitting = [
        other
        for other in published
        if other.study.params.protocol == DESCRIBED
        and encoder in other.study.params.encoders
        and _settings(other.study, encoder) == _settings(own.study, encoder)
    ]
    if len(fitting) > 1:
        names = " and ".join(str(paths.published(other.name)) for other in fitting)
        raise UserError(f"{names}: got two studies of the same settings, expected one; remove the other")
    return fitting[0] if fitting else None


def effect(compared: dict) -> str:
    """What an interval of a paired difference says."""
    if compared["difference"] == compared["ci_low"] == compared["ci_high"] == 0:
        return "none, the same answers"
    if compared["ci_kind"] == ROWS_ONLY:
        return TOO_FEW_SEEDS
    return "higher" if compared["ci_low"] > 0 else "lower" if compared["ci_high"] < 0 else "no difference found"


def rows_of(own: PublishedStudy, published: Sequence[PublishedStudy]) -> list[dict]:
    """A row for every compared cell of a study with a switch changed; of one without a base a row that says so."""
    changed, rows = switched(own.study), []
    there, here = (", ".join(map(format_setting, values)) for values in zip(*changed.values(), strict=True))
    about = {"Switch": ", ".join(changed), "From": there, "To": here, "Study": own.name}
    for encoder in own.study.params.encoders:
        base = base_of(own, encoder, published)
        if base is None:
            rows.append(about | {"Encoder": encoder, "Effect": "not run under described with these settings"})
            continue
        for cell in ((encoder, variant) for variant in CELLS):
            if own.has(cell) and base.has(cell):
                compared = compare(own.study, [cell, cell], own.rows_of(cell), base.rows_of(cell))
                row = {"Encoder": encoder, "Variant": cell[1], "Described": format_number(base.mean(cell))}
                row |= {"Switched": format_number(own.mean(cell)), "Difference": stated(compared)}
                rows.append(about | row | {"Intervals": compared["ci_kind"], "Effect": effect(compared)})
    return rows


def _moves(moved: Sequence[dict]) -> list[str]:
    """A sentence for each switch and direction: how many cells moved, and from which difference to which."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in moved:
        found.setdefault((row["Switch"], row["Effect"]), []).append(abs(float(row["Difference"].split()[0])))
    return [
        f"{_capital(within(names.split(', ')))}: {effect} in {len(values)}, by "
        f"{' to '.join(f'{value:.1f}' for value in dict.fromkeys([min(values), max(values)]))}."
        for (names, effect), values in found.items()
    ]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def audit(published: Sequence[PublishedStudy]) -> Item:
    """Every published study whose protocol differs from the text in one switch, or in two that go together."""
    rows = []
    for own in published:
        if is_switch_study(own.study):
            rows += rows_of(own, published)
    measured = [row for row in rows if "Difference" in row]
    moved = [row for row in measured if row["Effect"] in ("higher", "lower")]
    finding = "No study with a single switch changed is published."
    if measured:
        finding = f"{len(measured)} cells compared with the same ones by the paper's text; {len(moved)} moved."
        finding = " ".join([finding, *_moves(moved)])
    return Item(
        id=SWITCHES,
        title="What the released code's differences do",
        question="How far does each switch between the paper's text and the released code move the result, alone?",
        method=(
            f"Each published study whose protocol differs from described in at most {MOST_SWITCHES} switches, "
            "against the published study of described with the same data set, seeds and settings. Paired differences "
            f"(switched minus described) of {', '.join(CELLS)} by seed or fold and test row, in points of the primary "
            "metric."
        ),
        finding=finding,
        outcome=FINDING if moved else UNDECIDED if measured else NOT_RUN,
        **table(SHOWN, rows),
        code=code_of(__name__),
        falsify="The same comparison with more seeds, another data set or the paper's encoders.",
        data="reports/published/*: params.yaml, predictions.parquet; protocols of shared.yaml",
    )
