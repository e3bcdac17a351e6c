"""The losses of the phases, as functions of what the models return."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Rows of logits that are turned into probabilities at once: they stay in a CPU's cache.
CHUNK = {"cpu": 32}
WHOLE = 1 << 30


def denoising_loss(vectors: Tensor, word_embeddings: Tensor, bias: Tensor, target_ids: Tensor) -> Tensor:
    """Token cross-entropy of the undamaged text (the paper's phase 1).

    ``vectors``: (tokens, hidden size) for the positions that are no padding; ``word_embeddings``: (vocabulary, hidden
    size); ``bias``: (vocabulary,); ``target_ids``: (tokens,). The logits are the vectors' products with the embeddings.
    """
    return _VocabularyCrossEntropy.apply(vectors, word_embeddings, bias, target_ids)


class _VocabularyCrossEntropy(torch.autograd.Function):
    """Product with the vocabulary, softmax and cross-entropy; the logits' gradient takes the logits' own memory.

    Products are in the vectors' precision, probabilities in float32. Written out, the same passes five times over
    tensors of tokens x vocabulary.
    """

    @staticmethod
    def forward(ctx, vectors: Tensor, word_embeddings: Tensor, bias: Tensor, target_ids: Tensor) -> Tensor:
        with torch.autocast(vectors.device.type, enabled=False):
            words = word_embeddings.to(vectors.dtype)
            logits = torch.mm(vectors, words.t())
            total = vectors.new_zeros((), dtype=torch.float32)
            size = CHUNK.get(vectors.device.type, WHOLE)
            for rows, targets in zip(logits.split(size), target_ids.split(size), strict=True):
                logs, targets = (rows + bias).log_softmax(dim=1), targets[:, None]
                total -= logs.gather(1, targets).sum()
                rows.copy_(logs.exp_().scatter_add_(1, targets, logs.new_full(targets.shape, -1.0)))
        ctx.save_for_backward(vectors, words, logits)
        ctx.types = word_embeddings.dtype, bias.dtype
        return total / len(target_ids)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        vectors, words, of_logits = ctx.saved_tensors
        of_words, of_bias = ctx.types
        with torch.autocast(vectors.device.type, enabled=False):
            scale = gradient / len(vectors)
            return (
                torch.mm(of_logits, words).mul_(scale),
                torch.mm(of_logits.t(), vectors).to(of_words).mul_(scale),
                # A sum over the rows as a product: torch would first copy all logits to float32.
                torch.mm(of_logits.new_ones(1, len(vectors)), of_logits)[0].to(of_bias).mul_(scale),
                None,
            )


def contrastive_loss(left: Tensor, right: Tensor, similarity: Tensor) -> Tensor:
    """Mean squared error between a pair's cosine similarity and its label similarity (the paper's phase 2).

    ``left``, ``right``: (pairs, hidden size); ``similarity``: (pairs,).
    """
    return F.mse_loss(F.cosine_similarity(left.float(), right.float()), similarity)


def classification_loss(logits: Tensor, class_ids: Tensor) -> Tensor:
    """Softmax cross-entropy (the paper's phase 3). ``logits``: (rows, classes); ``class_ids``: (rows,)."""
    return F.cross_entropy(logits.float(), class_ids)
