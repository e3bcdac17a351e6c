"""Whether texts have spaces between their words, which is looked at before there is a study."""

from collections.abc import Collection

from threephase.data.units import WITHOUT_SPACES, pattern, split_units
from threephase.study.source_params import CHARACTERS, WORDS

LONGEST_WORD = 4  # characters of such a script that a word has on average at most, where spaces do part its words


def has_no_spaces(text: str) -> bool:
    """Whether most of a text are characters of scripts without spaces, and spaces do not part them into words anyhow.

    Anyhow: as in Chinese whose words somebody has parted for a program. A word of another script counts as one.
    """
    without = pattern(f"[{WITHOUT_SPACES}]")
    if without.search(text) is None:  # of most texts the whole answer, and cheap
        return False
    units = [unit for unit in split_units(text, CHARACTERS) if pattern(r"\s*\w").match(unit)]
    characters = [unit for unit in units if without.match(unit.strip())]
    parted = sum(unit[0].isspace() for unit in characters)
    return 2 * len(characters) > len(units) and len(characters) > LONGEST_WORD * parted


def share_without_spaces(texts: Collection[str]) -> float:
    """The share of the texts, 0 to 1, that have no spaces between words; 0 of no texts."""
    return sum(map(has_no_spaces, texts)) / max(1, len(texts))


def proposed_units(texts: Collection[str]) -> str:
    """``units`` of a data set: characters where at least half of its texts have no spaces between words."""
    return CHARACTERS if share_without_spaces(texts) >= 0.5 else WORDS
