"""The same test rows before and after the phases: one panel an encoder, one colour and marker a class.

The figures, and the part of a study's page that shows them.
"""

import itertools
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from threephase.base import paths
from threephase.report.figure_style import PALETTE, QUIET, STYLE, WIDTH, embedded, short, small_multiples
from threephase.results.representations import FINE_TUNED_PHASE, Panel, format_silhouette, panels_of, separation_text
from threephase.results.tables import format_number
from threephase.study.params import Study
from threephase.study.rules import freezes_encoder

COLUMNS = 3
# Shape tells classes apart beyond the ten colours, and for who sees few colours.
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">")
LOOKS = len(PALETTE) * len(MARKERS)
POINT = {"linestyle": "none", "markersize": 3.2, "markeredgewidth": 0, "alpha": 0.75}
LABEL_CHARACTERS = 24
# How each projection is named, and what may be read from it.
PROJECTION_TEXTS = {
    "pca": ("PCA", "The two directions of largest variance, fitted to each panel's vectors."),
    "tsne": ("t-SNE", "Neighbours stay neighbours; the sizes of clusters and the distances between them mean nothing."),
}


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
    height, legend_rows = -(-len(panels) // COLUMNS), -(-len(looks) // COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.3 + 2.75 * height + 0.17 * legend_rows), layout="constrained")
    for axes, panel in zip(small_multiples(figure, len(panels), COLUMNS), panels, strict=True):
        rows = _of_panel(points, panel)
        for name, look in looks.items():
            of_class = rows[rows["class"] == name]
            axes.plot(of_class[f"{projection}_x"], of_class[f"{projection}_y"], **POINT, **look)
        axes.set(xticks=[], yticks=[], box_aspect=1)
        axes.spines[["left", "bottom"]].set_color("#d0d0d0")
        axes.set_title(f"{panel.title}\n{textwrap.shorten(panel.owner, 38, placeholder='…')}", parse_math=False)
        axes.set_xlabel(separation_text(_of_panel(separation, panel).iloc[0]), fontsize=7.5, color=QUIET)
    keys = [
        Line2D([], [], **POINT | {"markersize": 5, "alpha": 1}, **look, label=short(name, LABEL_CHARACTERS))
        for name, look in looks.items()
    ]
    legend = figure.legend(handles=keys, loc="outside lower center", ncols=min(COLUMNS, len(keys)))
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _of_panel(frame: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    return frame[(frame["phase"] == panel.phase) & (frame["variant"] == panel.variant)]


def representations_context(study: Study) -> list[dict[str, Any]]:
    """What the page shows of each encoder that is drawn."""
    return [_of_encoder(study, encoder) for encoder in study.params.encoders if study.params.draw_encoders]


def _of_encoder(study: Study, encoder: str) -> dict[str, Any]:
    """An encoder's numbers and figures; ``lines`` is empty where its stage has not run."""
    folder = paths.representations(study.folder, encoder)
    context = {"title": study.shared.encoders[encoder].title, "lines": [], "figures": [], "seed": None}
    file = folder / "separation.csv"
    if not file.is_file():
        return context
    separation = pd.read_csv(file, keep_default_na=False, na_values={"silhouette": "", "nearest_mean_accuracy": ""})
    titles = {(panel.phase, panel.variant): (panel.title, panel.owner) for panel in panels_of(study, encoder)}
    spoken = []
    for _, line in separation.iterrows():
        title, owner = titles[line["phase"], line["variant"]]
        accuracy = line["nearest_mean_accuracy"]
        nearest = "" if pd.isna(accuracy) else format_number(accuracy)
        context["lines"].append((title, owner, format_silhouette(line["silhouette"]), nearest))
        spoken.append(f"{title} ({owner}): {separation_text(line)}")
    first = separation.iloc[0]
    return context | {
        "seed": first["seed"],
        "n_test": first["n_test"],
        "n_train": first["n_train"],
        "frozen": freezes_encoder(study, encoder, study.params.hyperparameters[encoder]),
        "fine_tuned": (separation["phase"] == FINE_TUNED_PHASE).any(),
        "figures": [
            embedded(folder / f"{name}.svg", title, caption, f"{title} of the test rows' vectors. " + "; ".join(spoken))
            for name, (title, caption) in PROJECTION_TEXTS.items()
        ],
    }
