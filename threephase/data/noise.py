"""Word deletion: the input noise of the paper's phase 1, and the stop-word copies of its phase 2."""

from collections.abc import Callable, Sequence

import numpy as np


class WordDeletion:
    """Deletes words at random, anew at every call; at least one word of each text stays.

    Words are split at whitespace, once for all calls.
    """

    def __init__(self, texts: Sequence[str], deletion_ratio: float):
        """``deletion_ratio``: the probability in [0, 1) with which each word is deleted. No text may be empty."""
        self.words = [text.split() for text in texts]
        self.deletion_ratio = deletion_ratio

    def __call__(self, rows: Sequence[int] | np.ndarray, generator: np.random.Generator) -> list[str]:
        """Noised copies of the texts at ``rows``, in that order."""
        chosen = [self.words[row] for row in rows]
        counts = np.array([len(words) for words in chosen])
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        draws = generator.random(counts.sum())
        kept = draws >= self.deletion_ratio
        # Where every word would go, the word with the largest draw stays.
        largest = np.maximum.reduceat(draws, starts)
        kept |= draws == np.repeat(largest, counts)
        return [
            " ".join(word for word, keep in zip(words, kept[start : start + len(words)], strict=True) if keep)
            for words, start in zip(chosen, starts, strict=True)
        ]


def english_stop_words() -> frozenset[str]:
    """Scikit-learn's English list: a decision of ours, the paper names none."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return ENGLISH_STOP_WORDS


def stop_words_deleted(text: str, is_stop_word: Callable[[str], bool]) -> str | None:
    """The text without its stop-words (case ignored), or None where no word would be left."""
    kept = [word for word in text.split() if not is_stop_word(word.lower())]
    return " ".join(kept) or None
