"""The same test rows before and after the phases, as a page draws them: a panel an encoder, a look a class."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from threephase.report.drawing import COLOURS, colour
from threephase.report.finished import Finished
from threephase.results.representations import (
    FINE_TUNED_PHASE,
    PROJECTIONS,
    Panel,
    format_silhouette,
    panels_of,
    separation_text,
)  # fmt: skip
from threephase.results.tables import format_number
from threephase.study.rules import freezes_encoder

SIDE, EDGE = 200, 6  # of a panel, in its own units
# Shape tells classes apart beside the colours: the line that a point is, behind its place, and how it is drawn.
# A square has a length, as a line without one is not printed.
SHAPES = (("h0", "round"), ("h.01", "square"), ("m-3 0h6", "thin"), ("m0-3v6", "thin"), ("m-3 0h6m-3-3v6", "thin"))
LOOKS = COLOURS * len(SHAPES)
# How each projection is named, and what may be read from it.
PROJECTION_TEXTS = {
    "pca": ("PCA", "The two directions of largest variance, fitted to each panel's vectors."),
    "tsne": ("t-SNE", "Neighbours stay neighbours; the sizes of clusters and the distances between them mean nothing."),
}


def looks_of(classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and shape by class; they begin anew behind ``LOOKS`` classes."""
    looks = {}
    for number, name in enumerate(classes):
        line, drawn = SHAPES[(number + number // COLOURS) % len(SHAPES)]
        looks[name] = {"colour": colour(number), "line": line, "drawn": drawn}
    return looks


def representations_context(finished: Finished) -> list[dict[str, Any]]:
    """What the page shows of each encoder that is drawn."""
    study = finished.study
    return [_of_encoder(finished, encoder) for encoder in study.params.encoders if study.params.draw_encoders]


def _of_encoder(finished: Finished, encoder: str) -> dict[str, Any]:
    """An encoder's numbers and figures; ``lines`` is empty where its stage has not run."""
    study = finished.study
    context = {"title": study.shared.encoders[encoder].title, "lines": [], "figures": []}
    if encoder not in finished.representations:
        return context
    points, separation = finished.representations[encoder]
    panels = [panel for panel in panels_of(study, encoder) if len(_of_panel(separation, panel))]
    for panel in panels:
        line = _of_panel(separation, panel).iloc[0]
        accuracy = line["nearest_mean_accuracy"]
        nearest = "none" if pd.isna(accuracy) else format_number(accuracy)
        context["lines"].append((panel.title, panel.owner, format_silhouette(line["silhouette"]), nearest))
    first, looks = separation.iloc[0], looks_of(sorted(points["class"].unique()))
    return context | {
        "seed": first["seed"],
        "n_test": first["n_test"],
        "n_train": first["n_train"],
        "frozen": freezes_encoder(study, encoder, study.params.hyperparameters[encoder]),
        "fine_tuned": (separation["phase"] == FINE_TUNED_PHASE).any(),
        "classes": looks,
        "figures": [
            {
                "title": PROJECTION_TEXTS[name][0],
                "caption": PROJECTION_TEXTS[name][1],
                "panels": [
                    {
                        "title": panel.title,
                        "owner": panel.owner,
                        "note": separation_text(_of_panel(separation, panel).iloc[0]),
                        "marks": _marks(_of_panel(points, panel), name, looks),
                    }
                    for panel in panels
                ],
            }
            for name in PROJECTIONS
        ],
    }


def _of_panel(frame: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    return frame[(frame["phase"] == panel.phase) & (frame["variant"] == panel.variant)]


def _marks(points: pd.DataFrame, projection: str, looks: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """A path a class; what a distance is differs between panels, so that each fills its own."""
    places = points[[f"{projection}_x", f"{projection}_y"]]
    span = float((places.max() - places.min()).max()) or 1.0
    # As far from the middle as the wider direction needs, upwards where the values grow.
    centred = (places - (places.max() + places.min()) / 2) / span * (SIDE - 2 * EDGE)
    across, up = ((SIDE / 2 + sign * centred.iloc[:, axis]).round().astype(int) for axis, sign in ((0, 1), (1, -1)))
    marks = []
    for name, rows in points.groupby("class").groups.items():
        look = looks[name]
        path = "".join(f"M{across[row]} {up[row]}{look['line']}" for row in rows)
        marks.append(look | {"name": name, "path": path})
    return marks
