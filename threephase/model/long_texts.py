"""Long texts as the authors' code treats them: cut at full stops into pieces of the encoder's limit."""

import re

import pandas as pd

from threephase.model.tokens import TextTokenizer

SENTENCE_END = re.compile(r"(?<=\.)\s+")


def pieces(text: str, tokenizer: TextTokenizer) -> list[str]:
    """The text's sentences, joined as long as their tokens fit the limit; a longer sentence is a piece of its own."""
    sentences = SENTENCE_END.split(text)
    special = tokenizer.special_tokens
    joined, tokens = [], 0
    for sentence, ids in zip(sentences, tokenizer(sentences, count_cut=False), strict=True):
        length = len(ids) - special
        if joined and special + tokens + length <= tokenizer.max_length:
            joined[-1] += " " + sentence
            tokens += length
        else:
            joined.append(sentence)
            tokens = length
    return joined


def cut_rows(rows: pd.DataFrame, tokenizer: TextTokenizer) -> pd.DataFrame:
    """Each piece of a text as a row of its own, with what else the text's row holds."""
    cut = rows.assign(text=[pieces(text, tokenizer) for text in rows["text"]])
    return cut.explode("text", ignore_index=True)


def first_pieces(rows: pd.DataFrame, tokenizer: TextTokenizer) -> pd.DataFrame:
    """The rows with the first piece of each text only, as the code scores test texts."""
    return rows.assign(text=[pieces(text, tokenizer)[0] for text in rows["text"]])
