"""The loss of two views of each text, whatever makes them: a piece for the loops of methods."""

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Mean over all views of -log(exp(s / t) of its partner / sum of exp(s / t) over all views but itself).

    s: cosine similarity; t: ``temperature``. ``first``, ``second``: (texts, size), row i of both is a text's. This is
    NT-Xent of Chen et al. 2020, https://arxiv.org/abs/2002.05709, equation 1, which knows no classes: another text of
    the same class counts as different.
    """
    vectors = F.normalize(torch.cat([first, second]).float(), dim=1)
    logits = (vectors @ vectors.T / temperature).fill_diagonal_(-float("inf"))
    partners = torch.arange(len(vectors), device=vectors.device).roll(len(first))
    return F.cross_entropy(logits, partners)
