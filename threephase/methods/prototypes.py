"""Prototype training: a text is to be nearer to the mean of its own class's texts than to those of other classes.

Loss: of each query the cross-entropy of the softmax over -|q - p|^2, p the mean of a class's support texts, with the
gradient through both. Source: prototype-based learning of Huang et al. 2021, https://arxiv.org/abs/2012.14978, after
Snell et al. 2017, https://arxiv.org/abs/1703.05175, equation 2. Its head: the nearest prototype of all training texts.
Changed for texts: sentences instead of tokens, so that no class stands for "none of them". Ours: an episode has as many
classes and texts as the batch size holds; theirs has five classes with ``support`` 2 and ``query`` 3 at five shots.
Cost: each labelled text once an epoch, and for the head the training texts once without a gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from threephase.model.embedding import embed
from threephase.model.kernels import keep_words, restore_words
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.episodes import Episodes
from threephase.phases.optimization import Optimization
from threephase.phases.prototypes import nearest_prototype, prototype_loss, prototypes_of
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number
from threephase.study.settings import Schedule


@dataclass(frozen=True)
class Settings(Schedule):
    support: int = checked(number(least=1))
    query: int = checked(number(least=1))


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    episodes = Episodes(run, tokenizer, settings, settings.support, settings.query)
    sequences, device = tokenizer(episodes.texts), run.machine.device
    encoder.train()
    all_words = keep_words(encoder, sequences)
    optimization = Optimization(run.stage, [encoder], settings, len(episodes))

    def losses(support: np.ndarray, query: np.ndarray, _: int) -> list[Tensor]:
        rows = np.concatenate([support, query])  # in one piece: every query is compared with all prototypes
        with autocast(run.machine):
            vectors = encoder(*tokenizer.pad([sequences[row] for row in rows], device)).float()
        class_ids = episodes.class_ids[torch.from_numpy(rows)]
        prototypes, places = prototypes_of(vectors[: len(support)], *class_ids.tensor_split([len(support)]))
        return [prototype_loss(vectors[len(support) :], prototypes, places)]

    sequence_updates = 0
    for episode in episodes:
        loss = optimization.backward(partial(losses, *episode))
        optimization.log(loss, optimization.step())
        sequence_updates += sum(map(len, episode))
    restore_words(encoder, all_words)
    return optimization, sequence_updates


def fitted_classifier(
    run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings
) -> Callable[[list[str]], np.ndarray]:
    def vectors(texts: list[str]) -> Tensor:
        return embed(encoder, tokenizer(texts), tokenizer, run.machine)

    return nearest_prototype(run, tokenizer, vectors)
