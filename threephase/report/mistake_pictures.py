"""Where trained variants go wrong: confusion matrices as heat maps, and the rows on which variants differ.

The figure has one panel a variant, a row a label, a column a predicted class. Behind it the part of a study's page.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from threephase.base import paths
from threephase.base.files import read_table
from threephase.report.figure_style import QUIET, STYLE, WIDTH, embedded, short, small_multiples, wrapped
from threephase.report.rows import Row, of_cell, rows_of
from threephase.results.mistakes import CORRECT
from threephase.results.tables import format_number
from threephase.study.params import Study

COLUMNS = 3
COLOURS = "Blues"  # one hue from white, which is read by lightness alone
MOST_NUMBERED, MOST_NAMED = 10, 25  # classes: beyond, a cell is too small for its number, an axis for its names
LABEL_CHARACTERS = 20
MOST_ROWS, MOST_CHARACTERS = 20, 200  # of the rows that variants differ on, on a page


@matplotlib.rc_context(STYLE)
def confusion_figure(study: Study, confusion: pd.DataFrame) -> Figure:
    """Percent of a label's test rows, over all seeds, by predicted class; ``confusion`` is ``confusion.csv``.

    A trained cell without rows shows as missing. A label that no test row has is a grey line.
    """
    trained = study.params.trained()
    rows = [row for row in rows_of(study) if row.variant in trained]
    classes = list(dict.fromkeys(confusion["label"]))
    columns = max(1, min(COLUMNS, len(rows)))
    height = max(1, -(-len(rows) // columns))
    figure = Figure(figsize=(WIDTH, 1.9 + 2.1 * height), layout="constrained")
    drawn = None
    for index, (axes, row) in enumerate(zip(small_multiples(figure, len(rows), columns), rows, strict=True)):
        axes.set_title(wrapped(row.label, 30))
        shares = _shares(confusion, row, classes)
        if shares.empty:
            axes.annotate("missing", (0.5, 0.5), xycoords="axes fraction", ha="center", color=QUIET)
            edge = max(1, len(classes)) - 0.5
            axes.set(xlim=(-0.5, edge), ylim=(edge, -0.5), box_aspect=1)
        else:
            drawn = _heat_map(axes, shares)
        axes.spines[:].set(visible=True, color="#d0d0d0")
        axes.tick_params(length=0, labelsize=7)
        # Of the missing ones too: a panel at the edge names the classes of those beside it.
        _name_classes(axes, classes, below=index + columns >= len(rows), left=index % columns == 0)
    if drawn is not None:
        scale = figure.colorbar(drawn, ax=figure.axes, location="bottom", shrink=0.5, aspect=50)
        scale.set_label("percent of the label's test rows, all seeds", fontsize=8)
        scale.ax.tick_params(labelsize=7)
        scale.outline.set_visible(False)
    return figure


def _shares(confusion: pd.DataFrame, row: Row, classes: list[str]) -> pd.DataFrame:
    """The cell's matrix in percent, [labels, predicted]; empty where it has no rows."""
    shares = of_cell(confusion, row).pivot(index="label", columns="predicted", values="percent")
    return shares.reindex(index=classes if len(shares) else [], columns=classes)


def _heat_map(axes: Axes, shares: pd.DataFrame) -> matplotlib.image.AxesImage:
    colours = matplotlib.colormaps[COLOURS].with_extremes(bad="#e6e6e6")
    image = axes.imshow(shares.to_numpy(dtype=float), cmap=colours, vmin=0, vmax=100, interpolation="nearest")
    if len(shares) <= MOST_NUMBERED:
        for y, line in enumerate(shares.to_numpy(dtype=float)):
            for x, value in enumerate(line):
                if value >= 0.5:
                    colour = "white" if value > 55 else "black"
                    size = 7 if len(shares) <= 6 else 5.5
                    axes.annotate(f"{value:.0f}", (x, y), ha="center", va="center", fontsize=size, color=colour)
    return image


def _name_classes(axes: Axes, classes: list[str], below: bool, left: bool) -> None:
    """Names at the outer panels alone, every one; beyond ``MOST_NAMED`` classes none, as the table has them."""
    axes.set(xlabel="predicted" if below else "", ylabel="label" if left else "")
    names = [short(name, LABEL_CHARACTERS) for name in classes]
    if len(names) > MOST_NAMED:
        axes.set(xticks=[], yticks=[])
        return
    numbers = range(len(names))
    axes.set_xticks(numbers, names if below else [""] * len(names), rotation=90, parse_math=False)
    axes.set_yticks(numbers, names if left else [""] * len(names), parse_math=False)


def mistakes_context(study: Study, texts: bool) -> dict[str, Any]:
    """What the page shows of mistakes; what was not made is None.

    ``texts``: whether the rows that variants differ on are shown with their texts, cut at ``MOST_CHARACTERS``. Only a
    page that stays with the reader may do that; any other names the rows by id.
    """
    return {
        "confusion": _confusion(study),
        "disagreements": _disagreements(study, texts),
        "texts": texts,
        "most_characters": MOST_CHARACTERS,
    }


def _confusion(study: Study) -> dict[str, str] | None:
    file = paths.mistakes(study.folder) / "confusion.svg"
    if not file.is_file():
        return None
    caption = (
        "One panel a trained variant: a row is a label, a column the predicted class. A number is the percent of the "
        "label's test rows, all seeds together; below half a percent none stands. The diagonal is each class's recall."
    )
    alternative = "Heat maps of labels against predicted classes; confusion.csv has the same numbers."
    return embedded(file, "Confusion matrices", caption, alternative)


def _disagreements(study: Study, texts: bool) -> list[dict[str, Any]] | None:
    """A table an encoder; None where the stage has not run."""
    file = paths.mistakes(study.folder) / "disagreements.csv"
    if not file.is_file():
        return None
    frame = pd.read_csv(file, dtype={"example_id": str, "label": str}, keep_default_na=False)
    by_id: dict[str, str] = {}
    if texts and len(frame):
        examples = read_table(paths.examples(study.folder))
        by_id = dict(zip(examples["example_id"].astype(str), examples["text"], strict=True))
    return [_table(study, encoder, rows, by_id) for encoder, rows in frame.groupby("encoder", sort=False)]


def _table(study: Study, encoder: str, rows: pd.DataFrame, by_id: Mapping[str, str]) -> dict[str, Any]:
    variants = [column.removeprefix(CORRECT) for column in rows if column.startswith(CORRECT)]
    return {
        "encoder": study.shared.encoders[encoder].title,
        "variants": [study.title(variant) for variant in variants],
        "listed": len(rows),
        "rows": [
            {
                "example_id": row["example_id"],
                "text": _cut(by_id.get(row["example_id"], "")),
                "label": row["label"],
                "spread": format_number(row["spread"]),
                "distinct": row["distinct_predictions"],
                "shares": [f"{float(row[CORRECT + variant]):.0f}" for variant in variants],
            }
            for _, row in rows.head(MOST_ROWS).iterrows()
        ],
    }


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS].rstrip() + " …"
