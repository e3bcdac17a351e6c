"""How an encoder's tokenizer takes a data set's texts: how long they are in tokens, and whether it knows their words.

Needs no torch, whose import takes longer than the count.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from threephase.data.scripts import has_no_spaces
from threephase.model.encoder_files import CONFIG, TOKENIZER, TransformerConfig

UNKNOWN = ("[UNK]", "<unk>")
COVERED, STEP = 95, 8  # percent of the texts that the proposed limit leaves whole; it is a multiple of the step


@dataclass(frozen=True)
class TokenCounts:
    """Of the counted texts: ``lengths`` in tokens, special ones included; shares from 0 to 1.

    ``unknown``: of the tokens, those that stand for what the vocabulary lacks. ``unspaced``: of the texts, those that
    have no spaces between words. ``per_word``: tokens a word of the other texts; NaN where there are none.
    ``limit``: the longest text that the encoder takes.
    """

    lengths: np.ndarray
    unknown: float
    unspaced: float
    per_word: float
    limit: int

    @property
    def max_length(self) -> int:
        """The limit that leaves 95 of 100 texts whole, a multiple of 8, at most the encoder's own."""
        return min(self.limit, STEP * math.ceil(self.percentiles[1] / STEP))

    @property
    def percentiles(self) -> tuple[float, float]:
        """How long the middle text is, and the one that 95 of 100 do not exceed."""
        return tuple(np.percentile(self.lengths, (50, COVERED)))

    def cut(self, max_length: int) -> float:
        """The share of the texts that a limit of so many tokens cuts."""
        return float((self.lengths > max_length).mean())


def count_tokens(folder: Path, texts: Sequence[str]) -> TokenCounts:
    """What the tokenizer of an encoder's folder makes of the texts."""
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    special = tokenizer.num_special_tokens_to_add(is_pair=False)
    unknown = [number for token in UNKNOWN if (number := tokenizer.token_to_id(token)) is not None]
    encoded = [
        np.array(tokenizer.encode(text).ids) for text in texts
    ]  # one by one: an encoding holds far more than ids
    lengths, unspaced = np.array([len(ids) for ids in encoded]), np.array([has_no_spaces(text) for text in texts])
    words = sum(len(text.split()) for text, without in zip(texts, unspaced, strict=True) if not without)
    return TokenCounts(
        lengths=lengths,
        unknown=float(np.isin(np.concatenate(encoded), unknown).sum() / max(1, (lengths - special).sum())),
        unspaced=float(unspaced.mean()),
        per_word=float((lengths - special)[~unspaced].sum() / words) if words else math.nan,
        limit=TransformerConfig.from_file(folder / CONFIG).max_tokens,
    )
