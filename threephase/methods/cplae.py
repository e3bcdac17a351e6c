"""Contrastive prototype learning with augmented embeddings: a text's vector has those of its noised copies behind it.

Loss: prototype loss of the queries (as in ``prototypes``) + ``weight`` x the contrastive loss with prototypes as
anchors, the mean over queries q+ of -log(exp(cos(p, q+) / t) / (exp(cos(p, q+) / t) + sum over queries q- of other
classes of exp(cos(p, q-) / t))), p the prototype of q+'s class. Support, query and test texts alike have vectors of
(1 + ``copies``) x hidden size; its head: the nearest prototype of all training texts in them.
Source: Gao et al. 2021, https://arxiv.org/abs/2101.09499. Of it we could read the abstract, and two implementations of
its losses by others; ``copies``, ``weight``, ``temperature`` and the squared distance are ours. Without the training on
base classes before it, as there are none, and without attention over the vectors.
Changed for texts: copies by word deletion, in training drawn anew. Cost: each labelled text 1 + ``copies`` times an
epoch; as often a training or scored text for the head.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from threephase.data.noise import WordDeletion
from threephase.data.randomness import generator
from threephase.model.embedding import embed
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.episodes import Episodes
from threephase.phases.optimization import Optimization
from threephase.phases.prototypes import nearest_prototype, prototype_loss, prototypes_of
from threephase.phases.streams import noise_of
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number
from threephase.study.settings import Schedule, Streams


@dataclass(frozen=True)
class Settings(Schedule):
    support: int = checked(number(least=1))
    query: int = checked(number(least=1))
    copies: int = checked(number(least=1))
    deletion_ratio: float = checked(number(least=0, below=1))
    temperature: float = checked(number(above=0))
    weight: float = checked(number(least=0))

    def cost(self, streams: Streams) -> tuple[float, float]:
        texts = self.epochs * streams.labelled
        return texts, (1 + self.copies) * texts


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    episodes = Episodes(run, tokenizer, settings, settings.support, settings.query)
    tokenizer(episodes.texts)  # counts those that are cut
    noise = WordDeletion(episodes.texts, settings.deletion_ratio, noise_of(run).units)
    random, device = generator(run.seed, "noised copies"), run.machine.device
    encoder.train()  # with all words: a text cut short by the limit may have others where words before them are deleted
    optimization = Optimization(run.stage, [encoder], settings, len(episodes))

    def losses(rows: np.ndarray, sequences: list[np.ndarray], supports: int, _: int) -> list[Tensor]:
        with autocast(run.machine):  # in one piece: every query is compared with all prototypes
            vectors = encoder(*tokenizer.pad(sequences, device)).float()
        vectors = joined(vectors, 1 + settings.copies)
        class_ids = episodes.class_ids[torch.from_numpy(rows)]
        prototypes, places = prototypes_of(vectors[:supports], *class_ids.tensor_split([supports]))
        loss = prototype_loss(vectors[supports:], prototypes, places)
        return [loss + settings.weight * anchor_loss(prototypes, vectors[supports:], places, settings.temperature)]

    sequence_updates = 0
    for support, query in episodes:
        rows = np.concatenate([support, query])
        views = [episodes.texts[row] for row in rows]
        views += [copy for _ in range(settings.copies) for copy in noise(rows, random)]
        sequences = tokenizer(views, count_cut=False)
        loss = optimization.backward(partial(losses, rows, sequences, len(support)))
        optimization.log(loss, optimization.step())
        sequence_updates += len(sequences)
    return optimization, sequence_updates


def joined(vectors: Tensor, views: int) -> Tensor:
    """(texts, views x size) of vectors (views x texts, size), the undamaged texts' first."""
    return torch.cat(vectors.chunk(views), dim=1)


def anchor_loss(prototypes: Tensor, query: Tensor, places: Tensor, temperature: float) -> Tensor:
    """The contrastive loss of prototypes, (classes, size), as anchors; ``places``: each query's prototype."""
    likeness = F.normalize(prototypes, dim=1)[places] @ F.normalize(query, dim=1).T / temperature  # anchor x query
    positive = likeness.diagonal()
    others = likeness.masked_fill(places[:, None] == places, -torch.inf).logsumexp(dim=1)
    return (torch.logaddexp(positive, others) - positive).mean()


def fitted_classifier(
    run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings
) -> Callable[[list[str]], np.ndarray]:
    units = noise_of(run).units

    def vectors(texts: list[str]) -> Tensor:
        views = [list(texts)] + [[] for _ in range(settings.copies)]
        for text in texts:
            # By its words alone: a text's copies are the same whatever texts it is scored with.
            random = generator(run.seed, f"noised copies of {text}")
            for copies in views[1:]:
                copies += WordDeletion([text], settings.deletion_ratio, units)([0], random)
        sequences = tokenizer([text for view in views for text in view], count_cut=False)
        return joined(embed(encoder, sequences, tokenizer, run.machine), len(views))

    return nearest_prototype(run, tokenizer, vectors)
