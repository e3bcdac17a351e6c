"""Phase 1: training the encoder as a denoising autoencoder (the paper's phase 1)."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from threephase.data.noise import WordDeletion
from threephase.data.randomness import generator
from threephase.model.machine import autocast
from threephase.model.models import DenoisingDecoder, SentenceEncoder
from threephase.model.tokens import TextTokenizer, length_buckets
from threephase.phases.checkpoint_choice import BestLook
from threephase.phases.losses import denoising_loss
from threephase.phases.updates import Updates, slices
from threephase.study.settings import CONTRASTIVE_LAYER, Denoising, Machine


class DenoisingBatches:
    """Batches of (noised text, undamaged text): the data multiplied by the epochs, in one pass.

    Every copy of a text gets noise of its own.
    """

    def __init__(self, texts: list[str], settings: Denoising, tokenizer: TextTokenizer, seed: int, device: str):
        self.noise = WordDeletion(texts, settings.deletion_ratio)
        self.targets = tokenizer(texts)
        self.lengths = np.array([len(ids) for ids in self.targets])
        self.settings, self.tokenizer, self.device = settings, tokenizer, device
        self.order_random, self.noise_random = generator(seed, "batch order dae"), generator(seed, "noise")
        self.examples = settings.epochs * len(texts)
        self.sequence_updates = 0

    def __len__(self) -> int:
        return math.ceil(self.examples / self.settings.batch_size)

    def __iter__(self):
        """Yields noised ids and mask, and undamaged ids and mask, as ``TextTokenizer.pad`` makes them."""
        order = self.order_random.permutation(np.tile(np.arange(len(self.targets)), self.settings.epochs))
        for batch in length_buckets(order, self.lengths, self.settings.batch_size, self.order_random):
            # A noised copy of a long text is no further text.
            self.sequence_updates += 2 * len(batch)  # each is encoded and decoded
            noised = self.tokenizer(self.noise(batch, self.noise_random), count_cut=False)
            yield (
                self.tokenizer.pad(noised, self.device),
                self.tokenizer.pad([self.targets[i] for i in batch], self.device),
            )


def reconstruction_losses(
    encoder: SentenceEncoder,
    decoder: DenoisingDecoder,
    noised: tuple,
    undamaged: tuple,
    machine: Machine,
    pieces: int = 1,
) -> Iterator[torch.Tensor]:
    """The loss of one batch, in parts for so many pieces of its texts."""
    tokens = _predicted(*undamaged).sum(dim=1)
    for piece in slices(len(tokens), pieces):
        whole = piece == slice(0, len(tokens))
        share = 1.0 if whole else (tokens[piece].sum() / tokens.sum()).item()
        parts = [tuple(None if one is None else one[piece] for one in side) for side in (noised, undamaged)]
        yield share * reconstruction_loss(encoder, decoder, *parts, machine)


def _predicted(ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Which tokens the decoder predicts: all but the first of each text."""
    return torch.ones_like(ids[:, 1:], dtype=torch.bool) if mask is None else mask[:, 1:]


def reconstruction_loss(
    encoder: SentenceEncoder, decoder: DenoisingDecoder, noised: tuple, undamaged: tuple, machine: Machine
) -> torch.Tensor:
    """Encode the noised texts (in joint training up to the bottleneck) and decode the undamaged ones from that."""
    target_ids, predicted = undamaged[0], _predicted(*undamaged)
    with autocast(machine):
        memory = encoder(*noised, stop_before=CONTRASTIVE_LAYER)
        vectors = decoder(encoder.transformer, target_ids, memory, predicted)
    if machine.precision == "bf16":
        vectors = vectors.bfloat16()
    words = encoder.transformer.embeddings.word_embeddings.weight
    return denoising_loss(vectors, words, decoder.bias, target_ids[:, 1:][predicted])


def train_denoising(
    encoder: SentenceEncoder,
    decoder: DenoisingDecoder,
    batches: DenoisingBatches,
    settings: Denoising,
    machine: Machine,
    looks: BestLook | None = None,
) -> Updates:
    """Train encoder, bottleneck and decoder in place, one pass.

    The last weights are kept, or with ``looks`` the best of the encoder that were seen.
    """
    encoder.train()
    decoder.train()
    encoder.transformer.embeddings.word_embeddings.shares_gradient = True
    update = Updates(
        "train_dae",
        [encoder, decoder],
        lr=settings.lr,
        eps=settings.adam_eps,
        total=len(batches),
        warmup=settings.warmup,
        weight_decay=0.0,
        clip_gradient=settings.clip_gradient,
    )
    for noised, undamaged in batches:
        update(partial(reconstruction_losses, encoder, decoder, noised, undamaged, machine), epoch=1)
        if looks:
            looks.after(update.step)
    if looks:
        looks.restore()
    return update
