"""Denoising, contrastive and classification loss in one training, before phase 3.

Loss: token cross-entropy of phase 1 (from the bottleneck's vector) + squared error of the pairs' cosine of phase 2
(behind the second layer) + cross-entropy of a linear head there. A step takes a batch of each; shorter streams are
cycled. The paper's joint variant has the first two. The third follows co-finetuning (Arnab et al. 2022,
https://arxiv.org/abs/2207.03807), which trains one encoder on several labelled sets at once, with a head each: here
the losses of phases 1 and 2 stand for the other sets. Equal weights are ours.
Changed for texts: pairs are those of the normal imbalance correction, texts of the head come in class-balanced batches,
and all streams last ``epochs``. The head is thrown away: phase 3 begins a new one, as behind every other method.
Cost: up to five texts a step, of which denoising encodes and decodes one; an epoch's pairs grow with the classes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from torch import Tensor, nn

from threephase.data.randomness import torch_generator
from threephase.model.models import DenoisingDecoder, SentenceEncoder, linear
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import pair_losses
from threephase.phases.denoising import reconstruction_losses
from threephase.phases.joint import endless
from threephase.phases.labelled_texts import BalancedBatches, class_losses
from threephase.phases.optimization import Optimization
from threephase.phases.streams import noised_texts, paired_texts
from threephase.phases.training_run import TrainingRun
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Machine, Schedule, Streams

IN_EACH_STEP = 5  # texts: one encoded and decoded, a pair, and one of the head


@dataclass(frozen=True)
class Settings(Schedule):
    def cost(self, streams: Streams) -> tuple[float, float]:
        """As if all streams were as long as the longest."""
        longest = max(streams.noised, streams.pairs)
        return longest, IN_EACH_STEP * longest


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    decoder = run.new_decoder(encoder)
    for name in (BOTTLENECK, CONTRASTIVE_LAYER):
        run.add_layer(encoder, name)
    head = linear(encoder.hidden_size, len(run.classes), torch_generator(run.seed, "initial joint head"))
    model = nn.ModuleList([encoder, decoder, head]).to(run.machine.device).train()
    encoder.transformer.embeddings.word_embeddings.shares_gradient = True
    streams = (noised_texts(run, tokenizer), paired_texts(run, tokenizer), BalancedBatches(run, tokenizer, settings))
    steps = max(map(len, streams))
    optimization = Optimization(run.stage, model, settings, steps)
    for batches in islice(zip(*map(endless, streams), strict=True), steps):
        loss = optimization.backward(*losses(encoder, decoder, head, batches, run.machine))
        optimization.log(loss, optimization.step())
    return optimization, sum(stream.sequence_updates for stream in streams)


def losses(
    encoder: SentenceEncoder, decoder: DenoisingDecoder, head: nn.Linear, batches: tuple, machine: Machine
) -> list[Callable[[int], Iterator[Tensor]]]:
    """Of a step, each in parts for so many pieces; their sum is the loss."""
    noised, pairs, labelled = batches
    return [
        partial(reconstruction_losses, encoder, decoder, noised, machine),
        partial(pair_losses, encoder, pairs, machine),
        partial(class_losses, encoder, head, labelled, machine),
    ]
