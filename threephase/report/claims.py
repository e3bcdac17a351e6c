"""The paper's claims on a page: every comparison with its effect, interval, tests and verdict, claim by claim.

Beside each stands a small drawing, all on one scale: where the interval lies beside no difference. The numbers stand in
the same row, so that the drawings are for the eye alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from threephase.report.finished import Finished
from threephase.results.families import overall, with_holm, with_names
from threephase.results.tables import format_interval, format_number, format_signed
from threephase.scores.statistics import UNDECIDED
from threephase.study.params import Study

# The tests of a comparison, with their headings; one that no comparison has is not shown.
TESTS = {"p_value": "p", "p_holm": "p, Holm", "mcnemar_p": "p, McNemar"}
LEAST_P = 0.001
NO_VERDICTS = pd.DataFrame(columns=["claim", "verdict"])  # of one study alone, which is no family

WIDTH, HEIGHT, EDGE = 260, 22, 8  # of a drawing, and the room at its sides, in its own units
STEPS = (0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200)
MOST_TICKS = 6


@dataclass(frozen=True)
class Scale:
    """Percentage points to places in a drawing."""

    low: float
    high: float
    step: float

    def x(self, points: float) -> float:
        share = (points - self.low) / (self.high - self.low)
        return round(EDGE + share * (WIDTH - 2 * EDGE), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        count = round((self.high - self.low) / self.step)
        values = [self.low + self.step * place for place in range(count + 1)]
        return [(self.x(value), f"{value:+g}" if value else "0") for value in values]


def scale_of(intervals: pd.DataFrame, margin: float) -> Scale:
    """The scale on which all ``intervals`` (ci_low, ci_high, in percentage points), 0 and the margin can be seen."""
    low, high = min([0.0, *intervals["ci_low"]]), max([margin, *intervals["ci_high"]])
    step = next((step for step in STEPS if (high - low) / step <= MOST_TICKS - 1), STEPS[-1])
    return Scale(step * math.floor(low / step), step * math.ceil(high / step), step)


def family(finished: Sequence[Finished]) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The claims of several studies below each other, the overall verdicts, and who is left out of these.

    The frames are ``families.with_holm``'s and ``families.overall``'s. A study that repeats the comparisons of
    another, or has no p-values, is no part of a family: its claims are there, without ``p_holm``. A study on all
    training rows goes before one on some of them.
    """
    inside: dict[tuple, Finished] = {}
    for member in sorted(finished, key=lambda member: member.study.params.train_rows is not None):
        params = member.study.params
        keys = [(params.dataset, params.protocol, encoder) for encoder in params.encoders]
        if "p_value" in member.claims and not inside.keys() & set(keys):
            inside |= dict.fromkeys(keys, member)
    names = {member.name for member in inside.values()}
    members = [member for member in finished if member.name in names]
    apart = [member for member in finished if member.name not in names]
    frames = [with_names(member.study, member.claims) for member in apart]
    if not members:
        return pd.concat(frames, ignore_index=True), NO_VERDICTS, []
    adjusted = with_holm([(member.study, member.claims) for member in members])
    verdicts = overall(adjusted, members[0].study.shared.statistics)
    frames = [frame.reindex(columns=adjusted.columns) for frame in frames]
    return pd.concat([adjusted, *frames], ignore_index=True), verdicts, [member.name for member in apart]


def claims_context(studies: Sequence[Finished], claims: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, Any]:
    """What the section of claims shows.

    ``claims``: as ``with_names`` gives it, for one study or several below each other. ``verdicts``: those over all
    comparisons of a family, as ``families.overall`` gives them; it may be empty.
    """
    by_name = {finished.name: finished.study for finished in studies}
    margin = next(iter(by_name.values())).shared.verdicts.claim_margin
    scale = scale_of(claims.dropna(subset=["difference", "ci_low", "ci_high"]), margin)
    tests = {name: title for name, title in TESTS.items() if name in claims and claims[name].notna().any()}
    groups = []
    for name, compared in claims.groupby("claim", sort=False):
        groups.append(
            {
                "name": name,
                "text": compared["text"].iloc[0],
                "overall": [_over_all(studies[0], line) for _, line in verdicts[verdicts["claim"] == name].iterrows()],
                "rows": [
                    _comparison(by_name[line["study"]], line, scale, margin)
                    | {"tests": [format_p(line[test]) for test in tests]}
                    for _, line in compared.iterrows()
                ],
                "counts": list(compared["verdict"].value_counts(sort=False).items()),
                "kinds": [kind for kind in compared["ci_kind"].unique() if kind],
            }
        )
    return {"groups": groups, "scale": scale, "margin": margin, "tests": list(tests.values()), "size": (WIDTH, HEIGHT)}


def _comparison(study: Study, line: pd.Series, scale: Scale, margin: float) -> dict[str, Any]:
    """A row of the table: a comparison of two cells, without numbers where it was not run."""
    row = {name: line[name] for name in ("study", "dataset", "protocol", "encoder", "by_seed", "ci_kind", "verdict")}
    row |= {
        "pair": f"{study.title(line['variant'])} minus {study.title(line['other'])}",
        "dataset_title": study.dataset.title,
        "encoder_title": study.shared.encoders[line["encoder"]].title,
        "small": _smallest(line),
    }
    if pd.isna(line["difference"]):
        return row | {"drawing": None, "difference": "", "sort": -1000.0, "interval": ""}
    places = {"margin": margin, "zero": 0, "low": line["ci_low"], "middle": line["difference"], "high": line["ci_high"]}
    return row | {
        "drawing": {name: scale.x(points) for name, points in places.items()},
        "difference": format_signed(line["difference"]),
        "sort": float(line["difference"]),
        "interval": format_interval(line["ci_low"], line["ci_high"]),
    }


def _over_all(finished: Finished, line: pd.Series) -> dict[str, str]:
    """The verdict on a claim over one family, and which family that is."""
    encoders = finished.study.shared.encoders
    names = [
        encoders[line[key]].title if key == "encoder" else line[key] for key in ("protocol", "encoder") if key in line
    ]
    count = line["n_datasets"]
    return {"verdict": line["verdict"], "family": f"{', '.join(names)}, {count} data set{'s' if count != 1 else ''}"}


def format_p(p: float) -> str:
    """A p value with three decimals; empty where there is none."""
    if pd.isna(p):
        return ""
    return f"< {LEAST_P}" if p < LEAST_P else f"{p:.3f}"


def _smallest(line: pd.Series) -> str:
    """What an undecided comparison could have found, where that was computed."""
    if line["verdict"] != UNDECIDED:
        return ""
    detectable = line.get("detectable")
    if detectable is None or pd.isna(detectable):
        return "no difference found"
    return f"no difference found; smallest detectable: {format_number(detectable)} points"
