"""Contrastive pairs of phase 2 (the paper's phase 2), in linear time and memory."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from threephase.base.errors import UserError

MAX_REPETITION_FACTOR = 1000


def label_levels(rows: pd.DataFrame) -> np.ndarray:
    """Integer labels of shape (rows, levels), top level first; only their equality has a meaning."""
    columns = [column for column in rows.columns if column.startswith("label_")] or ["label"]
    return np.column_stack([pd.factorize(rows[column])[0] for column in columns])


@dataclass(frozen=True)
class Pairs:
    """Rows ``left[i]`` and ``right[i]`` form a pair with label similarity ``similarity[i]`` (float32)."""

    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray

    def __len__(self) -> int:
        return len(self.left)

    def with_zero_targets(self) -> "Pairs":
        """The same pairs with similarity 0 throughout, as joint training has them in the authors' code."""
        return Pairs(self.left, self.right, np.zeros_like(self.similarity))

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


def _shuffled_copies(rows: int, times: int, generator: np.random.Generator) -> np.ndarray:
    """Row numbers of both sides, (2, times x rows): for every copy one shuffle a side, so that more copies only add."""
    copies = [[generator.permutation(rows), generator.permutation(rows)] for _ in range(times)]
    return np.concatenate(copies, axis=1)


def _balanced_pairs(sides: np.ndarray, text_ids: np.ndarray, labels: np.ndarray) -> Pairs:
    """The two sides zipped, without self-pairs and repeated pairs, cut to as many similar as dissimilar ones.

    A text's identity is its ``text_ids`` entry, and (a, b) is the same pair as (b, a).
    """
    a, b = text_ids[sides].astype(np.int64)
    key = np.minimum(a, b) * (int(text_ids.max()) + 1) + np.maximum(a, b)
    left, right = sides[:, (a != b) & ~pd.Series(key).duplicated().to_numpy()]
    pairs = Pairs(left, right, label_similarity(labels[left], labels[right]))
    similar = int((pairs.similarity > 0).sum())
    return _first_of_each_kind(pairs, min(similar, len(pairs) - similar))


def _first_of_each_kind(pairs: Pairs, count: int) -> Pairs:
    """The first ``count`` similar and the first ``count`` dissimilar pairs; the order is kept."""
    is_similar = pairs.similarity > 0
    rank = np.where(is_similar, np.cumsum(is_similar), np.cumsum(~is_similar))
    return pairs[rank <= count]


def make_pairs(
    text_ids: np.ndarray,
    labels: np.ndarray,
    epochs: int,
    n_classes: int,
    generator: np.random.Generator,
    count: int | None = None,
) -> Pairs:
    """Balanced pairs of the (resampled) training rows.

    ``text_ids``: (rows,) integers, equal where the text is; ``labels``: (rows, levels) integers, top
    level first. The rows are shuffled and repeated epochs x floor(log2 K) times on each side and
    zipped; repeated pairs and self-pairs are dropped; then similar (label similarity > 0) and
    dissimilar pairs are cut to the same count. With an even ``count`` the copies are doubled until
    there are so many pairs, which begin with those of the same generator without it. Raises
    UserError where no balanced pair exists, or too few however often the texts are repeated.
    """
    times = repetitions(epochs, n_classes)
    limit = times if count is None else times * MAX_REPETITION_FACTOR
    sides = _shuffled_copies(len(text_ids), times, generator)
    while len(pairs := _balanced_pairs(sides, text_ids, labels)) < (count or 1):
        if times >= limit and not len(pairs):
            raise UserError(
                "pairs: got none, expected at least one similar and one dissimilar pair; add training rows or classes"
            )
        if times >= limit:
            raise UserError(
                f"pairs: got {len(pairs)} distinct balanced pairs, expected {count}; the training part is too small"
            )
        sides = np.concatenate([sides, _shuffled_copies(len(text_ids), times, generator)], axis=1)
        times *= 2
    return pairs if count is None else _first_of_each_kind(pairs, count // 2)
