"""Supervised contrastive learning on pairs (the paper's phase 2)."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stages.common.data import label_levels
from stages.common.engine import Machine
from stages.common.files import read_table
from stages.common.losses import contrastive_loss
from stages.common.models import SentenceEncoder
from stages.common.pairs import Pairs, make_as_many_pairs, make_pairs
from stages.common.paths import splits
from stages.common.randomness import generator
from stages.common.settings import Hyperparameters, Study, Training
from stages.common.tokens import TextTokenizer, length_buckets
from stages.common.training import Updates


def rows_file(study: Study, variant: str, seed: int) -> Path:
    """The (resampled) training rows that the variant's pairs are made of."""
    setting = study.shared.variants[variant].imbalance
    return splits(study.benchmark.name, seed) / f"contrastive_{setting}.parquet"


def pairs_for(study: Study, encoder: str, variant: str, seed: int, n_classes: int) -> tuple[pd.DataFrame, Pairs]:
    """The variant's (resampled) rows and the pairs of them, drawn with the seed.

    Every imbalance setting draws with a generator of the same state; a control draws as many pairs
    as the variant it is compared with.
    """
    definition = study.shared.variants[variant]
    rows = read_table(rows_file(study, variant, seed))
    text_ids, _ = pd.factorize(rows["text"])
    epochs = study.benchmark.hyperparameters[encoder].epochs_contrastive
    drawn = (text_ids, label_levels(rows), epochs, n_classes, generator(seed, "pairs"))
    if definition.pairs_as_many_as is None:
        return rows, make_pairs(*drawn)
    _, compared = pairs_for(study, encoder, definition.pairs_as_many_as, seed, n_classes)
    return rows, make_as_many_pairs(len(compared), *drawn)


class PairBatches:
    """Batches of pairs in which each distinct text stands once."""

    def __init__(
        self,
        texts: list[str],
        pairs: Pairs,
        settings: Hyperparameters,
        tokenizer: TextTokenizer,
        seed: int,
        device: str,
    ):
        self.text_ids, distinct = pd.factorize(np.array(texts, dtype=object))
        self.sequences = tokenizer(list(distinct))
        self.pairs, self.batch_size = pairs, settings.batch_size
        self.tokenizer, self.device = tokenizer, device
        self.random = generator(seed, "batch order contrastive")
        self.sequence_updates = 0

    def __len__(self) -> int:
        return math.ceil(len(self.pairs) / self.batch_size)

    def __iter__(self):
        """Yields ids and mask of the distinct texts, rows of both sides among them, and label similarities."""
        text_lengths = np.array([len(ids) for ids in self.sequences])[self.text_ids]
        lengths = np.maximum(text_lengths[self.pairs.left], text_lengths[self.pairs.right])
        order = self.random.permutation(len(self.pairs))
        for batch in length_buckets(order, lengths, self.batch_size, self.random):
            pairs = self.pairs[batch]
            sides = self.text_ids[np.concatenate([pairs.left, pairs.right])]
            distinct, places = np.unique(sides, return_inverse=True)
            self.sequence_updates += len(distinct)
            ids, mask = self.tokenizer.pad([self.sequences[i] for i in distinct], self.device)
            left, right = torch.from_numpy(places).to(self.device).chunk(2)
            yield ids, mask, left, right, torch.from_numpy(pairs.similarity).to(self.device)


def pair_loss(encoder: SentenceEncoder, batch: tuple, machine: Machine) -> torch.Tensor:
    """The loss of one batch of ``PairBatches``."""
    ids, mask, left, right, similarity = batch
    with machine.autocast():
        vectors = encoder(ids, mask)
    return contrastive_loss(vectors[left], vectors[right], similarity)


def train_contrastive(
    encoder: SentenceEncoder, batches: PairBatches, settings: Hyperparameters, training: Training, machine: Machine
) -> Updates:
    """Train encoder and added layers in place, one pass over the pairs; the last weights are kept."""
    encoder.train()
    update = Updates(
        "train_contrastive",
        [encoder],
        lr=settings.lr_contrastive,
        eps=training.adam_eps_contrastive,
        total=len(batches),
        warmup=training.warmup_contrastive,
        weight_decay=0.0,
        clip_gradient=training.clip_gradient_phases_1_2,
    )
    for batch in batches:
        update(pair_loss(encoder, batch, machine), epoch=1)
    return update
