"""The work that both sides do: the same texts, labels, pairs, batch size, limit and number of updates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stages.common import paths
from stages.common.errors import UserError
from stages.common.pairs import make_pairs

PHASES = ("dae", "contrastive", "classifier", "embedding")
DELETION_RATIO, LEARNING_RATE = 0.6, 2e-5


@dataclass(frozen=True)
class Work:
    """One phase on one data set. ``examples`` is texts, or pairs of texts in the contrastive phase.

    ``left``, ``right``: row numbers of the pairs' texts; ``similarity``: (pairs,) float32; all three empty elsewhere.
    """

    phase: str
    encoder: Path
    texts: list[str]
    class_ids: np.ndarray
    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray
    batch_size: int
    max_length: int

    @property
    def examples(self) -> int:
        return len(self.left) if self.phase == "contrastive" else len(self.texts)

    def first(self, examples: int) -> "Work":
        """The same work on the first examples only, to warm up with."""
        kept = slice(examples)
        if self.phase == "contrastive":
            return Work(**vars(self) | {name: getattr(self, name)[kept] for name in ("left", "right", "similarity")})
        return Work(**vars(self) | {"texts": self.texts[kept], "class_ids": self.class_ids[kept]})


def make_work(phase: str, data: str, encoder: str, batch_size: int, max_length: int, updates: int) -> Work:
    """``updates`` full batches of the phase from the training rows of a prepared data set, drawn with a fixed seed.

    Where the set has fewer rows than that, they are repeated; the pairs are drawn from all rows as phase 2 does.
    """
    file = paths.examples(data)
    if not file.is_file():
        raise UserError(f"{file}: no such file; run: dvc repro data/{data}/dvc.yaml:prepare_data")
    folder = paths.pretrained_encoder(encoder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; run: dvc repro encoders/dvc.yaml:fetch_encoder@{encoder}")
    rows, random = pd.read_parquet(file, columns=["text", "label", "split"]), np.random.default_rng(0)
    rows = rows[rows["split"] == "train"] if (rows["split"] == "train").any() else rows
    count, none = updates * batch_size, np.empty(0, dtype=int)
    order = np.concatenate([random.permutation(len(rows)) for _ in range(-(-count // len(rows)))])[:count]
    classes = pd.factorize(rows["label"], sort=True)[0]
    if phase != "contrastive":
        texts = rows["text"].to_numpy()[order].tolist()
        return Work(phase, folder, texts, classes[order], none, none, none, batch_size, max_length)
    text_ids, epochs, pairs = pd.factorize(rows["text"])[0], 1, ()
    while len(pairs) < count:
        drawn = np.random.default_rng(0)
        pairs, epochs = make_pairs(text_ids, classes[:, None], epochs, int(classes.max()) + 1, drawn), 2 * epochs
    pairs = pairs[random.permutation(len(pairs))[:count]]
    texts = rows["text"].tolist()
    return Work(phase, folder, texts, classes, pairs.left, pairs.right, pairs.similarity, batch_size, max_length)
