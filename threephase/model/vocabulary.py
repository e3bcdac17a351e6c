"""Training without the word vectors that no text uses.

Where only an encoder is trained (phases 2 and 3), a word of no text has no gradient: without its vector every update is
the same up to rounding, and the optimizer has half of a small encoder's parameters. Phase 1 compares with every word of
the vocabulary and needs all.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from threephase.model.models import SentenceEncoder


def keep_words(encoder: SentenceEncoder, sequences: Sequence[np.ndarray]) -> Tensor:
    """Leave only the word vectors of ``sequences`` (token ids); returns the others' table for ``restore_words``.

    A text with another word then fails as one with an unknown id does.
    """
    embeddings = encoder.transformer.embeddings
    full = embeddings.word_embeddings.weight.detach()
    used = torch.from_numpy(np.unique(np.concatenate([*sequences, [encoder.transformer.config.pad_token_id]])))
    used = used.to(full.device)
    embeddings.row_of_word = torch.full((len(full),), len(used), device=full.device)
    embeddings.row_of_word[used] = torch.arange(len(used), device=full.device)
    embeddings.word_embeddings = nn.Embedding.from_pretrained(full[used], freeze=False)
    return full


def restore_words(encoder: SentenceEncoder, full: Tensor) -> None:
    """Give the encoder all word vectors again: the trained ones, and those of ``full`` that were left out."""
    embeddings = encoder.transformer.embeddings
    kept = embeddings.row_of_word < len(embeddings.word_embeddings.weight)
    full[kept] = embeddings.word_embeddings.weight.detach()[embeddings.row_of_word[kept]]
    embeddings.word_embeddings = nn.Embedding.from_pretrained(full, freeze=False)
    embeddings.row_of_word = None
