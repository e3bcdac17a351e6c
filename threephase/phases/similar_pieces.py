"""Which word piece of the texts is most similar to which: a piece for the loops of methods.

As CoSeRec has it for items, Liu et al. 2021, https://arxiv.org/abs/2108.06479, and its code.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn import functional as F

AT_ONCE = 512  # pieces whose similarity to all others is in memory


def most_similar(texts: list[np.ndarray], word_vectors: Tensor) -> np.ndarray:
    """The most similar other piece of each piece, (vocabulary,); what no text has stands for itself.

    Of the two nearest, by ``co_occurrence`` and by cosine of the word vectors, the one with the larger score; each kind
    of score is scaled to 0..1 over all pairs of pieces. ``texts``: ids without special tokens; ``word_vectors``:
    (vocabulary, size). Takes the time of (pieces of a text)^2 a text, and that of vocabulary^2 x size.
    """
    similar = np.arange(len(word_vectors))
    pieces, places = np.unique(np.concatenate(texts), return_inverse=True)
    if len(pieces) < 2:
        return similar
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    has = csr_array((np.ones(len(rows)), (rows, places)), (len(texts), len(pieces))).minimum(1)
    unit = F.normalize(word_vectors[pieces], dim=1).numpy()
    together, together_score = _nearest(partial(co_occurrence, has), len(pieces))
    alike, alike_score = _nearest(lambda some: unit[some] @ unit.T, len(pieces))
    similar[pieces] = pieces[np.where(together_score >= alike_score, together, alike)]
    return similar


def co_occurrence(has: csr_array, some: slice) -> np.ndarray:
    """Of ``some`` pieces with all, (some, pieces); ``has``: (texts, pieces), 1 where a text has the piece.

    The sum of 1 / ln(1 + pieces of the text) over the texts with both, divided by the square root of the texts with the
    one x the texts with the other: a text of many pieces tells less.
    """
    weights, texts = 1 / np.log1p(has.sum(axis=1).clip(min=1)), has.sum(axis=0)
    return (has[:, some].T @ has.multiply(weights[:, None]).tocsr()).toarray() / np.sqrt(texts[some, None] * texts)


def _nearest(scores_of: Callable[[slice], np.ndarray], pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other piece of each, and its score, scaled by the smallest and the largest of all pairs."""
    best, score, lowest = np.empty(pieces, dtype=int), np.empty(pieces), np.inf
    for start in range(0, pieces, AT_ONCE):
        some = slice(start, min(start + AT_ONCE, pieces))
        scores = scores_of(some)
        rows = np.arange(len(scores))
        scores[rows, start + rows] = np.inf
        lowest = min(lowest, scores.min())
        scores[rows, start + rows] = -np.inf
        best[some] = scores.argmax(axis=1)
        score[some] = scores[rows, best[some]]
    return best, (score - lowest) / max(score.max() - lowest, np.finfo(float).tiny)
