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
from threephase.phases.checkpoint_choice import BestCheckpoint
from threephase.phases.losses import denoising_loss
from threephase.phases.optimization import Optimization, slices
from threephase.study.settings import CONTRASTIVE_LAYER, Denoising, Machine


def train_denoising(
    encoder: SentenceEncoder,
    decoder: DenoisingDecoder,
    batches: "DenoisingBatches",
    settings: Denoising,
    machine: Machine,
    checkpoints: BestCheckpoint | None = None,
) -> Optimization:
    """Train encoder, bottleneck and decoder in place, one pass; leaves the last weights or the best checkpoint."""
    encoder.train()
    decoder.train()
    encoder.transformer.embeddings.word_embeddings.shares_gradient = True
    optimization = Optimization("train_dae", [encoder, decoder], settings, len(batches))
    for batch in batches:
        loss = optimization.backward(partial(reconstruction_losses, encoder, decoder, batch, machine))
        learning_rate = optimization.step()
        optimization.log(loss, learning_rate)
        if checkpoints:
            checkpoints.after(optimization)
    optimization.end()
    return optimization


class DenoisingBatches:
    """Batches of (noised text, undamaged text): the data multiplied by the epochs, in one pass.

    Every copy of a text gets noise of its own.
    """

    def __init__(self, texts: list[str], settings: Denoising, tokenizer: TextTokenizer, seed: int, device: str):
        self.noise = WordDeletion(texts, settings.deletion_ratio, settings.units)
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
            self.sequence_updates += 2 * len(batch)  # each is encoded and decoded
            # A noised copy of a long text is no further text.
            noised = self.tokenizer(self.noise(batch, self.noise_random), count_cut=False)
            undamaged = [self.targets[row] for row in batch]
            yield self.tokenizer.pad(noised, self.device), self.tokenizer.pad(undamaged, self.device)


def reconstruction_losses(
    encoder: SentenceEncoder, decoder: DenoisingDecoder, batch: tuple, machine: Machine, pieces: int = 1
) -> Iterator[torch.Tensor]:
    """The loss of one batch of ``DenoisingBatches``, in parts for so many pieces of its texts."""
    tokens = _predicted(*batch[1]).sum(dim=1)
    for piece in slices(len(tokens), pieces):
        whole = piece == slice(0, len(tokens))
        share = 1.0 if whole else (tokens[piece].sum() / tokens.sum()).item()
        parts = [(ids[piece], None if mask is None else mask[piece]) for ids, mask in batch]
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
