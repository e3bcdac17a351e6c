"""The same test rows before and after the phases: one panel an encoder, one colour and marker a class."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from threephase.report.figure_style import PALETTE, QUIET, STYLE, WIDTH, short
from threephase.results.representations import Panel, separation_text

COLUMNS = 3
# Shape tells classes apart beyond the ten colours, and for who sees few colours.
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">")
LOOKS = len(PALETTE) * len(MARKERS)
POINT = {"linestyle": "none", "markersize": 3.2, "markeredgewidth": 0, "alpha": 0.75}
LABEL_CHARACTERS = 24


def looks_of(classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and marker by class; they begin anew behind ``LOOKS`` classes."""
    steps = itertools.cycle(range(LOOKS))
    return {
        name: {"color": PALETTE[step % len(PALETTE)], "marker": MARKERS[(step + step // len(PALETTE)) % len(MARKERS)]}
        for name, step in zip(classes, steps, strict=False)
    }


@matplotlib.rc_context(STYLE)
def representations_figure(
    panels: Sequence[Panel], points: pd.DataFrame, separation: pd.DataFrame, projection: str
) -> Figure:
    """Small multiples of one ``projection``, pca or tsne; the tables are those of ``representations.represent``.

    Each panel has axes of its own, without ticks: what a distance is differs between them.
    """
    looks = looks_of(sorted(points["class"].unique()))
    height = -(-len(panels) // COLUMNS)
    legend_rows = -(-len(looks) // COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.3 + 2.75 * height + 0.17 * legend_rows), layout="constrained")
    grid = figure.subplots(height, COLUMNS, squeeze=False)
    for axes, panel in itertools.zip_longest(grid.flat, panels):
        if panel is None:
            axes.set_visible(False)
            continue
        rows = _of_panel(points, panel)
        for name, look in looks.items():
            own = rows[rows["class"] == name]
            axes.plot(own[f"{projection}_x"], own[f"{projection}_y"], **POINT, **look)
        axes.set(xticks=[], yticks=[], box_aspect=1)
        axes.spines[["left", "bottom"]].set_color("#d0d0d0")
        axes.set_title(f"{panel.title}\n{textwrap.shorten(panel.owner, 38, placeholder='…')}", parse_math=False)
        axes.set_xlabel(separation_text(_of_panel(separation, panel).iloc[0]), fontsize=7.5, color=QUIET)
    _legend(figure, looks)
    return figure


def _of_panel(frame: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    return frame[(frame["phase"] == panel.phase) & (frame["variant"] == panel.variant)]


def _legend(figure: Figure, looks: Mapping[str, Mapping[str, str]]) -> None:
    keys = [
        Line2D([], [], **POINT | {"markersize": 5, "alpha": 1}, **look, label=short(name, LABEL_CHARACTERS))
        for name, look in looks.items()
    ]
    legend = figure.legend(handles=keys, loc="outside lower center", ncols=min(COLUMNS, len(keys)))
    for text in legend.get_texts():
        text.set_parse_math(False)
