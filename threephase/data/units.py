"""What counts as a word of a text: what white space parts, or a character where a script has no spaces.

A data set says which of the two (``units`` in ``data/<name>.yaml``); ``scripts`` proposes it.
"""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from threephase.study.source_params import WORDS

if TYPE_CHECKING:
    import regex

# Chinese, Japanese and Yi, the scripts of South East Asia as Unicode's annex 14 groups them, and Tibetan.
WITHOUT_SPACES = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Line_Break=Complex_Context}\p{Tibetan}"


@functools.cache
def pattern(content: str) -> "regex.Pattern":
    """A compiled pattern of ``regex``, which knows Unicode's scripts; only texts without spaces need the library."""
    import regex

    return regex.compile(content, regex.VERSION1)


def split_units(text: str, units: str) -> list[str]:
    """The text's units in their order, for ``join_units``; at least one where the text is not blank.

    ``words``: what white space parts. ``characters``: each character of a script without spaces, with the marks that
    it carries; of what stands between them each word, number and sign. A space stays with the unit behind it.
    """
    if units == WORDS:
        return text.split()
    character = rf"(?=[{WITHOUT_SPACES}])\X"
    return pattern(rf"\s*(?:{character}|[\w--[{WITHOUT_SPACES}]]+|\S)").findall(text.strip())


def join_units(parts: Iterable[str], units: str) -> str:
    """The text of some of the units that ``split_units`` gave, in their order."""
    return " ".join(parts) if units == WORDS else "".join(parts).strip()
