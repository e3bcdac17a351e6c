"""Phase 2 that keeps what phase 1 learnt: a translator must find phase 1's vector of a text in the new one.

Loss: phase 2's of the pairs + ``weight`` x mean of 1 - cos(T(z), z1). z: the text's vector as it is trained; z1: that
of the encoder that phase 1 left, frozen; T: the translator, two layers with a ReLU between them.
After Adapt & Align, Deja et al. 2023, https://arxiv.org/abs/2312.13699: its alignment step without generative replay.
From the source: a translator between the spaces of two tasks, trained alone at first (``translator_warmup``, a share
of the updates, in which the alignment does not reach the encoder), and an earlier model, frozen, as its target.
Ours: phases are the tasks; the training texts stand for generated ones; cosine for the reconstruction error; both
steps in one training; no controlled forgetting; phase 3 sees z, and T is thrown away, where the source keeps it.
Cost: phase 2's, and each text once more through the frozen encoder. With weight 0 it is three_phase.
"""

import copy
import math
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
from threephase.phases.losses import contrastive_loss
from threephase.phases.optimization import Optimization
from threephase.phases.streams import paired_texts
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number
from threephase.study.settings import CONTRASTIVE_LAYER, Schedule, Streams


@dataclass(frozen=True)
class Settings(Schedule):
    weight: float = checked(number(least=0))
    translator_warmup: float = checked(number(least=0, most=1))

    def cost(self, streams: Streams) -> tuple[float, float]:
        return streams.pairs, 2 * streams.pairs


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    phase_1 = copy.deepcopy(encoder).requires_grad_(False).eval()
    run.add_layer(encoder, CONTRASTIVE_LAYER)
    batches = paired_texts(run, tokenizer)
    translator = new_translator(encoder.hidden_size, torch_generator(run.seed, "initial translator"))
    translator.to(run.machine.device)
    encoder.train()
    all_words = keep_words(encoder, batches.sequences)
    optimization = Optimization(run.stage, [encoder, translator], settings, len(batches))
    alone = math.ceil(settings.translator_warmup * len(batches))

    def losses(batch: tuple, _: int) -> list[Tensor]:
        ids, mask, left, right, similarity = batch
        with autocast(run.machine):
            vectors = encoder(ids, mask)
            translated = translator(vectors.detach() if optimization.steps < alone else vectors)
            with torch.no_grad():
                targets = phase_1(ids, mask)
        of_pairs = contrastive_loss(vectors[left], vectors[right], similarity)
        return [of_pairs + settings.weight * alignment_loss(translated, targets)]

    for batch in batches:
        loss = optimization.backward(partial(losses, batch))
        optimization.log(loss, optimization.step())
    restore_words(encoder, all_words)
    return optimization, batches.sequence_updates


def new_translator(size: int, random: torch.Generator) -> nn.Sequential:
    return nn.Sequential(linear(size, size, random), nn.ReLU(), linear(size, size, random))


def alignment_loss(translated: Tensor, targets: Tensor) -> Tensor:
    """Mean of 1 - cosine similarity; both (texts, size)."""
    return (1 - F.cosine_similarity(translated.float(), targets.float())).mean()
