"""SetFit: pairs of labelled texts, then logistic regression on the trained encoder's unit vectors.

Loss: squared error between a pair's cosine and its target, 1 for one class and 0 for two. Source: Tunstall et al. 2022,
https://arxiv.org/abs/2209.11055, as their package does it in version 1.2.0: all pairs, those of a text with itself
included, of which the rarer kind is repeated until there are as many similar as dissimilar ones; batches of 16 pairs,
learning rate 2e-5, a tenth of the updates as warm-up, weight decay 0.01; logistic regression with C = 1.
Ours: at most ``most_updates``, where 77 classes of 16 texts would have 94,000; pairs of each kind are then drawn at
random. A text stands once in a batch, so that the pair with itself, which theirs drops out twice, has no loss.
Changed for texts: nothing. Cost: two texts a pair, and for the head the training texts once without a gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from threephase.base.errors import UserError
from threephase.data.randomness import generator
from threephase.model.kernels import keep_words, restore_words
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import PairBatches, pair_losses
from threephase.phases.fitted_classifiers import OfVectors, UnitVectors
from threephase.phases.optimization import Optimization
from threephase.phases.pairs import Pairs
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number
from threephase.study.settings import Schedule, Streams


@dataclass(frozen=True)
class Settings(Schedule):
    """``epochs``: over the balanced pairs; ``inverse_regularization``: C of the head."""

    most_updates: int = checked(number(least=1))
    weight_decay: float = checked(number(least=0))
    inverse_regularization: float = checked(number(above=0))

    @property
    def most_pairs(self) -> int:
        return self.most_updates * self.batch_size

    def cost(self, streams: Streams) -> tuple[float, float]:
        """As if all pairs were of one kind: an upper bound."""
        pairs = min(self.most_pairs, self.epochs * streams.labelled * (streams.labelled + 1))
        return pairs, 2 * pairs


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    rows = run.trained_on(run.adaptation_rows(), tokenizer)
    class_ids = run.class_ids(rows).cpu().numpy()
    pairs = all_pairs(class_ids, settings.epochs, settings.most_pairs, generator(run.seed, "pairs"))
    batches = PairBatches(rows["text"].tolist(), pairs, settings, tokenizer, run.seed, run.machine.device)
    encoder.train()
    all_words = keep_words(encoder, batches.sequences)
    optimization = Optimization(run.stage, [encoder], settings, len(batches), settings.weight_decay)
    for batch in batches:
        loss = optimization.backward(partial(pair_losses, encoder, batch, run.machine))
        optimization.log(loss, optimization.step())
    restore_words(encoder, all_words)
    return optimization, batches.sequence_updates


def all_pairs(class_ids: np.ndarray, epochs: int, most: int, random: np.random.Generator) -> Pairs:
    """As many similar as dissimilar pairs of rows, ``epochs`` times those of the commoner kind, ``most`` in all.

    Of each kind all in a random order, again and again. With the rows in the order of their classes, a row's similar
    partners are those from itself to its class's end, and its dissimilar ones those behind.
    """
    order = np.argsort(class_ids, kind="stable")
    _, counts = np.unique(class_ids, return_counts=True)
    rows, ends = np.arange(len(order)), np.repeat(counts.cumsum(), counts)
    similar, dissimilar = (ends - rows).sum(), (len(rows) - ends).sum()
    if not dissimilar:
        raise UserError("pairs: got texts of one class, expected at least two classes")
    each = min(epochs * max(similar, dissimilar), max(1, most // 2))
    sides = [_drawn(ends - rows, rows, each, random), _drawn(len(rows) - ends, ends, each, random)]
    left, right = order[np.concatenate(sides, axis=1)]
    return Pairs(left, right, np.repeat([1, 0], each).astype(np.float32))


def _drawn(partners: np.ndarray, first: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """``size`` pairs, (2, size), of rows with so many ``partners`` each, which follow each other from ``first`` on."""
    until = partners.cumsum()
    numbers = np.resize(random.choice(until[-1], min(size, until[-1]), replace=False), size)
    left = until.searchsorted(numbers, side="right")
    return np.stack([left, first[left] + numbers - (until - partners)[left]])


def fitted_classifier(
    run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings
) -> Callable[[list[str]], np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    vectors = UnitVectors(encoder, tokenizer, run.machine)
    train, head = run.trained_on(run.part("train"), tokenizer), LogisticRegression(C=settings.inverse_regularization)
    return OfVectors(run.classes, head.fit(vectors(train["text"].tolist()), train["label"]), vectors)
