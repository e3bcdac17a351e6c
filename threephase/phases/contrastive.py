"""Supervised contrastive learning on pairs (the paper's phase 2)."""

import itertools
import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from threephase.data.randomness import generator
from threephase.model.kernels import keep_words, restore_words
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer, length_buckets
from threephase.phases.checkpoint_choice import BestCheckpoint
from threephase.phases.losses import contrastive_loss
from threephase.phases.optimization import Optimization, slices
from threephase.phases.pairs import Pairs, label_levels, make_pairs
from threephase.study.settings import Contrastive, Machine

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun

HELD_BACK = 0.1


def train_contrastive(
    encoder: SentenceEncoder,
    batches: "PairBatches",
    settings: Contrastive,
    machine: Machine,
    checkpoints: BestCheckpoint | None = None,
) -> Optimization:
    """Train encoder and added layers in place, one pass; leaves the last weights or the best checkpoint."""
    encoder.train()
    all_words = keep_words(encoder, [*batches.sequences, *(checkpoints.score.sequences if checkpoints else [])])
    optimization = Optimization("train_contrastive", [encoder], settings, len(batches))
    for batch in batches:
        loss = optimization.backward(partial(pair_losses, encoder, batch, machine))
        learning_rate = optimization.step()
        optimization.log(loss, learning_rate)
        if checkpoints:
            checkpoints.after(optimization)
    optimization.end()
    restore_words(encoder, all_words)
    return optimization


class PairBatches:
    """Batches of pairs in which each distinct text stands once; few pairs are passed over again (``Schedule``)."""

    def __init__(
        self, texts: list[str], pairs: Pairs, settings: Contrastive, tokenizer: TextTokenizer, seed: int, device: str
    ):
        self.text_ids, distinct = pd.factorize(np.array(texts, dtype=object))
        self.sequences = tokenizer(list(distinct))
        self.pairs, self.batch_size = pairs, settings.batch_size
        self.passes = settings.passes(math.ceil(len(pairs) / settings.batch_size))
        self.tokenizer, self.device = tokenizer, device
        self.random = generator(seed, "batch order contrastive")
        self.sequence_updates = 0

    def __len__(self) -> int:
        return self.passes * math.ceil(len(self.pairs) / self.batch_size)

    def __iter__(self):
        """Yields ids and mask of the distinct texts, rows of both sides among them, and label similarities."""
        text_lengths = np.array([len(ids) for ids in self.sequences])[self.text_ids]
        lengths = np.maximum(text_lengths[self.pairs.left], text_lengths[self.pairs.right])
        orders = (self.random.permutation(len(self.pairs)) for _ in range(self.passes))
        buckets = (length_buckets(order, lengths, self.batch_size, self.random) for order in orders)
        for batch in itertools.chain.from_iterable(buckets):
            pairs = self.pairs[batch]
            sides = self.text_ids[np.concatenate([pairs.left, pairs.right])]
            distinct, places = np.unique(sides, return_inverse=True)
            self.sequence_updates += len(distinct)
            ids, mask = self.tokenizer.pad([self.sequences[text] for text in distinct], self.device)
            left, right = torch.from_numpy(places).to(self.device).chunk(2)
            yield ids, mask, left, right, torch.from_numpy(pairs.similarity).to(self.device)


def pair_losses(encoder: SentenceEncoder, batch: tuple, machine: Machine, pieces: int = 1) -> Iterator[torch.Tensor]:
    """The loss of one batch of ``PairBatches``, in parts for so many pieces of its pairs."""
    *texts, left, right, similarity = batch
    for piece in slices(len(similarity), pieces):
        share = len(similarity[piece]) / len(similarity)
        yield share * pair_loss(encoder, _of_texts(*texts, left[piece], right[piece], similarity[piece]), machine)


def _of_texts(ids: torch.Tensor, mask: torch.Tensor | None, left: torch.Tensor, right: torch.Tensor, *others) -> tuple:
    """The batch with those of its texts that the pairs name."""
    named, places = torch.cat([left, right]).unique(return_inverse=True)
    if len(named) < len(ids):
        ids, mask = ids[named], None if mask is None else mask[named]
        left, right = places.chunk(2)
    return ids, mask, left, right, *others


def pair_loss(encoder: SentenceEncoder, batch: tuple, machine: Machine) -> torch.Tensor:
    """The loss of one batch of ``PairBatches``."""
    ids, mask, left, right, similarity = batch
    with autocast(machine):
        vectors = encoder(ids, mask)
    return contrastive_loss(vectors[left], vectors[right], similarity)


def draw_pairs(run: "TrainingRun", imbalance: str, tokenizer: TextTokenizer) -> tuple[pd.DataFrame, Pairs]:
    """The rows that an imbalance setting makes of the training part, and the balanced pairs of them.

    Every imbalance setting draws with a generator of the same state; a control draws as many pairs
    as the setting that it is compared with.
    """
    rows, counted = run.contrastive_rows(imbalance, tokenizer), run.settings.pairs.as_many_as
    text_ids, _ = pd.factorize(rows["text"])
    drawn = (text_ids, label_levels(rows), run.settings.contrastive.epochs, len(run.classes))
    if counted is None or imbalance != run.settings.pairs.imbalance:
        return rows, make_pairs(*drawn, generator(run.seed, "pairs"))
    _, others = draw_pairs(run, counted, tokenizer)
    return rows, make_pairs(*drawn, generator(run.seed, "pairs"), len(others))


def without_held_back(pairs: Pairs) -> Pairs:
    """The pairs but for the last tenth, which the authors' code keeps as validation data of a set that has none."""
    return pairs[: len(pairs) - round(HELD_BACK * len(pairs))]
