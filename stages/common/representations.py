"""What phases 1 and 2 do to an encoder: the same test rows before and after each, as points and as two numbers.

It describes encoders after every choice was made; nothing is chosen by it. Phase 3's encoders are not kept.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.common import paths
from stages.common.engine.randomness import generator
from stages.common.errors import UserError
from stages.common.settings import Study

if TYPE_CHECKING:
    from stages.common.engine.models import SentenceEncoder
    from stages.common.engine.runs import Run
    from stages.common.engine.tokens import TextTokenizer

PRETRAINED_PHASE = "pretrained"
# By the stage that makes an encoder: the name of what it has been through, and how a panel says it.
PHASES = {
    "train_dae": ("phase_1", "After phase 1"),
    "train_contrastive": ("phases_1_2", "After phases 1 and 2"),
    "train_contrastive_from_pretrained": ("phase_2", "After phase 2 alone"),
    "train_joint": ("joint", "After both in one training"),
}
PROJECTIONS = ("pca", "tsne")
MOST_POINTS = 1000
MOST_TRAINING_ROWS_A_CLASS = 500  # the mean of so many vectors is known well enough
TSNE_SEED, TSNE_PERPLEXITY = 0, 30
DECIMALS = 4


@dataclass(frozen=True)
class Panel:
    """One encoder of the pictures; ``variant`` is the one whose encoder it is, empty for the pre-trained one."""

    phase: str
    variant: str
    title: str
    owner: str


def panels_of(study: Study) -> list[Panel]:
    """The pre-trained encoder, then those that this benchmark trains, in the order of the phases."""
    found = [Panel(PRETRAINED_PHASE, "", "Pre-trained", "before any phase")]
    for stage, (phase, title) in PHASES.items():
        for variant in getattr(study.benchmark.run_variants, stage):
            found.append(Panel(phase, variant, title, study.title(variant)))
    return found


def represent(run: "Run") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Points and separation of the run's encoder and seed.

    Points: phase, variant, example_id, class, pca_x, pca_y, tsne_x, tsne_y, the same rows in every phase; each
    projection is fitted to the unit vectors of its own phase. Separation: a row a phase, of the unprojected vectors.
    """
    pretrained = run.load_pretrained()
    tokenizer = run.tokenizer(pretrained)
    test = drawn_points(run.part("test"), run.seed)
    if len(test) < 2:
        raise UserError(
            f"{paths.benchmark_params(run.name)}: run_representations: got {len(test)} test row, expected at least 2; "
            "leave the encoder out"
        )
    train = drawn_by_class(run.part("train"), run.seed)
    points, separation = [], []
    for panel in panels_of(run.study):
        encoder = run.load_encoder(panel.variant) if panel.variant else pretrained
        vectors, train_vectors = (unit_vectors(run, encoder, tokenizer, rows) for rows in (test, train))
        labels, who = test["label"].to_numpy(), {"phase": panel.phase, "variant": panel.variant}
        rows = pd.DataFrame({**who, "example_id": test["example_id"].to_numpy(), "class": labels})
        points.append(rows.assign(**projected(vectors)))
        separation.append(
            {
                **who,
                "silhouette": silhouette(vectors, labels),
                "nearest_mean_accuracy": nearest_mean_accuracy(
                    train_vectors, train["label"].to_numpy(), vectors, labels
                ),
                "n_test": len(test),
                "n_train": len(train),
            }
        )
    return pd.concat(points, ignore_index=True), pd.DataFrame(separation)


def drawn_points(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """All rows, or ``MOST_POINTS`` of them drawn by the seed; in the data's order."""
    chosen = generator(seed, "points of the pictures").permutation(len(rows))[:MOST_POINTS]
    return rows.iloc[np.sort(chosen)]


def drawn_by_class(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Of each class all rows, or ``MOST_TRAINING_ROWS_A_CLASS`` drawn by the seed; in the data's order."""
    order = generator(seed, "class means of the pictures").permutation(len(rows))
    chosen = rows.iloc[order].groupby("label").head(MOST_TRAINING_ROWS_A_CLASS)
    return rows.loc[chosen.index.sort_values()]


def unit_vectors(run: "Run", encoder: "SentenceEncoder", tokenizer: "TextTokenizer", rows: pd.DataFrame) -> np.ndarray:
    """The rows' sentence vectors as phase 3 would score them, of unit length, (rows, hidden size)."""
    from stages.common.engine.embedding import embed

    texts = run.scored(rows, tokenizer)["text"].tolist()
    vectors = embed(encoder, tokenizer(texts), tokenizer, run.machine).cpu().numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def projected(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Two coordinates a row by PCA and two by t-SNE, each [rows]; the same vectors give the same coordinates."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = max(1.0, min(TSNE_PERPLEXITY, (len(vectors) - 1) / 3))
    # Several threads would add in an order that changes from run to run, and t-SNE makes pictures of last digits.
    with threadpool_limits(limits=1):
        found = {
            "pca": PCA(n_components=2, svd_solver="full").fit_transform(vectors),
            "tsne": TSNE(perplexity=perplexity, init="pca", random_state=TSNE_SEED).fit_transform(vectors),
        }
    return {
        f"{name}_{axis}": found[name][:, number].astype(float).round(DECIMALS)
        for name in PROJECTIONS
        for number, axis in enumerate("xy")
    }


def silhouette(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette by cosine distance, -1 to 1; not a number with one class, or as many classes as rows."""
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(labels)) < len(labels):
        return float("nan")
    return float(silhouette_score(vectors, labels, metric="cosine"))


def nearest_mean_accuracy(
    train_vectors: np.ndarray, train_labels: np.ndarray, vectors: np.ndarray, labels: np.ndarray
) -> float:
    """Percent of rows whose class has the nearest (Euclidean) mean of the training rows' unit vectors.

    A class without a training row has no mean, so that its rows count as wrong; not a number where only one has a mean.
    """
    from sklearn.metrics import pairwise_distances_argmin

    classes = np.unique(train_labels)
    if len(classes) < 2:
        return float("nan")
    means = np.stack([train_vectors[train_labels == name].mean(axis=0) for name in classes])
    return 100 * float(np.mean(classes[pairwise_distances_argmin(vectors, means)] == labels))


def format_silhouette(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:+.2f}"


def separation_text(line: pd.Series) -> str:
    """The two numbers of a phase in words; ``line`` is a row of the separation table."""
    accuracy = line["nearest_mean_accuracy"]
    nearest = "none" if np.isnan(accuracy) else f"{accuracy:.1f}%"
    return f"silhouette {format_silhouette(line['silhouette'])}, nearest mean {nearest}"
