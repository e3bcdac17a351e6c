"""Results and claims to figures: seeds are dots, intervals are bars, a variant has one colour everywhere.

Figures are made without pyplot, so no state outlives a call, and the same frames give the same SVG bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from threephase.base import paths
from threephase.report.figure_style import QUIET, STYLE, WIDTH, wrapped
from threephase.report.rows import of_cell, rows_of, variant_colours
from threephase.results.tables import METRIC_TITLES, MISSING, format_interval, format_number, format_signed
from threephase.study.params import Study

LineStyle = str | tuple[float, tuple[float, float]]
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
BESIDE = ("axes fraction", "data")
INTERVAL_STYLES: tuple[LineStyle, ...] = ("solid", (0, (1.2, 0.6)), (0, (0.4, 0.4)))
MEAN_MARK = {"marker": "D", "markersize": 6, "linestyle": "none"}
SEED_MARK = {"marker": "o", "markersize": 4, "markerfacecolor": "white", "linestyle": "none"}


def figures_folder(study: Study) -> Path:
    """Where the figures of a study lie."""
    return paths.reports(study.folder) / "figures"


def captions(study: Study) -> dict[str, tuple[str, str, str]]:
    """By figure: title, caption, and the text for who can't see it."""
    metric = METRIC_TITLES[study.params.primary_metric]
    return {
        "variants": (
            f"{metric} by variant",
            "Dots are seeds, the diamond is their mean, the bar is the mean's interval (what it covers stands in the "
            "key). Baselines are grey; whatever lies far off the scale is written at its edge.",
            f"Every cell's {metric} on the test rows with its interval; the table of results has the same numbers.",
        ),
        "claims": (
            "Paired differences behind the claims",
            "Right of the solid line the claimed variant is better. Supported: the whole bar lies right of it. "
            "Not supported: the whole bar lies left of the broken line. Undecided: all else.",
            "Every comparison's difference with its interval; the table of claims has the same numbers.",
        ),
    }


@matplotlib.rc_context(STYLE)
def variants_figure(study: Study, results: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """One line a cell, primary metric: its seeds as dots, the mean as a diamond, the interval as a bar.

    ``results`` and ``runs`` hold the columns of results.csv and runs.csv, in percent. A cell without a row shows as
    missing. One far below all others is written at the left edge, so that the scale serves the others.
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
        cell = of_cell(results, row)
        if cell.empty:
            _beside(axes, y, MISSING, QUIET)
            continue
        mean, low, high = (float(cell.iloc[0][name]) for name in ("mean", "ci_low", "ci_high"))
        _beside(axes, y, f"{format_number(mean)}  {format_interval(low, high)}")
        if mean < axes.get_xlim()[0]:
            axes.annotate("◂ off the scale", (0.01, y), xycoords=BESIDE, color=row.colour, va="center", fontsize=8)
            continue
        _bar(axes, y, low, mean, high, row.colour, styles[cell.iloc[0]["ci_kind"]])
        values = of_cell(seeds, row)["value"]
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
            suffix = f" ({study.shared.encoders[claim['encoder']].title})" if several else ""
            other = f"− {study.title(claim['other'])}{suffix}"
            lines.append((f"{wrapped(study.title(claim['variant']), 30)}\n{wrapped(other, 30)}", claim))
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
