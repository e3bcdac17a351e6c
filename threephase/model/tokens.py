"""Texts to token ids, long texts to pieces, and batches of similar length."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer

from threephase.base.files import reading
from threephase.model.encoder_files import TOKENIZER, TransformerConfig

# Texts are sorted by length within this many batches: little padding, while batches still change every epoch.
BUCKET_BATCHES = 8
ESTIMATE_SHARE, ESTIMATE_MARGIN = 0.1, 1.2
SENTENCE_END = re.compile(r"(?<=\.)\s+")


class TextTokenizer:
    """The encoder's own tokenizer with a limit of ``max_length`` tokens, special tokens included."""

    def __init__(self, folder: Path, config: TransformerConfig, max_length: int):
        file = folder / TOKENIZER
        with reading(file):
            self.tokenizer = Tokenizer.from_file(str(file))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length)
        self.pad_id = config.pad_token_id
        self.max_length = max_length
        self._cut: set[str] = set()

    @property
    def truncated(self) -> int:
        """How many distinct texts were cut so far."""
        return len(self._cut)

    def __call__(self, texts: Sequence[str], count_cut: bool = True) -> list[np.ndarray]:
        """Token ids of each text, not padded; texts that were cut are counted in ``truncated`` if ``count_cut``."""
        encodings = self.tokenizer.encode_batch(list(texts))
        if count_cut:
            self._cut.update(text for text, encoding in zip(texts, encodings, strict=True) if encoding.overflowing)
        return [np.array(encoding.ids) for encoding in encodings]

    def pad(self, sequences: Sequence[np.ndarray], device: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        """One batch: ids (rows, longest) padded on the right, and the mask (None where nothing is padded)."""
        lengths = np.array([len(ids) for ids in sequences])
        filled = np.arange(lengths.max()) < lengths[:, None]
        batch = np.full(filled.shape, self.pad_id)
        batch[filled] = np.concatenate(sequences)
        mask = None if filled.all() else torch.from_numpy(filled).to(device)
        return torch.from_numpy(batch).to(device), mask


def resolve_max_length(
    setting: int | str, folder: Path, config: TransformerConfig, texts: Sequence[str], random: np.random.Generator
) -> int:
    """The limit in tokens that ``max_length`` of the parameters stands for, never above the encoder's own.

    ``model``: the encoder's own; ``estimate``: 1.2 times the longest text of a 10% sample of the
    training texts (the paper's table 5).
    """
    if setting == "model":
        return config.max_tokens
    if isinstance(setting, int):
        return min(setting, config.max_tokens)
    sample = random.permutation(len(texts))[: max(1, round(ESTIMATE_SHARE * len(texts)))]
    longest = max(map(len, TextTokenizer(folder, config, config.max_tokens)([texts[i] for i in sample])))
    return min(round(ESTIMATE_MARGIN * longest), config.max_tokens)


def length_buckets(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, random: np.random.Generator
) -> Iterator[np.ndarray]:
    """Cut ``order`` (example numbers, shuffled) into ceil(n / batch_size) batches of similar length.

    Each stretch of BUCKET_BATCHES batches is sorted by ``lengths`` (indexed by example number) and its
    batches are shuffled, so the number of updates and of examples is that of plain batches.
    """
    stretch = BUCKET_BATCHES * batch_size
    for start in range(0, len(order), stretch):
        pool = order[start : start + stretch]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches = [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
        for position in random.permutation(len(batches)):
            yield batches[position]


def sentence_pieces(text: str, tokenizer: TextTokenizer) -> list[str]:
    """A text cut at full stops as the authors' code does: sentences, joined as long as their tokens fit the limit.

    A sentence longer than that is a piece of its own.
    """
    special = tokenizer.tokenizer.num_special_tokens_to_add(is_pair=False)
    sentences = SENTENCE_END.split(text)
    pieces, tokens = [], 0
    for sentence, ids in zip(sentences, tokenizer(sentences, count_cut=False), strict=True):
        length = len(ids) - special
        if pieces and special + tokens + length <= tokenizer.max_length:
            pieces[-1] += " " + sentence
            tokens += length
        else:
            pieces.append(sentence)
            tokens = length
    return pieces


def cut_rows(rows: pd.DataFrame, tokenizer: TextTokenizer) -> pd.DataFrame:
    """Each piece of a text as a row of its own, with what else the text's row holds."""
    cut = rows.assign(text=[sentence_pieces(text, tokenizer) for text in rows["text"]])
    return cut.explode("text", ignore_index=True)


def first_pieces(rows: pd.DataFrame, tokenizer: TextTokenizer) -> pd.DataFrame:
    """The rows with the first piece of each text only, as the code scores test texts."""
    return rows.assign(text=[sentence_pieces(text, tokenizer)[0] for text in rows["text"]])
