"""Self-training: a student learns the labels, and what a first classifier, the teacher, says of the unlabelled texts.

Loss of the student, which starts from the same encoder as the teacher and from a new linear layer: cross-entropy of
labelled texts + ``weight`` x KL(teacher's probabilities || student's) of unlabelled ones, one round, no threshold.
Source: self-training of Huang et al. 2021, https://arxiv.org/abs/2012.14978, after Xie et al. 2020, and their code.
Ours: one step has a batch of each kind, where theirs steps for one kind at a time; the KL is a batch's mean, where
their code divides by the classes as well; the longer of ``epochs`` labelled passes and one unlabelled pass decides how
long, the shorter is repeated. The student's layer is thrown away, as phase 3 follows.
Changed for texts: sentences instead of tokens. Cost: labelled texts twice (teacher, student) or more, unlabelled texts
once with and once without a gradient; an estimate knows of the labelled ones alone.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from threephase.base.errors import UserError
from threephase.data.randomness import generator, torch_generator
from threephase.model.kernels import keep_words, restore_words
from threephase.model.models import SentenceEncoder, linear
from threephase.model.tokens import TextTokenizer, length_buckets
from threephase.phases.classifier import Classifier, Rows, batch_losses, predict
from threephase.phases.consecutive import consecutive
from threephase.phases.initial_heads import LinearHead
from threephase.phases.optimization import Optimization, slices
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number
from threephase.study.settings import Schedule, Streams


@dataclass(frozen=True)
class Settings(Schedule):
    weight: float = checked(number(above=0))
    weight_decay: float = checked(number(least=0))

    def cost(self, streams: Streams) -> tuple[float, float]:
        texts = 2 * self.epochs * streams.labelled
        return texts, texts


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    labelled = run.trained_on(run.adaptation_rows(), tokenizer)
    unlabelled = run.trained_on(run.part("unlabelled"), tokenizer)
    if unlabelled.empty:
        raise UserError(
            f"{run.stage}: {run.variant}: got no unlabelled texts, expected some: rows of the split unlabelled, or "
            "what long_tail_ratio leaves over"
        )
    labelled = Rows(tokenizer(labelled["text"].tolist()), run.class_ids(labelled))
    unlabelled = Rows(tokenizer(unlabelled["text"].tolist()), torch.empty(0))
    all_words = keep_words(encoder, [*labelled.sequences, *unlabelled.sequences])

    teacher = _Training(run, tokenizer, settings, deepcopy(encoder), "teacher")
    steps = max(settings.epochs * math.ceil(len(labelled) / settings.batch_size), settings.min_updates or 0)
    by_teacher = teacher.train(labelled, steps)
    soft = predict(teacher.model, unlabelled, tokenizer, run.machine).softmax(dim=1)

    student = _Training(run, tokenizer, settings, encoder, "student")
    steps = max(steps, math.ceil(len(unlabelled) / settings.batch_size))
    by_student = student.train(labelled, steps, unlabelled, soft)
    restore_words(encoder, all_words)
    return consecutive(by_teacher, by_student), teacher.texts + student.texts


class _Training:
    """Of the teacher or the student: an encoder with a new linear layer."""

    def __init__(
        self, run: TrainingRun, tokenizer: TextTokenizer, settings: Settings, encoder: SentenceEncoder, who: str
    ):
        layer = linear(encoder.hidden_size, len(run.classes), torch_generator(run.seed, f"initial layer of the {who}"))
        self.model = Classifier(encoder, LinearHead(layer), frozen=False).to(run.machine.device)
        self.run, self.tokenizer, self.settings, self.who = run, tokenizer, settings, who
        self.texts = 0

    def train(
        self, labelled: Rows, steps: int, unlabelled: Rows | None = None, soft: Tensor | None = None
    ) -> Optimization:
        settings, of_batch = self.settings, (self.tokenizer, self.run.machine)
        self.model.train()
        optimization = Optimization(self.run.stage, [self.model], settings, steps, settings.weight_decay)
        streams = [
            self._batches(labelled, "labelled"),
            *([self._batches(unlabelled, "unlabelled")] if unlabelled else []),
        ]
        for batches in islice(zip(*streams, strict=True), steps):
            losses = [partial(batch_losses, self.model, labelled, batches[0], *of_batch)]
            if unlabelled:
                losses.append(partial(self._soft_losses, unlabelled, soft, batches[1]))
            loss = optimization.backward(*losses)
            optimization.log(loss, optimization.step())
            self.texts += sum(map(len, batches))
        return optimization

    def _batches(self, rows: Rows, kind: str) -> Iterator[np.ndarray]:
        random = generator(self.run.seed, f"batch order of the {self.who}: {kind}")
        while True:
            yield from length_buckets(random.permutation(len(rows)), rows.lengths, self.settings.batch_size, random)

    def _soft_losses(self, rows: Rows, soft: Tensor, batch: np.ndarray, pieces: int) -> Iterator[Tensor]:
        for piece in slices(len(batch), pieces):
            chosen = batch[piece]
            logits = self.model.logits(rows, chosen, self.tokenizer, self.run.machine)
            yield self.settings.weight * len(chosen) / len(batch) * divergence(soft[torch.from_numpy(chosen)], logits)


def divergence(soft: Tensor, logits: Tensor) -> Tensor:
    """Mean of KL(``soft`` || softmax of the logits) over the texts, both (texts, classes), in nats."""
    return F.kl_div(logits.float().log_softmax(dim=1), soft, reduction="batchmean")
