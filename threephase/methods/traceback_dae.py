"""Texts of a general pool that are near the classes' names, traced back and trained on beside the target's.

Loss: token cross-entropy of phase 1 on the target's and on the traced texts + cross-entropy of the labelled texts +
weight x that of the traced ones with pseudo-labels: of each the class that the encoder, without dropout, takes its
undamaged text for, where its probability reaches the threshold; trained with the noised text. After Data Adaptive
Traceback (Peng et al. 2024, https://arxiv.org/abs/2407.08787), not the method itself: its vision-language contrastive
module, against wrong pseudo-labels, needs pairs of image and text. How the paper weights and picks is ours but for the
nearest texts of each class and the use of pseudo-labels. Traced are the ``nearest`` texts of each class by cosine of
pre-trained vectors of text and class name; one near several classes is taken once.
Changed for texts: denoising in place of pre-training's own loss; the pool is another data set, not what the encoder was
pre-trained on. Decoder and head are thrown away. Control ``random_pool_dae``: as many texts of the pool at random.
Cost: the pool once without a gradient; a step encodes five texts for each labelled one and decodes two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.data.randomness import generator, torch_generator
from threephase.model.embedding import embed
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder, linear
from threephase.model.tokens import TextTokenizer
from threephase.phases.denoising import reconstruction_losses
from threephase.phases.joint import endless
from threephase.phases.labelled_texts import BalancedBatches, class_losses
from threephase.phases.optimization import Optimization, slices
from threephase.phases.other_texts import other_rows
from threephase.phases.streams import noised_texts
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number, one_of
from threephase.study.settings import BOTTLENECK, Machine, Schedule, Streams

IN_EACH_STEP = 6  # texts: two encoded and decoded, a labelled and a pseudo-labelled one


@dataclass(frozen=True)
class Settings(Schedule):
    """``nearest``: texts a class."""

    chosen: str = checked(one_of("nearest", "random"))
    nearest: int = checked(number(least=1))
    threshold: float = checked(number(least=0, below=1))
    weight: float = checked(number(least=0))

    def cost(self, streams: Streams) -> tuple[float, float]:
        return streams.noised, IN_EACH_STEP * streams.noised


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    traced_texts = traced(run, encoder, tokenizer, settings)
    decoder = run.new_decoder(encoder)
    run.add_layer(encoder, BOTTLENECK)
    head = linear(encoder.hidden_size, len(run.classes), torch_generator(run.seed, "initial traceback head"))
    model = nn.ModuleList([encoder, decoder, head]).to(run.machine.device).train()
    encoder.transformer.embeddings.word_embeddings.shares_gradient = True
    own, pool = (noised_texts(run, tokenizer, texts) for texts in (None, traced_texts))
    labelled = BalancedBatches(run, tokenizer, settings)
    steps = max(len(own), len(labelled))
    optimization = Optimization(run.stage, model, settings, steps)
    pseudo_labelled = 0
    for of_own, of_pool, of_labelled in islice(zip(*map(endless, (own, pool, labelled)), strict=True), steps):
        loss = optimization.backward(
            partial(reconstruction_losses, encoder, decoder, of_own, run.machine),
            partial(reconstruction_losses, encoder, decoder, of_pool, run.machine),
            partial(class_losses, encoder, head, of_labelled, run.machine),
            partial(pseudo_losses, encoder, head, of_pool, settings, run.machine),
        )
        pseudo_labelled += len(of_pool[0][0])
        optimization.log(loss, optimization.step())
    return optimization, own.sequence_updates + pool.sequence_updates + labelled.sequence_updates + pseudo_labelled


def traced(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> list[str]:
    """The texts of the pool that are trained on."""
    pool = other_rows(run, tokenizer)["text"].drop_duplicates().tolist()
    texts, names = (
        F.normalize(embed(encoder, tokenizer(lines, count_cut=False), tokenizer, run.machine), dim=1)
        for lines in (pool, [words_of(name) for name in run.classes])
    )
    chosen = nearest_of_each(texts @ names.T, settings.nearest).tolist()
    if settings.chosen == "random":
        chosen = generator(run.seed, "texts of the pool").choice(len(pool), len(chosen), replace=False)
    return [pool[number] for number in chosen]


def words_of(name: str) -> str:
    """A class's name in lower case, its words separated by spaces, as ``play music`` of PlayMusic or play_music."""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]", " ", name).split()).lower()


def nearest_of_each(similarity: Tensor, count: int) -> Tensor:
    """The numbers of the ``count`` texts most similar to each class, each once; ``similarity``: (texts, classes)."""
    return similarity.topk(min(count, len(similarity)), dim=0).indices.unique()


def pseudo_losses(
    encoder: SentenceEncoder, head: nn.Linear, batch: tuple, settings: Settings, machine: Machine, pieces: int = 1
) -> Iterator[Tensor]:
    """Of one batch of ``DenoisingBatches``, weighted, in parts for so many pieces of its texts."""
    rows = len(batch[0][0])
    for piece in slices(rows, pieces):
        noised, undamaged = [(ids[piece], None if mask is None else mask[piece]) for ids, mask in batch]
        encoder.eval()
        with torch.no_grad(), autocast(machine):
            certain = head(encoder(*undamaged))
        encoder.train()
        with autocast(machine):
            logits = head(encoder(*noised))
        yield settings.weight * len(logits) / rows * pseudo_loss(logits, certain, settings.threshold)


def pseudo_loss(logits: Tensor, undamaged: Tensor, threshold: float) -> Tensor:
    """Mean over all texts of the cross-entropy of those that have a pseudo-label; both logits: (texts, classes)."""
    probability, class_ids = undamaged.float().softmax(dim=1).max(dim=1)
    losses = F.cross_entropy(logits.float(), class_ids, reduction="none")
    return losses.where(probability >= threshold, 0).mean()
