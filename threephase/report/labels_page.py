"""The page, the figure and README's part on how many labels each method needs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.report.answer import metric_name
from threephase.report.claims import format_p
from threephase.report.drawing import Scale, colour, scale_of
from threephase.report.finished import Finished
from threephase.report.judged import judged
from threephase.report.labels import Labels, labels_text, stated, titles_of
from threephase.report.layout import link, render, render_drawing
from threephase.report.own_answer import listed
from threephase.results.choice import GUESSING
from threephase.results.costs import environment
from threephase.results.tables import MISSING, escape_markdown, format_number
from threephase.scores.statistics import ROWS_ONLY, Interval
from threephase.study.rules import counts_all_labels

COMMAND = "python -m commands.render_labels"
TABLE, PICTURE = paths.PUBLISHED_LABELS.with_name("table.csv"), paths.PUBLISHED_LABELS.with_name("figure.svg")
WIDTH, HEIGHT = 340, 200  # of a panel, in its own units
LEFT, RIGHT, TOP, BOTTOM = 40, 326, 8, 172
BEHIND_THE_LAST = 1.5  # doublings: where the column with all labels stands
Line = Sequence[tuple[int | None, Interval]]


def render_labels(labels: Labels) -> str:
    """The whole page as text."""
    study = labels.points[0].finished.study
    studies, untrained = ([point.finished for point in points] for points in (labels.points, labels.untrained))
    rule = study.shared.statistics
    return render(
        "labels.html.j2",
        labels=labels,
        listed=listed,
        stated=stated,
        confidence=f"{rule.confidence:.0%}",
        power=f"{rule.detectable_power:.0%}",
        encoder=study.shared.encoders[study.params.encoders[0]].title,
        seeds=_numbers_of_seeds(studies),
        pages={finished.name: link(finished.folder / "index.html", TABLE.parent) for finished in studies + untrained},
        machines={finished.name: _machine(finished) for finished in studies},
        untrained=titles_of(labels.untrained),
        untrained_seeds=_numbers_of_seeds(untrained),
        validated=[finished.name for finished in studies if not counts_all_labels(finished.study.protocol)],
        family=_family(labels),
        differences=[
            _panel(labels, f"{line.dataset}: {line.pair}", {line.variant: line.band}, line.variant, zero=True)
            for line in labels.crossed()
        ],
        band=labels.titles.get(labels.named.family.variant, ""),
        **_curves(labels),
    )


def _machine(finished: Finished) -> str:
    told = dict(environment(finished.trainings))
    return ", ".join(f"{place} {told[place]}" for place in ("CPU", "GPU", "Precision"))


def _numbers_of_seeds(studies: Sequence[Finished]) -> list[int]:
    return sorted({len(finished.study.params.seeds) for finished in studies})


def draw(labels: Labels) -> str:
    """The curves of all data sets as a drawing of its own."""
    return render_drawing("labels.svg.j2", **_curves(labels))


def readme_part(labels: Labels) -> str:
    """What to use with the numbers of labels that the family tests, by data set."""
    lines = [
        f"On {point.finished.study.params.dataset} with {point.shots} labels a class "
        f"{escape_markdown(point.use)} ({point.told_briefly})."
        for point in labels.points
        if point.shots in labels.named.family.shots
    ]
    chosen = "Validation rows chose the method; their labels are not counted."
    return " ".join([*lines, chosen, f"[All numbers]({TABLE.as_posix()})."])


def _family(labels: Labels) -> list[dict[str, Any]]:
    """A row a comparison of the family."""
    studies = {(point.finished.study.params.dataset, point.shots): point.finished.study for point in labels.points}
    return [
        {
            "dataset": studies[line["dataset"], line["shots"]].dataset.title,
            "shots": line["shots"],
            "judged": judged(studies[line["dataset"], line["shots"]], line),
            "p": [format_p(line[name]) for name in ("p_value", "p_holm")],
            "detectable": [
                MISSING if pd.isna(line[name]) else format_number(line[name])
                for name in ("detectable", "detectable_holm")
            ],
        }
        for line in labels.family.to_dict("records")
    ]


def _curves(labels: Labels) -> dict[str, Any]:
    """For each data set the means of all methods by labels a class, and the band of the family's variant."""
    panels = []
    for points in labels.curves:
        lines = {
            variant: [(p.shots, p.column.mean(variant)) for p in points if variant in p.column.rows]
            for variant in _methods(labels)
        }
        title = f"{points[0].dataset}, {metric_name(points[0].finished.study.params.primary_metric)}"
        panels.append(_panel(labels, title, lines, labels.named.family.variant))
    legend = [{"title": labels.titles[variant]} | _look(labels, variant) for variant in _methods(labels)]
    places = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "bottom": BOTTOM}
    return {"panels": panels, "legend": legend} | places


def _methods(labels: Labels) -> list[str]:
    """All methods of all columns, in the order of the tables."""
    return [variant for variant in labels.titles if variant != GUESSING]


def _look(labels: Labels, variant: str) -> dict[str, Any]:
    baselines = labels.points[0].finished.study.shared.baselines
    return {"colour": colour(_methods(labels).index(variant)), "dashed": variant in baselines}


def _panel(labels: Labels, title: str, lines: Mapping[str, Line], banded: str, zero: bool = False) -> dict[str, Any]:
    """Lines, the band of one of them and ticks as places; ``zero``: with a line there."""
    shown = {name: line for name, line in lines.items() if line}
    values = [interval.mean for line in shown.values() for _, interval in line]
    values += [bound for _, interval in shown.get(banded, []) for bound in (interval.low, interval.high)]
    up = scale_of([*values, *[0.0] * zero], 7)
    return {
        "title": title,
        "lines": [
            _look(labels, name)
            | {"points": [(_x(labels, shots), _y(up, interval.mean)) for shots, interval in line]}
            | {"band": _band(labels, up, line) if name == banded and _covers_seeds(line) else ""}
            for name, line in shown.items()
        ],
        "up": [(_y(up, value), text) for value, (_, text) in zip(up.values, up.ticks, strict=True)],
        "zero": _y(up, 0.0) if zero else None,
        "across": [(_x(labels, shots), labels_text(shots)) for shots in labels.named.shots],
    }


def _covers_seeds(line: Line) -> bool:
    return all(interval.kind != ROWS_ONLY for _, interval in line)


def _band(labels: Labels, up: Scale, line: Line) -> str:
    """The outline of a band: along its upper bounds and back along the lower ones."""
    upper = [(_x(labels, shots), _y(up, interval.high)) for shots, interval in line]
    lower = [(_x(labels, shots), _y(up, interval.low)) for shots, interval in line]
    return " ".join(f"{x:g},{y:g}" for x, y in itertools.chain(upper, reversed(lower)))


def _x(labels: Labels, shots: int | None) -> float:
    """On a scale of doublings, with all labels behind the last number."""
    known = [math.log2(number) for number in labels.named.shots if number is not None]
    last = max(known) + BEHIND_THE_LAST * (None in labels.named.shots)
    value = last if shots is None else math.log2(shots)
    return round(LEFT + (value - min(known)) / max(last - min(known), 1) * (RIGHT - LEFT), 1)


def _y(scale: Scale, value: float) -> float:
    return round(BOTTOM - scale.share(value) * (BOTTOM - TOP), 1)
