"""How every figure looks, how it is written, and how a page embeds it; without matplotlib until one is written."""

import base64
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
MOST_SVG_BYTES = 500_000


def small_multiples(figure: "Figure", panels: int, columns: int, **options: bool) -> "list[Axes]":
    """The axes of so many panels, row by row; ``options`` are those of ``Figure.subplots``."""
    axes = list(figure.subplots(max(1, -(-panels // columns)), columns, squeeze=False, **options).flat)
    for unused in axes[panels:]:
        unused.set_visible(False)
    return axes[:panels]


def save_figure(figure: "Figure", folder: Path, name: str) -> None:
    """Write ``<name>.svg`` and ``<name>.png`` without a date or a version, so equal figures are equal files."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(folder / f"{name}.png", dpi=160, metadata={"Software": None})


def embedded(svg: Path, title: str, caption: str, alternative: str) -> dict[str, str]:
    """A figure as a page's template shows it; ``alternative``: the text for who can't see it."""
    return {"uri": data_uri(svg), "title": title, "caption": caption, "alternative": alternative}


def data_uri(svg: Path) -> str:
    """A figure as a page embeds it; one with very many points as the PNG beside it."""
    small = svg.stat().st_size <= MOST_SVG_BYTES
    file, kind = (svg, "image/svg+xml") if small else (svg.with_suffix(".png"), "image/png")
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"


def short(text: str, characters: int) -> str:
    """A name from the data for a label of a figure: at most so many characters, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def wrapped(text: str, characters: int) -> str:
    """A text from the params for a figure: at most ``MOST_LINES`` lines, in which no dollar sign opens a formula."""
    lines = textwrap.wrap(" ".join(text.split()), characters, max_lines=MOST_LINES, placeholder=" …")
    return "\n".join(lines).replace("$", r"\$")
