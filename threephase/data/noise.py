"""Word deletion: the input noise of the paper's phase 1, and the stop-word copies of its phase 2.

Where a script has no spaces, characters stand for words (``units``).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from threephase.data.units import join_units, split_units
from threephase.study.source_params import WORDS

# Of the texts: what stands in more of them is a stop-word where no list of such words serves.
STOP_WORD_SHARE = 0.5


class WordDeletion:
    """Deletes words at random, anew at every call; at least one word of each text stays.

    Texts are split into words, or characters, once for all calls.
    """

    def __init__(self, texts: Sequence[str], deletion_ratio: float, units: str = WORDS):
        """``deletion_ratio``: the probability in [0, 1) with which each word is deleted. No text may be empty."""
        self.words = [split_units(text, units) for text in texts]
        self.deletion_ratio, self.units = deletion_ratio, units

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
        left = [itertools.compress(words, kept[start:]) for words, start in zip(chosen, starts, strict=True)]
        return [join_units(words, self.units) for words in left]


def stop_words_of(texts: Iterable[str], units: str) -> frozenset[str]:
    """Of words scikit-learn's English list, of characters those that more than half of the texts hold, in lower case.

    A decision of ours, the paper names none. There is no list of characters to take, and one that so many texts share
    tells no class of a few rows from the others.
    """
    if units != WORDS:
        held = [{unit.strip().lower() for unit in split_units(text, units)} for text in texts]
        counts = Counter(unit for of_text in held for unit in of_text)
        return frozenset(unit for unit, count in counts.items() if count > STOP_WORD_SHARE * len(held))

    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return ENGLISH_STOP_WORDS


def stop_words_deleted(text: str, is_stop_word: Callable[[str], bool], units: str = WORDS) -> str | None:
    """The text without its stop-words (case ignored), or None where no word would be left."""
    kept = [unit for unit in split_units(text, units) if not is_stop_word(unit.strip().lower())]
    return join_units(kept, units) or None
