"""Heads on parts of the sentence vector that are to say different things: given the class, their parts are independent.

Loss: sum over heads of their cross-entropies + weight x TC(z_1, ..., z_N | class); TC: Kullback-Leibler divergence of
the joint distribution of the heads' representations from the product of each one's own, given the class. Source: the
abstract of Pace, Russo & Shanahan 2020, https://arxiv.org/abs/2006.07119; estimator, weight, sizes and rates are ours.
Estimate: a discriminator learns to tell vectors as they are from ones whose parts come from different texts of the
class; TC is its mean logit, the logarithm of the ratio of both densities, on vectors as they are. It may be negative.
Changed for texts: one encoder in place of N networks, which share all but the part (1/N of the numbers) that each head
reads with a linear layer of its own. Heads and discriminator are thrown away. The source's last step, new classifiers
on the frozen representations from few shifted rows, is a classifier on the whole vector, the parts side by side.
Control ``plain_heads``: weight 0. Cost: each labelled text once an epoch; the discriminator is small.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.data.randomness import torch_generator
from threephase.model.kernels import keep_words, restore_words
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder, linear
from threephase.model.tokens import TextTokenizer
from threephase.phases.labelled_texts import BalancedBatches
from threephase.phases.optimization import Optimization
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number
from threephase.study.settings import Schedule


@dataclass(frozen=True)
class Settings(Schedule):
    """The discriminator has two hidden layers of its ``discriminator_size``, and the schedule of the encoder."""

    heads: int = checked(number(least=2, most=16))
    weight: float = checked(number(least=0))
    discriminator_size: int = checked(number(least=1))
    discriminator_lr: float = checked(number(above=0, below=1))


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    batches = BalancedBatches(run, tokenizer, settings)
    device, classes, parts = run.machine.device, len(run.classes), sizes_of_parts(encoder.hidden_size, settings.heads)
    random = torch_generator(run.seed, "initial heads")
    heads = nn.ModuleList(linear(size, classes, random) for size in parts).to(device)
    discriminator = Discriminator(parts, classes, settings.discriminator_size, run.seed).to(device)
    all_words = keep_words(encoder, batches.sequences)
    encoder.train()
    optimization = Optimization(run.stage, [encoder, heads], settings, len(batches))
    own = dataclasses.replace(settings, lr=settings.discriminator_lr)
    telling_apart = Optimization(f"{run.stage}, discriminator", [discriminator], own, len(batches), beside=optimization)
    seen: list[Tensor] = []

    def losses(batch: tuple, _: int) -> list[Tensor]:
        ids, mask, class_ids = batch  # in one piece: the discriminator compares texts of the batch
        with autocast(run.machine):
            vectors = encoder(ids, mask)
        vectors = vectors.float()
        seen[:] = [vectors.detach(), class_ids]
        of_heads = zip(heads, vectors.split(parts, dim=1), strict=True)
        fit = sum(F.cross_entropy(head(part), class_ids) for head, part in of_heads)
        return [fit + settings.weight * total_correlation(discriminator, vectors, class_ids)]

    for batch in batches:
        loss = optimization.backward(partial(losses, batch))
        optimization.log(loss, optimization.step())
        telling_apart.optimizer.zero_grad()  # of what the encoder's loss left there
        loss = telling_apart.backward(lambda _: [discriminator_loss(discriminator, *seen)])
        telling_apart.log(loss, telling_apart.step())
    restore_words(encoder, all_words)
    return optimization, batches.sequence_updates


def sizes_of_parts(size: int, parts: int) -> list[int]:
    """Of a vector of so many numbers: as equal as can be."""
    return [len(part) for part in torch.arange(size).tensor_split(parts)]


class Discriminator(nn.Module):
    """Logit that a vector's parts belong to the same text of its class; ``parts``: how many numbers each has."""

    def __init__(self, parts: list[int], classes: int, size: int, seed: int):
        super().__init__()
        self.parts, self.classes = parts, classes
        random = torch_generator(seed, "initial discriminator")
        first, second = linear(sum(parts) + classes, size, random), linear(size, size, random)
        self.layers = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), linear(size, 1, random))

    def forward(self, vectors: Tensor, class_ids: Tensor) -> Tensor:
        """(texts,) of ``vectors``, (texts, size), and ``class_ids``, (texts,)."""
        return self.layers(torch.cat([vectors, F.one_hot(class_ids, self.classes)], dim=1)).squeeze(1)


def total_correlation(discriminator: Discriminator, vectors: Tensor, class_ids: Tensor) -> Tensor:
    """Its estimate in nats, given the class: the mean logarithm of the ratio of joint to shuffled density."""
    return discriminator(vectors, class_ids).mean()


def discriminator_loss(discriminator: Discriminator, vectors: Tensor, class_ids: Tensor) -> Tensor:
    """Binary cross-entropy of telling vectors as they are from those shuffled within their class."""
    true = discriminator(vectors, class_ids)
    false = discriminator(shuffled(vectors, class_ids, discriminator.parts), class_ids)
    logits, is_true = torch.cat([true, false]), torch.cat([torch.ones_like(true), torch.zeros_like(false)])
    return F.binary_cross_entropy_with_logits(logits, is_true)


def shuffled(vectors: Tensor, class_ids: Tensor, parts: list[int]) -> Tensor:
    """Part k of each vector is that of the k-th next text of its class, around in a circle.

    So each part comes from another text where a class has as many texts as there are parts; drawn at random, some would
    meet by chance. The order of a batch's texts is random.
    """
    mixed = torch.empty_like(vectors)
    for class_id in class_ids.unique():
        texts = class_ids == class_id
        rolled = [part.roll(-k, dims=0) for k, part in enumerate(vectors[texts].split(parts, dim=1))]
        mixed[texts] = torch.cat(rolled, dim=1)
    return mixed
