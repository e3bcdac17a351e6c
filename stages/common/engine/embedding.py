"""Sentence vectors of many texts in evaluation mode."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from stages.common.engine.machine import Machine
from stages.common.engine.models import SentenceEncoder
from stages.common.engine.tokens import TextTokenizer

EVALUATION_BATCH = 128


def sorted_batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Batches for evaluation: all rows, sorted by length."""
    order = np.argsort(lengths, kind="stable")
    yield from (order[i : i + EVALUATION_BATCH] for i in range(0, len(order), EVALUATION_BATCH))


@torch.no_grad()
def embed(encoder: SentenceEncoder, sequences: list[np.ndarray], tokenizer: TextTokenizer, machine: Machine) -> Tensor:
    """Sentence vectors in evaluation mode, float32, (rows, hidden size), in the order given."""
    encoder.eval()
    vectors = torch.empty(len(sequences), encoder.hidden_size, device=machine.device)
    # One context for all batches: it keeps the weights that it has cast.
    with machine.autocast():
        for batch in sorted_batches(np.array([len(ids) for ids in sequences])):
            found = encoder(*tokenizer.pad([sequences[i] for i in batch], machine.device))
            vectors[torch.from_numpy(batch)] = found.float()
    return vectors
