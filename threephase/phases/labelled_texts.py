"""The labelled texts of a training in class-balanced batches, and a head's loss on them: pieces for methods' loops."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from threephase.data.randomness import generator
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.losses import classification_loss
from threephase.phases.optimization import slices
from threephase.study.settings import Machine, Schedule

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun


class BalancedBatches:
    """Batches of the labelled rows that phases 1 and 2 may see, in which every class is drawn equally often.

    A batch has ``batch_size`` // 2 draws (at least one), each of a class and two of its texts: classes come in shuffled
    rounds, and so do the texts of a class. A class of one text gives it twice. One pass makes ``epochs`` x rows texts,
    rounded up to whole batches, and ``min_updates`` batches at least.
    """

    def __init__(self, run: "TrainingRun", tokenizer: TextTokenizer, schedule: Schedule):
        rows = run.trained_on(run.adaptation_rows(), tokenizer)
        self.sequences = tokenizer(rows["text"].tolist())
        self.class_ids = run.class_ids(rows)
        self.tokenizer, self.device = tokenizer, run.machine.device
        self.draws = max(1, schedule.batch_size // 2)
        self.texts, self.least = schedule.epochs * len(rows), schedule.min_updates or 0
        self.random = generator(run.seed, "class-balanced batches")
        self.sequence_updates = 0

    def __len__(self) -> int:
        return max(math.ceil(self.texts / (2 * self.draws)), self.least)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """Yields ids and mask, (texts, tokens), and class numbers, (texts,)."""
        classes = self.class_ids.cpu().numpy()
        known = np.unique(classes)
        rows_of = {number: self._rounds(np.flatnonzero(classes == number)) for number in known}
        drawn = self._rounds(known)
        for _ in range(len(self)):
            batch = [next(rows_of[number]) for number in (next(drawn) for _ in range(self.draws)) for _ in range(2)]
            self.sequence_updates += len(batch)
            ids, mask = self.tokenizer.pad([self.sequences[row] for row in batch], self.device)
            yield ids, mask, self.class_ids[batch]

    def _rounds(self, items: np.ndarray) -> Iterator[int]:
        """All items in a new order, again and again."""
        while True:
            yield from self.random.permutation(items)


def class_losses(
    encoder: SentenceEncoder, head: nn.Linear, batch: tuple, machine: Machine, pieces: int = 1
) -> Iterator[Tensor]:
    """The cross-entropy of one batch, (ids, mask, class numbers), in parts for so many pieces of its texts."""
    ids, mask, class_ids = batch
    for piece in slices(len(ids), pieces):
        with autocast(machine):
            logits = head(encoder(ids[piece], None if mask is None else mask[piece]))
        yield len(ids[piece]) / len(ids) * classification_loss(logits, class_ids[piece])
