"""The work that both sides do: the same texts, labels, pairs, batch size, limit and number of updates.

SetFit alone draws pairs of its own, as many, from the rows that ours name.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.phases.pairs import make_pairs
from threephase.study.read_params import load_studies
from threephase.study.schema import refuse_unknown

PHASES = ("dae", "contrastive", "classifier", "embedding")
DELETION_RATIO, LEARNING_RATE = 0.6, 2e-5


@dataclass(frozen=True)
class Work:
    """One phase on one data set. ``examples`` is texts, or pairs of texts in the contrastive phase.

    ``class_ids``: (texts,) integers. ``left``, ``right``: row numbers of the pairs' texts, which are then those of all
    training rows; ``similarity``: (pairs,) float32; all three empty elsewhere. ``all_texts``: those of all training
    rows, as a training whose words an encoder learns has them.
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
    all_texts: list[str]

    @property
    def examples(self) -> int:
        return len(self.left) if self.phase == "contrastive" else len(self.texts)

    def first(self, examples: int) -> "Work":
        """The same work on the first examples only."""
        names = ("left", "right", "similarity") if self.phase == "contrastive" else ("texts", "class_ids")
        return replace(self, **{name: getattr(self, name)[:examples] for name in names})


def inputs(data: str, encoder: str) -> tuple[Path, Path]:
    """The prepared texts and the fetched encoder, of the first study that has them.

    UserError with the command that makes what is missing; every study of a data set prepares the same texts.
    """
    studies = load_studies().values()
    of_data = [study for study in studies if study.params.dataset == data]
    of_encoder = [study for study in studies if encoder in study.params.encoders]
    refuse_unknown(paths.STUDIES, "--data", data, sorted({study.params.dataset for study in studies}))
    refuse_unknown(
        paths.STUDIES, "--encoder", encoder, sorted({name for study in studies for name in study.params.encoders})
    )
    files = [paths.examples(study.folder) for study in of_data]
    folders = [paths.pretrained_encoder(study.folder, encoder) for study in of_encoder]
    file, folder = (next((path for path in made if path.exists()), None) for made in (files, folders))
    if file is None:
        raise UserError(f"{files[0]}: no such file; run: {of_data[0].in_folder} repro prepare_data")
    if folder is None:
        raise UserError(f"{folders[0]}: no such folder; run: {of_encoder[0].in_folder} repro fetch_encoder@{encoder}")
    return file, folder


def make_work(phase: str, data: str, encoder: str, batch_size: int, max_length: int, batches: int) -> Work:
    """So many full batches of the phase from the training rows of a prepared data set, drawn with a fixed seed.

    Where the set has fewer rows than that, they are repeated; the pairs are drawn from all rows as phase 2 does.
    """
    file, folder = inputs(data, encoder)
    rows, random = pd.read_parquet(file, columns=["text", "label", "split"]), np.random.default_rng(0)
    rows = rows[rows["split"] == "train"] if (rows["split"] == "train").any() else rows
    count, none = batches * batch_size, np.empty(0, dtype=int)
    order = np.concatenate([random.permutation(len(rows)) for _ in range(-(-count // len(rows)))])[:count]
    classes = pd.factorize(rows["label"], sort=True)[0]
    all_texts = rows["text"].tolist()
    if phase != "contrastive":
        texts = rows["text"].to_numpy()[order].tolist()
        return Work(phase, folder, texts, classes[order], none, none, none, batch_size, max_length, all_texts)
    text_ids, n_classes = pd.factorize(rows["text"])[0], int(classes.max()) + 1
    pairs = make_pairs(text_ids, classes[:, None], 1, n_classes, random, count + count % 2)
    pairs = pairs[random.permutation(len(pairs))[:count]]
    sides = pairs.left, pairs.right, pairs.similarity
    return Work(phase, folder, all_texts, classes, *sides, batch_size, max_length, all_texts)
