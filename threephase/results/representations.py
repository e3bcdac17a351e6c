"""What the phases do to an encoder: the same test rows before and after each, as points and as two numbers.

It describes encoders after every choice was made; nothing is chosen by it. Phase 3 keeps the vectors of these rows
instead of its encoders.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from threephase.base.errors import UserError
from threephase.study import topology
from threephase.study.params import Study
from threephase.study.rules import freezes_encoder, starts_at_random

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun

PRETRAINED_PHASE, FINE_TUNED_PHASE = "pretrained", "phase_3"
# By the stage that makes an encoder: the name of what it has been through, and how a panel says it.
PHASES = {
    topology.DENOISE: ("phase_1", "After phase 1"),
    topology.CONTRAST: ("phases_1_2", "After phases 1 and 2"),
    topology.CONTRAST_PRETRAINED: ("phase_2", "After phase 2 alone"),
    topology.JOINT_TRAINING: ("joint", "After both in one training"),
    topology.METHOD: ("method", "After the method"),
    topology.METHOD_SEVERAL: ("method", "After the method"),
    topology.METHOD_WITH_DATA: ("method", "After the method"),
    topology.METHOD_DENOISED: ("phase_1_method", "After phase 1 and the method"),
}
PROJECTIONS = ("pca", "tsne")
TSNE_SEED, TSNE_PERPLEXITY = 0, 30
DECIMALS = 4


@dataclass(frozen=True)
class Panel:
    """One encoder of the pictures; ``variant`` is the one whose encoder it is, empty for the pre-trained one."""

    phase: str
    variant: str
    title: str
    owner: str


def panels_of(study: Study, encoder: str) -> list[Panel]:
    """The pre-trained encoder, then those that this study trains in the order of the phases.

    Behind each stands what phase 3 makes of it, where phase 3 trains the encoder.
    """
    panels = [Panel(PRETRAINED_PHASE, "", "Pre-trained", "before any phase"), *_fine_tuned(study, encoder, "")]
    trained = [training for training in topology.trainings(study) if training.encoder == encoder]
    for stage, (phase, title) in PHASES.items():
        for variant in (training.variant for training in trained if training.stage == stage):
            panels += [Panel(phase, variant, title, study.title(variant)), *_fine_tuned(study, encoder, variant)]
    return panels


def _fine_tuned(study: Study, encoder: str, start: str) -> list[Panel]:
    """The variants that phase 3 trains from the encoder of ``start``, empty for the pre-trained one."""
    frozen = freezes_encoder(study, encoder, study.params.hyperparameters[encoder])
    panels = []
    for variant in study.params.variants_of(encoder):
        starts = topology.maker_of(study.shared, variant) or ""
        fitted = topology.classifier_program(study.shared, variant) == topology.FIT_CLASSIFIER
        if starts == start and not fitted and (study.shared.variants[variant].recipe or not frozen):
            title = "Phase 3 from random weights" if not start and starts_at_random(study, encoder) else "After phase 3"
            panels.append(Panel(FINE_TUNED_PHASE, variant, title, study.title(variant)))
    return panels


def represent(run: "TrainingRun", study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Points and separation of the run's encoder and seed.

    Points: phase, variant, example_id, class, pca_x, pca_y, tsne_x, tsne_y, the same rows in every phase. Each
    projection is fitted to the unit vectors of its own phase. Separation: a row a panel, of the unprojected vectors.
    """
    from threephase.phases.vectors import pictured_rows, read_vectors, vectors_of

    pretrained = run.load_pretrained()
    tokenizer = run.tokenizer(pretrained)
    test, train = pictured_rows(run)
    if len(test) < 2:
        raise UserError(
            f"{study.file}: draw_encoders: got true with {len(test)} test row, expected at least 2; set it to false"
        )
    points, separation = [], []
    for panel in panels_of(study, run.encoder):
        if panel.phase == FINE_TUNED_PHASE:
            vectors, train_vectors = np.split(read_vectors(run, panel.variant), [len(test)])
        else:
            encoder = run.load_trained(panel.variant) if panel.variant else pretrained
            vectors, train_vectors = (vectors_of(run, encoder, tokenizer, rows) for rows in (test, train))
        labels, who = test["label"].to_numpy(), {"phase": panel.phase, "variant": panel.variant}
        rows = pd.DataFrame({**who, "example_id": test["example_id"].to_numpy(), "class": labels})
        points.append(rows.assign(**projected(vectors)))
        near = nearest_mean_accuracy(train_vectors, train["label"].to_numpy(), vectors, labels)
        numbers = {"silhouette": silhouette(vectors, labels), "nearest_mean_accuracy": near}
        separation.append(who | numbers | {"n_test": len(test), "n_train": len(train)})
    return pd.concat(points, ignore_index=True), pd.DataFrame(separation)


def projected(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Two coordinates a row by PCA and two by t-SNE, each [rows]; the same vectors give the same coordinates."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = max(1.0, min(TSNE_PERPLEXITY, (len(vectors) - 1) / 3))
    # Several threads would add in an order that changes from run to run, and t-SNE makes pictures of last digits.
    with threadpool_limits(limits=1):
        places = {
            "pca": PCA(n_components=2, svd_solver="full").fit_transform(vectors),
            "tsne": TSNE(perplexity=perplexity, init="pca", random_state=TSNE_SEED).fit_transform(vectors),
        }
    return {
        f"{name}_{axis}": places[name][:, number].astype(float).round(DECIMALS)
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
