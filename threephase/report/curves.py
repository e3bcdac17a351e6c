"""Learning curves: which figures a study has, what they are drawn from, and how."""

import itertools
from dataclasses import dataclass

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from threephase.base import paths
from threephase.report.figure_style import STYLE, WIDTH, small_multiples, wrapped
from threephase.report.rows import of_cell, rows_of_stages
from threephase.results.tables import METRIC_TITLES
from threephase.study.params import Study
from threephase.study.rules import selection_metric
from threephase.study.topology import CLASSIFIER_STAGES, DENOISE, JOINT_TRAINING, PAIR_STAGES

LINE_STYLES = ("-", "--", ":", "-.")
SEED_LINE = {"linewidth": 1.4, "markersize": 3, "zorder": 2}
MOST_POINTS_A_LINE = 100


@dataclass(frozen=True)
class Curves:
    """A figure of learning curves: which stages' cells, which history file, which of its columns against which."""

    name: str
    stages: tuple[str, ...]
    phase: str
    x: str
    y: str
    title: str
    y_label: str
    caption: str


_LOSS_CAPTION = (
    "Loss against optimiser step; each point is the mean of consecutive steps where there are many. "
    "One panel a variant, one line a seed (solid, broken, dotted); the grey lines are the other panels'."
)
VALIDATION = Curves(
    "learning_curves_validation", CLASSIFIER_STAGES, "classifier", "epoch", "validation_metric",
    "Phase 3: choice of the epoch", "{selection_metric} on {selection_split} rows, percent",
    "The metric that chooses the epoch, at the end of every epoch. Panels and lines as above.",
)  # fmt: skip
CURVES = (
    Curves("learning_curves_denoising", (DENOISE,), "encoder", "step", "loss", "Phase 1: denoising",
           "token cross-entropy", _LOSS_CAPTION),
    Curves("learning_curves_contrastive", PAIR_STAGES, "encoder", "step", "loss",
           "Phase 2: contrastive", "squared error of the cosine", _LOSS_CAPTION),
    Curves("learning_curves_joint", (JOINT_TRAINING,), "encoder", "step", "loss", "Joint phases 1 and 2",
           "sum of both losses", _LOSS_CAPTION),
    Curves("learning_curves_classifier", CLASSIFIER_STAGES, "classifier", "step", "loss", "Phase 3: training loss",
           "cross-entropy", _LOSS_CAPTION),
    VALIDATION,
)  # fmt: skip


def curves_of(study: Study) -> list[Curves]:
    """The learning curves that this study has."""
    return [curves for curves in CURVES if rows_of_stages(study, curves.stages)]


def caption(study: Study, curves: Curves) -> tuple[str, str, str]:
    """Title, caption, and the text for who can't see the figure."""
    panels = ", ".join(row.label for row in rows_of_stages(study, curves.stages))
    return curves.title, curves.caption, f"{curves.title}, learning curves by seed of: {panels}."


def read_histories(study: Study, curves: Curves) -> pd.DataFrame:
    """The history files of all cells and seeds below each other, with encoder, variant, seed; missing ones left out."""
    frames = []
    for row in rows_of_stages(study, curves.stages):
        for seed in study.params.seeds:
            file = paths.history(study.folder, row.encoder, row.variant, seed, curves.phase)
            if file.is_file():
                frames.append(pd.read_csv(file).assign(encoder=row.encoder, variant=row.variant, seed=seed))
    columns = ["encoder", "variant", "seed", curves.x, curves.y]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def validation_curves(study: Study) -> pd.DataFrame:
    """What ``dvc plots`` draws of phase 3: columns cell, seed, epoch, validation_metric; a row an epoch."""
    table = read_histories(study, VALIDATION).dropna(subset=VALIDATION.y)
    cell = [paths.cell_name(*cell) for cell in zip(table["encoder"], table["variant"], strict=True)]
    return table.drop(columns=["encoder", "variant"]).assign(cell=cell)


@matplotlib.rc_context(STYLE)
def curves_figure(study: Study, curves: Curves, histories: pd.DataFrame) -> Figure:
    """Learning curves as small multiples: one panel a cell with a line a seed, all other cells in grey behind.

    ``histories`` holds encoder, variant, seed and the two columns that ``curves`` names. A line has at most
    ``MOST_POINTS_A_LINE`` points, each the mean of as many consecutive recorded ones.
    """
    rows, histories = rows_of_stages(study, curves.stages), histories.dropna(subset=[curves.y])
    columns = min(3, len(rows))
    height = -(-len(rows) // columns)
    figure = Figure(figsize=(WIDTH, 0.7 + (1.9 if height > 1 else 2.5) * height), layout="constrained")
    panels = small_multiples(figure, len(rows), columns, sharex=True, sharey=True)
    styles = dict(zip(study.params.seeds, itertools.cycle(LINE_STYLES), strict=False))
    lines = [
        [(seed, *_thinned(line, curves)) for seed, line in of_cell(histories, row).groupby("seed")] for row in rows
    ]
    for index, (axes, row) in enumerate(zip(panels, rows, strict=True)):
        for _, x, y in itertools.chain(*lines[:index], *lines[index + 1 :]):
            axes.plot(x, y, color="#dedede", linewidth=0.7, zorder=1)
        for seed, x, y in lines[index]:
            look = SEED_LINE | {"color": row.colour, "linestyle": styles[seed], "marker": "o" if len(x) <= 12 else None}
            axes.plot(x, y, **look)
        if not lines[index]:
            axes.annotate("not recorded", (0.5, 0.5), xycoords="axes fraction", ha="center", color="#7a7a7a")
        axes.set_title(wrapped(row.label, 30))
        axes.tick_params(labelbottom=index + columns >= len(rows))
    looks = ({"color": "black", "linestyle": style, "label": f"seed {seed}"} for seed, style in styles.items())
    figure.legend(handles=[Line2D([], [], **SEED_LINE, **look) for look in looks], loc="outside upper right", ncols=6)
    figure.supxlabel(curves.x, fontsize=9)
    metric = METRIC_TITLES[selection_metric(study.params)]
    figure.supylabel(
        curves.y_label.format(selection_metric=metric, selection_split=study.protocol.selection_split), fontsize=9
    )
    return figure


def _thinned(line: pd.DataFrame, curves: Curves) -> tuple[list[float], list[float]]:
    """The x and y of a line, each point the mean of consecutive ones where there are too many."""
    line = line.sort_values(curves.x)[[curves.x, curves.y]].astype(float).reset_index(drop=True)
    means = line.groupby(line.index // max(1, -(-len(line) // MOST_POINTS_A_LINE))).mean()
    return means[curves.x].tolist(), means[curves.y].tolist()
