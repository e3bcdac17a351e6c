"""Whether texts have spaces between their words, which is looked at before there is a study."""

from collections.abc import Collection

from threephase.data.units import WITHOUT_SPACES, pattern
from threephase.study.source_params import CHARACTERS, WORDS

LONGEST_WORD = 4  # characters of such a script that a word has on average at most, where spaces do part its words


def has_no_spaces(text: str) -> bool:
    """Whether most of a text are characters of scripts without spaces, and spaces do not part them into words anyhow.

    Anyhow: as in Chinese whose words somebody has parted for a program. A word of another script counts as one.
    """
    if text.isascii():  # the quickest answer, of most texts
        return False
    characters = len(pattern(rf"[[{WITHOUT_SPACES}]--\p{{M}}]").findall(text))
    if not characters:
        return False
    words = len(pattern(rf"[\w--[{WITHOUT_SPACES}]]+").findall(text))
    parted = len(pattern(rf"\s[{WITHOUT_SPACES}]").findall(text))
    return characters > words and characters > LONGEST_WORD * parted


def share_without_spaces(texts: Collection[str]) -> float:
    """The share of the texts, 0 to 1, that have no spaces between words; 0 of no texts."""
    return sum(map(has_no_spaces, texts)) / max(1, len(texts))


def proposed_units(texts: Collection[str]) -> str:
    """``units`` of a data set: characters where at least half of its texts have no spaces between words."""
    return CHARACTERS if share_without_spaces(texts) >= 0.5 else WORDS
