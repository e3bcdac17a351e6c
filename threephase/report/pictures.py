"""The page's part on encoders and single predictions: representations, confusions, and the rows variants differ on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.files import read_table
from threephase.report.display import data_uri
from threephase.results.mistakes import CORRECT
from threephase.results.representations import FINE_TUNED_PHASE, format_silhouette, panels_of, separation_text
from threephase.results.tables import format_number
from threephase.study.params import Study
from threephase.study.rules import freezes_encoder

MOST_ROWS, MOST_CHARACTERS = 20, 200
# How each projection is named, and what may be read from it.
PROJECTION_TEXTS = {
    "pca": ("PCA", "The two directions of largest variance, fitted to each panel's vectors."),
    "tsne": (
        "t-SNE",
        "Neighbours stay neighbours; the sizes of clusters and the distances between them mean nothing.",
    ),
}


def pictures(study: Study, texts: bool) -> dict[str, Any]:
    """What the template ``representations.html.j2`` shows; what was not made is empty.

    ``texts``: whether the rows that variants differ on are shown with their texts, cut at ``MOST_CHARACTERS``, which
    only a page that stays with the reader may do; else with their ids alone.
    """
    drawn = study.params.encoders if study.params.draw_encoders else []
    return {
        "representations": [_representation(study, encoder) for encoder in drawn],
        "confusion": _confusion(study),
        "disagreements": _disagreements(study, texts),
        "texts": texts,
        "most_rows": MOST_ROWS,
        "most_characters": MOST_CHARACTERS,
    }


def _representation(study: Study, encoder: str) -> dict[str, Any]:
    """One encoder's numbers and figures; ``lines`` is empty where its stage has not run."""
    folder = paths.representations(study.folder, encoder)
    found = {"title": study.shared.encoders[encoder].title, "lines": [], "figures": [], "seed": None}
    file = folder / "separation.csv"
    if not file.is_file():
        return found
    separation = pd.read_csv(file, keep_default_na=False, na_values={"silhouette": "", "nearest_mean_accuracy": ""})
    titles = {(panel.phase, panel.variant): (panel.title, panel.owner) for panel in panels_of(study, encoder)}
    spoken = []
    for _, line in separation.iterrows():
        title, owner = titles[line["phase"], line["variant"]]
        accuracy = line["nearest_mean_accuracy"]
        nearest = "" if pd.isna(accuracy) else format_number(accuracy)
        found["lines"].append((title, owner, format_silhouette(line["silhouette"]), nearest))
        spoken.append(f"{title} ({owner}): {separation_text(line)}")
    first = separation.iloc[0]
    settings = study.params.hyperparameters[encoder]
    return found | {
        "seed": first["seed"],
        "n_test": first["n_test"],
        "n_train": first["n_train"],
        "frozen": freezes_encoder(study, encoder, settings),
        "fine_tuned": (separation["phase"] == FINE_TUNED_PHASE).any(),
        "figures": [
            _figure(folder / f"{name}.svg", title, caption, f"{title} of the test rows' vectors. " + "; ".join(spoken))
            for name, (title, caption) in PROJECTION_TEXTS.items()
        ],
    }


def _figure(file: Path, title: str, caption: str, alternative: str) -> dict[str, str]:
    return {"uri": data_uri(file), "title": title, "caption": caption, "alternative": alternative}


def _confusion(study: Study) -> dict[str, str] | None:
    file = paths.mistakes(study.folder) / "confusion.svg"
    if not file.is_file():
        return None
    caption = (
        "One panel a trained variant: a row is a label, a column the predicted class, a number the percent of the "
        "label's test rows, all seeds together; the diagonal is each class's recall. Below half a percent no number."
    )
    alternative = "Heat maps of labels against predicted classes; confusion.csv has the same numbers."
    return _figure(file, "Confusion matrices", caption, alternative)


def _disagreements(study: Study, texts: bool) -> list[dict[str, Any]] | None:
    """A table an encoder; None where the stage has not run."""
    file = paths.mistakes(study.folder) / "disagreements.csv"
    if not file.is_file():
        return None
    frame = pd.read_csv(file, dtype={"example_id": str, "label": str}, keep_default_na=False)
    by_id = _texts(study) if texts and len(frame) else {}
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


def _texts(study: Study) -> dict[str, str]:
    examples = read_table(paths.examples(study.folder))
    return dict(zip(examples["example_id"].astype(str), examples["text"], strict=True))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS].rstrip() + " …"
