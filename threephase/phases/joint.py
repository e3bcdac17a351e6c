"""Phases 1 and 2 in one training: the sum of both losses (the paper's joint variant)."""

from functools import partial
from itertools import chain, islice

from threephase.model.models import DenoisingDecoder, SentenceEncoder
from threephase.phases.contrastive import PairBatches, pair_losses
from threephase.phases.denoising import DenoisingBatches, reconstruction_losses
from threephase.phases.updates import Updates
from threephase.study.settings import Denoising, Machine


def endless(batches):
    """The batches again and again, each pass in a new order (and with new noise)."""
    while True:
        yield from batches


def train_joint(
    encoder: SentenceEncoder,
    decoder: DenoisingDecoder,
    denoising: DenoisingBatches,
    pairs: PairBatches,
    settings: Denoising,
    machine: Machine,
) -> Updates:
    """Train in place with one batch of each stream a step; the shorter stream is cycled, the last weights are kept.

    ``settings``: of the schedule. The denoising loss acts on the bottleneck's output, the contrastive loss on the
    second layer's.
    """
    encoder.train()
    decoder.train()
    encoder.transformer.embeddings.word_embeddings.shares_gradient = True
    steps = max(len(denoising), len(pairs))
    update = Updates(
        "train_joint",
        [encoder, decoder],
        lr=settings.lr,
        eps=settings.adam_eps,
        total=steps,
        warmup=settings.warmup,
        weight_decay=0.0,
        clip_gradient=settings.clip_gradient,
    )
    for (noised, undamaged), pair_batch in islice(zip(endless(denoising), endless(pairs), strict=False), steps):
        losses = (
            partial(reconstruction_losses, encoder, decoder, noised, undamaged, machine),
            partial(pair_losses, encoder, pair_batch, machine),
        )
        update(lambda pieces, losses=losses: chain.from_iterable(loss(pieces) for loss in losses), epoch=1)
    return update
