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

import pandas as pd
from torch import Tensor, nn

from threephase.base.files import read_table
from threephase.data.randomness import generator, torch_generator
from threephase.model.models import DenoisingDecoder, SentenceEncoder, linear
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import PairBatches, pair_losses
from threephase.phases.denoising import DenoisingBatches, reconstruction_losses
from threephase.phases.joint import endless
from threephase.phases.labelled_texts import BalancedBatches, class_losses
from threephase.phases.optimization import Optimization
from threephase.phases.pairs import label_levels, make_pairs
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number, one_of
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Machine, Schedule
from threephase.study.source_params import CHARACTERS, WORDS

IN_EACH_STEP = 5  # texts: one encoded and decoded, a pair, and one of the head


@dataclass(frozen=True)
class Settings(Schedule):
    """``deletion_ratio`` and ``units``: of the noise, as phase 1 has them."""

    deletion_ratio: float = checked(number(least=0, below=1))
    units: str = checked(one_of(WORDS, CHARACTERS))

    def texts(self, rows: float) -> float:
        """Texts with a gradient if all streams were equally long."""
        return IN_EACH_STEP * super().texts(rows)


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    decoder = run.new_decoder(encoder)
    for name in (BOTTLENECK, CONTRASTIVE_LAYER):
        encoder.add_layer(name, torch_generator(run.seed, f"initial {name}"))
    head = linear(encoder.hidden_size, len(run.classes), torch_generator(run.seed, "initial joint head"))
    model = nn.ModuleList([encoder, decoder, head]).to(run.machine.device).train()
    encoder.transformer.embeddings.word_embeddings.shares_gradient = True
    texts = run.trained_on(run.denoising_rows(), tokenizer)["text"].tolist()
    streams = (
        DenoisingBatches(texts, settings, tokenizer, run.seed, run.machine.device),
        pair_batches(run, tokenizer, settings),
        BalancedBatches(run, tokenizer, settings),
    )
    steps = max(map(len, streams))
    optimization = Optimization(run.stage, model, settings, steps)
    for batches in islice(zip(*map(endless, streams), strict=True), steps):
        loss = optimization.backward(*losses(encoder, decoder, head, batches, run.machine))
        optimization.log(loss, optimization.step())
    return optimization, sum(stream.sequence_updates for stream in streams)


def pair_batches(run: TrainingRun, tokenizer: TextTokenizer, settings: Settings) -> PairBatches:
    """As phase 2 draws them with the normal imbalance correction."""
    run.adaptation_rows()
    run.inputs.append(run.contrastive_rows_file("normal"))
    rows = run.trained_on(read_table(run.inputs[-1]), tokenizer)
    text_ids, _ = pd.factorize(rows["text"])
    random = generator(run.seed, "pairs")
    pairs = make_pairs(text_ids, label_levels(rows), settings.epochs, len(run.classes), random)
    return PairBatches(rows["text"].tolist(), pairs, settings, tokenizer, run.seed, run.machine.device)


def losses(
    encoder: SentenceEncoder, decoder: DenoisingDecoder, head: nn.Linear, batches: tuple, machine: Machine
) -> list[Callable[[int], Iterator[Tensor]]]:
    """Of a step, each in parts for so many pieces; their sum is the loss."""
    noised_texts, pairs, labelled = batches
    return [
        partial(reconstruction_losses, encoder, decoder, noised_texts, machine),
        partial(pair_losses, encoder, pairs, machine),
        partial(class_losses, encoder, head, labelled, machine),
    ]
