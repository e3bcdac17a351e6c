"""Contrastive pairs of phase 2 (the paper's phase 2), in linear time and memory."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.common.errors import UserError

MAX_REPETITION_FACTOR = 1000


@dataclass(frozen=True)
class Pairs:
    """Rows ``left[i]`` and ``right[i]`` form a pair with label similarity ``similarity[i]`` (float32)."""

    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, chosen: slice | np.ndarray) -> "Pairs":
        return Pairs(self.left[chosen], self.right[chosen], self.similarity[chosen])


def label_similarity(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Share of label levels, counted from the top, that match.

    ``left`` and ``right`` are integer labels of shape (pairs, levels), top level first. With one
    level: 1 for the same class, 0 otherwise; with two: 1, 0.5 or 0. Returns (pairs,) float32.
    """
    matches_so_far = np.logical_and.accumulate(left == right, axis=1)
    return matches_so_far.mean(axis=1).astype(np.float32)


def repetitions(epochs: int, n_classes: int) -> int:
    """How often the rows are repeated on each side: epochs x floor(log2 K), at least once an epoch."""
    return epochs * max(1, n_classes.bit_length() - 1)


def _zip_shuffled_copies(
    text_ids: np.ndarray, times: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both sides: independent shuffled copies, zipped, without self-pairs and repeated pairs.

    A text's identity is its ``text_ids`` entry, and (a, b) is the same pair as (b, a).
    """
    n = len(text_ids)
    left = np.concatenate([generator.permutation(n) for _ in range(times)])
    right = np.concatenate([generator.permutation(n) for _ in range(times)])
    a, b = text_ids[left].astype(np.int64), text_ids[right].astype(np.int64)
    key = np.minimum(a, b) * (int(text_ids.max()) + 1) + np.maximum(a, b)
    keep = (a != b) & ~pd.Series(key).duplicated().to_numpy()
    return left[keep], right[keep]


def _cut_to_balance(pairs: Pairs) -> Pairs:
    """The first m similar and the first m dissimilar pairs, m the smaller count; the order is kept."""
    similar = int((pairs.similarity > 0).sum())
    fewest = min(similar, len(pairs) - similar)
    return _first_of_each_kind(pairs, fewest, fewest)


def _first_of_each_kind(pairs: Pairs, similar: int, dissimilar: int) -> Pairs:
    """So many similar and so many dissimilar pairs, the first of each; the order is kept."""
    is_similar = pairs.similarity > 0
    rank = np.where(is_similar, np.cumsum(is_similar), np.cumsum(~is_similar))
    return pairs[rank <= np.where(is_similar, similar, dissimilar)]


def _pairs(text_ids: np.ndarray, labels: np.ndarray, times: int, generator: np.random.Generator) -> Pairs:
    left, right = _zip_shuffled_copies(text_ids, times, generator)
    return _cut_to_balance(Pairs(left, right, label_similarity(labels[left], labels[right])))


def make_pairs(
    text_ids: np.ndarray, labels: np.ndarray, epochs: int, n_classes: int, generator: np.random.Generator
) -> Pairs:
    """Balanced pairs of the (resampled) training rows.

    ``text_ids``: (rows,) integers, equal where the text is; ``labels``: (rows, levels) integers, top
    level first. The rows are shuffled and repeated epochs x floor(log2 K) times on each side and
    zipped; repeated pairs and self-pairs are dropped; then similar (label similarity > 0) and
    dissimilar pairs are cut to the same count. Raises UserError where no balanced pair exists.
    """
    pairs = _pairs(text_ids, labels, repetitions(epochs, n_classes), generator)
    return _refuse_none(pairs)


def make_as_many_pairs(
    count: int, text_ids: np.ndarray, labels: np.ndarray, epochs: int, n_classes: int, generator: np.random.Generator
) -> Pairs:
    """As ``make_pairs``, with the repetitions doubled until there are ``count`` balanced pairs, then cut to it.

    The cut keeps ``count`` balanced to within one pair. Raises UserError where the texts have fewer
    pairs than that, however often they are repeated.
    """
    times = repetitions(epochs, n_classes)
    limit = times * MAX_REPETITION_FACTOR
    while True:
        pairs = _pairs(text_ids, labels, times, generator)
        if len(pairs) >= count:
            return _first_of_each_kind(pairs, (count + 1) // 2, count // 2)
        if times >= limit:
            _refuse_none(pairs)
            raise UserError(
                f"pairs: got {len(pairs)} distinct balanced pairs, expected {count}; the training part is too small"
            )
        times *= 2


def _refuse_none(pairs: Pairs) -> Pairs:
    if not len(pairs):
        raise UserError(
            "pairs: got none, expected at least one similar and one dissimilar pair; add training rows or classes"
        )
    return pairs
