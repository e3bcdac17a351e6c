"""Phases 1 and 2 in one training: the sum of both losses (the paper's joint variant)."""

from functools import partial
from itertools import islice

from threephase.model.models import DenoisingDecoder, SentenceEncoder
from threephase.phases.contrastive import PairBatches, pair_losses
from threephase.phases.denoising import DenoisingBatches, reconstruction_losses
from threephase.phases.optimization import Optimization
from threephase.study.settings import Denoising, Machine


def train_joint(
    encoder: SentenceEncoder,
    decoder: DenoisingDecoder,
    denoising: DenoisingBatches,
    pairs: PairBatches,
    settings: Denoising,
    machine: Machine,
) -> Optimization:
    """Train in place with one batch of each stream a step; the shorter stream is cycled, the last weights are kept.

    ``settings``: of the schedule. The denoising loss acts on the bottleneck's output, the contrastive loss on the
    second layer's.
    """
    encoder.train()
    decoder.train()
    encoder.transformer.embeddings.word_embeddings.shares_gradient = True
    steps = max(len(denoising), len(pairs))
    optimization = Optimization("train_joint", [encoder, decoder], settings, steps)
    for texts, pairs_of_texts in islice(zip(endless(denoising), endless(pairs), strict=False), steps):
        loss = optimization.backward(
            partial(reconstruction_losses, encoder, decoder, texts, machine),
            partial(pair_losses, encoder, pairs_of_texts, machine),
        )
        learning_rate = optimization.step()
        optimization.log(loss, learning_rate)
    return optimization


def endless(batches):
    """The batches again and again, each pass in a new order (and with new noise)."""
    while True:
        yield from batches
