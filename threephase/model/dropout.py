"""Dropout with cheap random bits on a CPU, where torch's own take as long as half of the matrix products.

Numpy's generator gives 64 bits a draw, which serve four elements; a probability is rounded to a multiple of 1/65536.
What is drawn does not depend on the number of threads. On a GPU torch's own dropout is used.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from threephase.data.randomness import derived_seed

_BITS = 16
_generator = np.random.SFC64(0)


def seed_dropout(seed: int, purpose: str) -> None:
    """Seed what ``dropout`` draws from, on every device."""
    global _generator
    value = derived_seed(seed, purpose)
    _generator = np.random.SFC64(value)
    torch.manual_seed(value)


def dropout(values: Tensor, probability: float, training: bool) -> Tensor:
    """Each value 0 with ``probability``, else divided by 1 - ``probability``; outside of training the values."""
    if not training or probability == 0.0:
        return values
    if values.device.type != "cpu":
        return F.dropout(values, probability)
    return values * kept(values.shape, probability, values.dtype)


def kept(shape: torch.Size, probability: float, dtype: torch.dtype) -> Tensor:
    """A factor for every element: 0 with ``probability``, else 1 / (1 - ``probability``)."""
    count = shape.numel()
    draws = _generator.random_raw(-(-count // 4)).view(np.int16)[:count]
    lowest = round(probability * 2**_BITS) - 2 ** (_BITS - 1)
    # Ones and zeros in the wanted type at once: where() with two scalars takes four times as long.
    ones = torch.ge(torch.from_numpy(draws).view(shape), lowest, out=torch.empty(shape, dtype=dtype))
    return ones.mul_(1 / (1 - probability))
