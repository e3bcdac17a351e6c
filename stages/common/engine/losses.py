"""The losses of the phases, as functions of what the models return."""

from torch import Tensor
from torch.nn import functional as F


def denoising_loss(logits: Tensor, target_ids: Tensor) -> Tensor:
    """Token cross-entropy of the undamaged text (the paper's phase 1).

    ``logits``: (tokens, vocabulary) for the positions that are no padding; ``target_ids``: (tokens,).
    """
    return F.cross_entropy(logits.float(), target_ids)


def contrastive_loss(left: Tensor, right: Tensor, similarity: Tensor) -> Tensor:
    """Mean squared error between a pair's cosine similarity and its label similarity (the paper's phase 2).

    ``left``, ``right``: (pairs, hidden size); ``similarity``: (pairs,).
    """
    return F.mse_loss(F.cosine_similarity(left.float(), right.float()), similarity)


def classification_loss(logits: Tensor, class_ids: Tensor) -> Tensor:
    """Softmax cross-entropy (the paper's phase 3). ``logits``: (rows, classes); ``class_ids``: (rows,)."""
    return F.cross_entropy(logits.float(), class_ids)
