"""One random generator a purpose, derived from the seed and the purpose's name.

Adding a draw in one place changes nothing elsewhere, and the same seed gives every variant the same
split, initial head and batch order (common random numbers, which make paired comparisons possible).
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derived_seed(seed: int, purpose: str) -> int:
    """A whole number of 63 bits for one purpose."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A numpy generator for one purpose (``split``, ``noise``, ``pairs`` ...)."""
    return np.random.default_rng(derived_seed(seed, purpose))


def torch_generator(seed: int, purpose: str) -> "torch.Generator":
    """A torch generator on the CPU for one purpose (``initial head`` ...)."""
    import torch

    return torch.Generator().manual_seed(derived_seed(seed, purpose))
