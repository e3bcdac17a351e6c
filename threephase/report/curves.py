"""Learning curves on a page: a panel a training with a line a seed, all panels of a figure on one scale."""

from typing import Any

import pandas as pd

from threephase.report.drawing import Scale, colour, scale_of
from threephase.report.finished import Finished
from threephase.report.rows import of_cell, rows_of_programs
from threephase.results.curves import CURVES, Curve, unfinished
from threephase.results.tables import METRIC_TITLES
from threephase.study.params import Study

TEXTS = {  # by the curve's name: title, and what its numbers are
    "denoising": ("Phase 1: denoising", "token cross-entropy"),
    "contrastive": ("Phase 2: contrastive", "squared error of the cosine"),
    "joint": ("Joint phases 1 and 2", "sum of both losses"),
    "method": ("Methods", "each its own loss"),
    "classifier": ("Phase 3: training loss", "cross-entropy"),
    "validation": ("Phase 3: choice of the epoch", "{metric} on {rows} rows, percent"),
}
WIDTH, HEIGHT = 240, 132  # of a panel, in its own units; below and left of the plot is room for the ticks
LEFT, RIGHT, TOP, BOTTOM = 38, 222, 8, 112


def curves_context(finished: Finished) -> list[dict[str, Any]]:
    """A figure a kind of curve that was recorded; ``panels`` without lines were not."""
    known = set(finished.curves["curve"])
    return [_figure(finished, curve) for curve in CURVES if curve.name in known]


def _figure(finished: Finished, curve: Curve) -> dict[str, Any]:
    study, points = finished.study, finished.curves
    points = points[points["curve"] == curve.name]
    title, unit = TEXTS[curve.name]
    across, up = scale_of([0.0, *points["x"]], 5), scale_of(points["y"], 5)
    panels, moving = [], []
    for row in rows_of_programs(study, curve.programs):
        by_seed = {seed: line for seed, line in of_cell(points, row).groupby("seed")}
        lines = [
            {"colour": colour(number), "points": _places(by_seed[seed], across, up)}
            for number, seed in enumerate(study.params.seeds)
            if seed in by_seed
        ]
        panels.append({"title": row.label, "lines": lines})
        count = sum(unfinished(curve.name, line) for line in by_seed.values())
        moving += [row.label] if 2 * count > len(by_seed) else []
    return {
        "title": title,
        "unit": unit.format(metric=_metric(study), rows=study.protocol.selection_split),
        "x": curve.x,
        "panels": panels,
        "unfinished": moving,
        "across": [(_x(across, value), text) for value, (_, text) in zip(across.values, across.ticks, strict=True)],
        "up": [(_y(up, value), text) for value, (_, text) in zip(up.values, up.ticks, strict=True)],
    }


def _metric(study: Study) -> str:
    return METRIC_TITLES[study.params.primary_metric]


def _places(line: pd.DataFrame, across: Scale, up: Scale) -> str:
    line = line.sort_values("x")
    return " ".join(f"{_x(across, x):g},{_y(up, y):g}" for x, y in zip(line["x"], line["y"], strict=True))


def _x(scale: Scale, value: float) -> float:
    return round(LEFT + scale.share(value) * (RIGHT - LEFT), 1)


def _y(scale: Scale, value: float) -> float:
    return round(BOTTOM - scale.share(value) * (BOTTOM - TOP), 1)
