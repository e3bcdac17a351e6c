"""How every figure looks, and how it is written; without matplotlib until one is written."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours without the yellow that vanishes on white, then wine and olive of Paul Tol's muted set.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#000000", "#999933", "#117733")
STYLE = {
    "svg.hashsalt": "figures",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
}
QUIET = "#6b6b6b"
WIDTH = 7.4  # inches
MOST_LINES = 3


def save_figure(figure: "Figure", folder: Path, name: str) -> None:
    """Write ``<name>.svg`` and ``<name>.png`` without a date or a version, so equal figures are equal files."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(folder / f"{name}.png", dpi=160, metadata={"Software": None})


def short(text: str, characters: int) -> str:
    """A name from the data for a label of a figure: at most so many characters, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def wrapped(text: str, characters: int) -> str:
    """A text from the params for a figure: at most ``MOST_LINES`` lines, in which no dollar sign opens a formula."""
    lines = textwrap.wrap(" ".join(text.split()), characters, max_lines=MOST_LINES, placeholder=" …")
    return "\n".join(lines).replace("$", r"\$")
