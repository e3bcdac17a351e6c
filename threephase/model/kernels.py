"""What a CPU computes in its own way, for speed alone: dropout, attention, and the look-up of word vectors.

Torch's own dropout takes as long there as half of the matrix products. On a GPU torch's kernels are used.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.data.randomness import derived_seed

_BITS = 16
_generator = np.random.SFC64(0)
FEW_TOKENS = 16
# Blocks of 32 MB and more glibc takes from the system page by page each time; smaller ones it keeps for the next use.
SCORES_AT_ONCE = 2**22


def seed_dropout(seed: int, purpose: str) -> None:
    """Seed what ``dropout`` draws from, on every device."""
    global _generator
    value = derived_seed(seed, purpose)
    _generator = np.random.SFC64(value)
    torch.manual_seed(value)


def random_state(device: str) -> dict[str, Any]:
    """That of all that ``seed_dropout`` seeds and a training there draws from, in plain numbers and tensors."""
    own = _generator.state
    own |= {"state": {name: value.tolist() for name, value in own["state"].items()}}
    of_device = None if device == "cpu" else getattr(torch, device).get_rng_state()
    return {"own": own, "torch": torch.get_rng_state(), "device": of_device}


def set_random_state(state: dict[str, Any], device: str) -> None:
    """Go on from what ``random_state`` gave."""
    own = state["own"]
    _generator.state = own | {"state": {name: np.array(value, np.uint64) for name, value in own["state"].items()}}
    torch.set_rng_state(state["torch"])
    if device != "cpu":
        getattr(torch, device).set_rng_state(state["device"])


def dropout(values: Tensor, probability: float, training: bool) -> Tensor:
    """Each value 0 with ``probability``, else divided by 1 - ``probability``; outside of training the values."""
    if not training or probability == 0.0:
        return values
    if values.device.type != "cpu":
        return F.dropout(values, probability)
    return values * kept(values.shape, probability, values.dtype)


def kept(shape: torch.Size, probability: float, dtype: torch.dtype) -> Tensor:
    """A factor for every element: 0 with ``probability``, else 1 / (1 - ``probability``).

    A draw of 64 bits serves four elements, so that ``probability`` is rounded to a multiple of 1/65536. What is drawn
    does not depend on the number of threads.
    """
    count = shape.numel()
    draws = _generator.random_raw(-(-count // 4)).view(np.int16)[:count]
    lowest = round(probability * 2**_BITS) - 2 ** (_BITS - 1)
    # Ones and zeros in the wanted type at once: where() with two scalars takes four times as long.
    ones = torch.ge(torch.from_numpy(draws).view(shape), lowest, out=torch.empty(shape, dtype=dtype))
    return ones.mul_(1 / (1 - probability))


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float, causal: bool
) -> Tensor:
    """Attention with dropout, all (rows, heads, tokens, size of a head); ``mask`` is True where to look."""
    rows, heads, tokens, _ = query.shape
    # On a CPU torch has no kernel for dropout here, and for very short texts its kernel is slow in bf16.
    is_slow = probability > 0 or (tokens < FEW_TOKENS and query.dtype == torch.bfloat16)
    if query.device.type != "cpu" or not is_slow:
        return F.scaled_dot_product_attention(query, key, value, mask, probability, is_causal=causal)
    few = max(1, SCORES_AT_ONCE // (heads * tokens * tokens))
    if rows <= few:
        return _attention_in_steps(query, key, value, mask, probability, causal)
    masks = itertools.repeat(None) if mask is None else mask.split(few)
    parts = zip(query.split(few), key.split(few), value.split(few), masks, strict=False)
    return torch.cat([_attention_in_steps(*part, probability, causal) for part in parts])


def _attention_in_steps(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float, causal: bool
) -> Tensor:
    scores = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(2, 3))
    if causal:
        mask = torch.ones(scores.shape[2:], dtype=torch.bool).tril()
    if mask is not None:
        scores.masked_fill_(~mask, -torch.inf)
    weights = scores.softmax(dim=-1, dtype=scores.dtype)
    if probability > 0:
        weights = weights * kept(weights.shape, probability, weights.dtype)
    return torch.matmul(weights, value)


class WordVectors(nn.Embedding):
    """The table of word vectors, which may hold only the words in use or share a dense gradient.

    ``row_of_word``: the row of each token id where only some are kept; ``shares_gradient``: the table gets a dense
    gradient from elsewhere, to which that of the look-ups is added.
    """

    row_of_word: Tensor | None = None
    shares_gradient = False

    def forward(self, token_ids: Tensor) -> Tensor:
        if self.row_of_word is not None:
            token_ids = self.row_of_word[token_ids]
        weight = self.weight
        if not (self.shares_gradient and torch.is_grad_enabled()):
            return F.embedding(token_ids, weight)
        vectors = F.embedding(token_ids, weight.detach()).requires_grad_()

        def add(gradient: Tensor) -> None:
            # In place, instead of a table of zeros for each look-up; mostly the dense gradient is there before.
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            weight.grad.index_add_(0, token_ids.flatten(), gradient.flatten(0, 1))

        vectors.register_hook(add)
        return vectors


def keep_words(encoder: nn.Module, sequences: Sequence[np.ndarray]) -> Tensor:
    """Leave only the word vectors of ``sequences`` (token ids); returns the whole table for ``restore_words``.

    Where only an encoder is trained (phases 2 and 3), a word of no text has no gradient: without its vector every
    update is the same up to rounding, and the optimizer has half of a small encoder's parameters. Phase 1 compares
    with every word and needs all. A text with another word then fails as one with an unknown id does.
    """
    table = encoder.transformer.embeddings.word_embeddings
    full = table.weight.detach()
    used = torch.from_numpy(np.unique(np.concatenate([*sequences, [encoder.transformer.config.pad_token_id]])))
    used = used.to(full.device)
    table.row_of_word = torch.full((len(full),), len(used), device=full.device)
    table.row_of_word[used] = torch.arange(len(used), device=full.device)
    table.weight = nn.Parameter(full[used])
    return full


def restore_words(encoder: nn.Module, full: Tensor) -> None:
    """Give the encoder all word vectors again: the trained ones, and those of ``full`` that were left out."""
    table = encoder.transformer.embeddings.word_embeddings
    in_use = table.row_of_word < len(table.weight)
    full[in_use] = table.weight.detach()[table.row_of_word[in_use]]
    table.weight, table.row_of_word = nn.Parameter(full), None
