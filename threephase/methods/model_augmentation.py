"""Contrastive pairs, and beside them two views of each text that the encoder itself makes, not the text.

Source: SRMA of Liu et al. 2022, https://arxiv.org/abs/2203.15508, and its code, for sequential recommendation. Its
three augmentations: neurons masked (dropout, drawn anew for each view); layers dropped (behind the encoder
``appended_layers`` further ones, of which each view leaves out one at random; the trained encoder has all); and a
second encoder that complements (frozen; each view is contrasted with what it makes of the text).
Loss: phase 2's of the pairs, in place of the source's task, + ``weight`` x (NCE(v1, v2) + ``complement_weight`` x
(NCE(v1, e) + NCE(v2, e))). v1, v2: the views; e: the second encoder's vectors; NCE: ``views.info_nce``.
Ours: cosines of sentence vectors at a stated temperature (the source: products of whole sequences); appended layers
that are linear, on the sentence vector, near the identity at first and in place of phase 2's layer (the source:
residual blocks on each item); the encoder at the start as the second one; v1's pass serves the pairs too, with all
layers. Cost: each side of a pair twice, and once through the frozen encoder.
"""

import copy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from threephase.data.randomness import generator, torch_generator
from threephase.model.kernels import keep_words, restore_words
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.losses import contrastive_loss
from threephase.phases.optimization import Optimization
from threephase.phases.streams import paired_texts
from threephase.phases.training_run import TrainingRun
from threephase.phases.views import info_nce
from threephase.study.schema import checked, number
from threephase.study.settings import Schedule, Streams

INITIAL_STD = 0.02  # of what an appended layer adds to the identity at first


@dataclass(frozen=True)
class Settings(Schedule):
    weight: float = checked(number(least=0))
    complement_weight: float = checked(number(least=0))
    temperature: float = checked(number(above=0))
    appended_layers: int = checked(number(least=1))

    def cost(self, streams: Streams) -> tuple[float, float]:
        return streams.pairs, 4 * streams.pairs


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    complement = copy.deepcopy(encoder).requires_grad_(False).eval()
    appended = append_layers(encoder, settings.appended_layers, torch_generator(run.seed, "initial appended layers"))
    encoder.to(run.machine.device).train()
    batches = paired_texts(run, tokenizer)
    dropped = generator(run.seed, "dropped layers")
    all_words = keep_words(encoder, batches.sequences)
    optimization = Optimization(run.stage, [encoder], settings, len(batches))

    def losses(batch: tuple, left_out: list[int], _: int) -> list[Tensor]:
        ids, mask, left, right, similarity = batch
        with autocast(run.machine):
            passes = [encoder(ids, mask, stop_before=appended[0]) for _ in range(2)]
            vectors = through(encoder, appended, passes[0])
            views = [through(encoder, appended, *view) for view in zip(passes, left_out, strict=True)]
            with torch.no_grad():
                fixed = complement(ids, mask)
        of_pairs = contrastive_loss(vectors[left], vectors[right], similarity)
        return [of_pairs + settings.weight * views_loss(*views, fixed, settings)]

    for batch in batches:
        left_out = dropped.integers(len(appended), size=2).tolist()
        loss = optimization.backward(partial(losses, batch, left_out))
        optimization.log(loss, optimization.step())
    restore_words(encoder, all_words)
    return optimization, 2 * batches.sequence_updates


def append_layers(encoder: SentenceEncoder, count: int, random: torch.Generator) -> list[str]:
    """Add ``count`` linear layers behind what is there; returns their names in the encoder."""
    names = [f"appended_{place}" for place in range(count)]
    for name in names:
        encoder.add_layer(name, random)
        layer = encoder.added[name]
        with torch.no_grad():
            nn.init.normal_(layer.weight, std=INITIAL_STD, generator=random)
            layer.weight += torch.eye(encoder.hidden_size)
            layer.bias.zero_()
    return names


def through(encoder: SentenceEncoder, appended: list[str], vectors: Tensor, left_out: int | None = None) -> Tensor:
    """Vectors, (texts, size), behind the appended layers but for that at the place ``left_out``."""
    for place, name in enumerate(appended):
        if place != left_out:
            vectors = encoder.added[name](vectors)
    return vectors


def views_loss(first: Tensor, second: Tensor, fixed: Tensor, settings: Settings) -> Tensor:
    """NCE of the two views, and of each with the frozen encoder's vectors; all (texts, size)."""
    complementing = sum(info_nce(view, fixed, settings.temperature) for view in (first, second))
    return info_nce(first, second, settings.temperature) + settings.complement_weight * complementing
