"""Data frames to matplotlib figures: seeds are dots, intervals are bars, a variant has one colour everywhere.

Figures are made without pyplot, so no state outlives a call, and the same frames give the same SVG bytes.
"""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from threephase.report.display import Curves, Row, rows_of, rows_of_stages, variant_colours
from threephase.report.figure_style import QUIET, STYLE, WIDTH, wrapped
from threephase.results.tables import METRIC_TITLES, MISSING, format_interval, format_number, format_signed
from threephase.study.params import Study
from threephase.study.rules import selection_metric

LineStyle = str | tuple[float, tuple[float, float]]
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
BESIDE = ("axes fraction", "data")
INTERVAL_STYLES: tuple[LineStyle, ...] = ("solid", (0, (1.2, 0.6)), (0, (0.4, 0.4)))
LINE_STYLES = ("-", "--", ":", "-.")
SEED_LINE = {"linewidth": 1.4, "markersize": 3, "zorder": 2}
MEAN_MARK = {"marker": "D", "markersize": 6, "linestyle": "none"}
SEED_MARK = {"marker": "o", "markersize": 4, "markerfacecolor": "white", "linestyle": "none"}
MOST_POINTS_A_LINE = 100


@matplotlib.rc_context(STYLE)
def variants_figure(study: Study, results: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """One line a cell, primary metric: its seeds as dots, the mean as a diamond, the interval as a bar.

    ``results`` and ``runs`` hold the columns of results.csv and runs.csv, in percent. A cell without a row shows as
    missing; one far below all others is written at the left edge, so that the scale serves the others.
    """
    metric, rows = study.params.primary_metric, rows_of(study)
    results = results[results["metric"] == metric]
    seeds = runs[(runs["metric"] == metric) & (runs["split"] == "test")]
    kinds = list(dict.fromkeys(results["ci_kind"]))
    styles = dict(zip(kinds, INTERVAL_STYLES, strict=False))
    figure = Figure(figsize=(WIDTH, 1.3 + 0.4 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlim(*_limits(results, seeds))
    for y, row in enumerate(rows):
        cell = _of_cell(results, row)
        if cell.empty:
            _beside(axes, y, MISSING, QUIET)
            continue
        mean, low, high = (float(cell.iloc[0][name]) for name in ("mean", "ci_low", "ci_high"))
        _beside(axes, y, f"{format_number(mean)}  {format_interval(low, high)}")
        if mean < axes.get_xlim()[0]:
            axes.annotate("◂ off the scale", (0.01, y), xycoords=BESIDE, color=row.colour, va="center", fontsize=8)
            continue
        _bar(axes, y, low, mean, high, row.colour, styles[cell.iloc[0]["ci_kind"]])
        values = _of_cell(seeds, row)["value"]
        axes.plot(values, [y - 0.27] * len(values), color=row.colour, **SEED_MARK)
    _name_rows(axes, [wrapped(row.label, 24) for row in rows])
    axes.set_xlabel(f"{METRIC_TITLES[metric]} on the test rows, percent")
    key = _key(styles, study.shared.statistics.confidence)
    figure.legend(handles=key, loc="outside lower center", ncols=len(key))
    return figure


@matplotlib.rc_context(STYLE)
def claims_figure(study: Study, claims: pd.DataFrame) -> Figure:
    """Forest plot of paired differences, in percentage points, with the zero line and the claims' margin.

    ``claims`` holds the columns of claims.csv; its rows are drawn in their order below the text of their claim. A
    comparison takes the colour of what the claimed variant is compared with.
    """
    several, colours = len(study.params.encoders) > 1, variant_colours(study)
    lines: list[tuple[str, pd.Series | None]] = []
    for text, group in claims.groupby("text", sort=False):
        lines.append((wrapped(str(text), 84), None))
        for _, claim in group.iterrows():
            encoder = study.shared.encoders[claim["encoder"]].title if several else ""
            lines.append((_pair(study, claim, encoder), claim))
    figure = Figure(figsize=(WIDTH, 1.3 + 0.42 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    margin = study.shared.verdicts.claim_margin
    axes.spines["left"].set_visible(False)
    axes.axvline(0, color="black", linewidth=1)
    axes.axvline(margin, color="#8a8a8a", linewidth=1, linestyle=(0, (4, 3)))
    for y, (text, claim) in enumerate(lines):
        if claim is None:
            # Across the whole figure, which is wider than the plot; left out of the layout so as not to widen it.
            heading = axes.annotate(text, (0.01, y), xycoords=("figure fraction", "data"), va="center",
                                    fontweight="bold", annotation_clip=False, bbox=WHITE, zorder=4)  # fmt: skip
            heading.set_in_layout(False)
        elif pd.isna(claim["difference"]):
            _beside(axes, y, str(claim["verdict"]), QUIET)
        else:
            low, difference, high = (float(claim[name]) for name in ("ci_low", "difference", "ci_high"))
            _bar(axes, y, low, difference, high, colours[claim["other"]], "solid")
            _beside(axes, y, f"{format_signed(difference)}  {format_interval(low, high)}\n{claim['verdict']}")
    _name_rows(axes, [text if claim is not None else "" for text, claim in lines])
    kinds = " or ".join(kind for kind in dict.fromkeys(claims["ci_kind"]) if kind) or "none"
    axes.set_xlabel(
        f"paired difference in {METRIC_TITLES[study.params.primary_metric]}, percentage points\n"
        f"bar: {study.shared.statistics.confidence:.0%} interval ({kinds})\n"
        f"solid line: no difference; broken line: the claims' margin, {margin:g}"
    )
    return figure


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
    grid = figure.subplots(height, columns, sharex=True, sharey=True, squeeze=False)
    styles = dict(zip(study.params.seeds, itertools.cycle(LINE_STYLES), strict=False))
    lines = [
        [(seed, *_thinned(line, curves)) for seed, line in _of_cell(histories, row).groupby("seed")] for row in rows
    ]
    for index, row in enumerate(rows):
        axes = grid.flat[index]
        for _, x, y in (line for others in lines[:index] + lines[index + 1 :] for line in others):
            axes.plot(x, y, color="#dedede", linewidth=0.7, zorder=1)
        for seed, x, y in lines[index]:
            look = SEED_LINE | {"color": row.colour, "linestyle": styles[seed], "marker": "o" if len(x) <= 12 else None}
            axes.plot(x, y, **look)
        if not lines[index]:
            axes.annotate("not recorded", (0.5, 0.5), xycoords="axes fraction", ha="center", color="#7a7a7a")
        axes.set_title(wrapped(row.label, 30))
        axes.tick_params(labelbottom=index + columns >= len(rows))
    for axes in grid.flat[len(rows) :]:
        axes.set_visible(False)
    looks = ({"color": "black", "linestyle": style, "label": f"seed {seed}"} for seed, style in styles.items())
    figure.legend(handles=[Line2D([], [], **SEED_LINE, **look) for look in looks], loc="outside upper right", ncols=6)
    figure.supxlabel(curves.x, fontsize=9)
    metric = METRIC_TITLES[selection_metric(study.params)]
    figure.supylabel(
        curves.y_label.format(selection_metric=metric, selection_split=study.protocol.selection_split), fontsize=9
    )
    return figure


def _pair(study: Study, claim: pd.Series, encoder: str) -> str:
    other = f"− {study.title(claim['other'])}" + (f" ({encoder})" if encoder else "")
    return wrapped(study.title(claim["variant"]), 30) + "\n" + wrapped(other, 30)


def _of_cell(frame: pd.DataFrame, row: Row) -> pd.DataFrame:
    return frame[(frame["variant"] == row.variant) & (frame["encoder"] == row.encoder)]


def _limits(results: pd.DataFrame, seeds: pd.DataFrame) -> tuple[float, float]:
    """The scale serves all cells save those below all others by more than twice the range of the others."""
    if results.empty:
        return 0.0, 100.0
    kept = results.sort_values("ci_high")
    while len(kept) > 2:
        lowest, others = kept.iloc[0], kept.iloc[1:]
        if others["ci_low"].min() - lowest["ci_high"] <= 2 * (others["ci_high"].max() - others["ci_low"].min()):
            break
        kept = others
    values = seeds.merge(kept[["encoder", "variant"]], on=["encoder", "variant"])["value"]
    low, high = min([kept["ci_low"].min(), *values]), max([kept["ci_high"].max(), *values])
    room = max(0.04 * (high - low), 0.5)
    return float(low - room), float(high + room)


def _beside(axes: Axes, y: float, text: str, colour: str = "black") -> None:
    axes.annotate(text, (1.02, y), xycoords=BESIDE, va="center", fontsize=8, color=colour, annotation_clip=False)


def _bar(axes: Axes, y: float, low: float, middle: float, high: float, colour: str, style: LineStyle) -> None:
    axes.plot([low, high], [y, y], color=colour, linewidth=5, alpha=0.35, linestyle=style, solid_capstyle="butt")
    axes.plot([middle], [y], color=colour, **MEAN_MARK)


def _name_rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def _key(styles: Mapping[str, LineStyle], confidence: float) -> list[Line2D]:
    bar = {"color": "black", "alpha": 0.35, "linewidth": 5}
    return [
        Line2D([], [], color="black", label="mean", **MEAN_MARK),
        Line2D([], [], color="black", label="one seed", **SEED_MARK),
        *(Line2D([], [], linestyle=styles[kind], label=f"{confidence:.0%} interval: {kind}", **bar) for kind in styles),
    ]


def _thinned(line: pd.DataFrame, curves: Curves) -> tuple[list[float], list[float]]:
    """The x and y of a line, each point the mean of consecutive ones where there are too many."""
    line = line.sort_values(curves.x)[[curves.x, curves.y]].astype(float).reset_index(drop=True)
    means = line.groupby(line.index // max(1, -(-len(line) // MOST_POINTS_A_LINE))).mean()
    return means[curves.x].tolist(), means[curves.y].tolist()
