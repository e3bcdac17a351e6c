"""Sentence vectors of many texts in evaluation mode."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.study.settings import Machine

EVALUATION_ROWS = 128
EVALUATION_TOKENS_ON_CPU = 4096


def sorted_batches(lengths: np.ndarray, device: str) -> Iterator[np.ndarray]:
    """Batches for evaluation: all rows, sorted by length, as many at a time as a CPU's caches like."""
    order = np.argsort(lengths, kind="stable")
    while len(order):
        batch = order[:EVALUATION_ROWS]
        if device == "cpu":
            # The last row is the longest one, to which the others are padded.
            tokens = lengths[batch] * np.arange(1, len(batch) + 1)
            batch = batch[: max(1, int((tokens <= EVALUATION_TOKENS_ON_CPU).sum()))]
        yield batch
        order = order[len(batch) :]


@torch.no_grad()
def embed(encoder: SentenceEncoder, sequences: list[np.ndarray], tokenizer: TextTokenizer, machine: Machine) -> Tensor:
    """Sentence vectors in evaluation mode, float32, (rows, hidden size), in the order given."""
    encoder.eval()
    vectors = torch.empty(len(sequences), encoder.hidden_size, device=machine.device)
    # One context for all batches: it keeps the weights that it has cast.
    with autocast(machine):
        for batch in sorted_batches(np.array([len(ids) for ids in sequences]), machine.device):
            of_batch = encoder(*tokenizer.pad([sequences[i] for i in batch], machine.device))
            vectors[torch.from_numpy(batch)] = of_batch.float()
    return vectors


def unit_vectors(
    encoder: SentenceEncoder, sequences: list[np.ndarray], tokenizer: TextTokenizer, machine: Machine
) -> np.ndarray:
    """The vectors of ``embed``, each divided by its length; one of zeros stays as it is."""
    vectors = embed(encoder, sequences, tokenizer, machine).cpu().numpy()
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
