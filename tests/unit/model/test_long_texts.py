"""Texts cut at full stops: nothing is lost, pieces fit the limit, and the first is scored."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoder import make_bert

from threephase.model.encoder_files import TransformerConfig
from threephase.model.tokens import TextTokenizer, cut_rows, first_pieces, sentence_pieces

WORDS = ["apples", "iron", "plums", "copper"]
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(lambda words: " ".join(words) + ".")
LIMIT = 14


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = make_bert(tmp_path_factory.mktemp("encoder"), [f"{word} ." for word in WORDS])
    return TextTokenizer(folder, TransformerConfig.from_file(folder / "config.json"), LIMIT)


@settings(deadline=None)
@given(st.lists(sentences, min_size=1, max_size=12))
def test_pieces_hold_all_sentences_in_order_and_are_as_long_as_fits(tokenizer, parts):
    cut = sentence_pieces(" ".join(parts), tokenizer)
    assert " ".join(cut) == " ".join(parts)
    lengths = [len(tokenizer([piece], count_cut=False)[0]) for piece in cut]
    assert max(lengths) <= LIMIT
    for piece, following in zip(cut, cut[1:], strict=False):
        first_sentence = following.split(". ")[0].rstrip(".") + "."
        longer = tokenizer.tokenizer.encode(f"{piece} {first_sentence}")
        assert len(longer.ids) == LIMIT and longer.overflowing or len(tokenizer([piece])[0]) == LIMIT


def test_a_sentence_beyond_the_limit_is_a_piece_of_its_own_and_truncated(tokenizer):
    long = " ".join(WORDS * 10) + "."
    cut = sentence_pieces(f"iron. {long} plums.", tokenizer)
    assert cut == ["iron.", long, "plums."]
    tokenizer(cut)
    assert tokenizer.truncated == 1


def test_rows_keep_what_else_they_hold(tokenizer):
    long = ". ".join(["apples iron plums"] * 6) + "."
    rows = pd.DataFrame({"example_id": ["a", "b"], "text": [long, "iron"], "label": ["x", "y"]})
    cut = cut_rows(rows, tokenizer)
    assert cut["example_id"].tolist() == ["a"] * (len(cut) - 1) + ["b"] and len(cut) > 2
    assert " ".join(cut.loc[cut["example_id"] == "a", "text"]) == long
    scored = first_pieces(rows, tokenizer)
    assert scored["example_id"].tolist() == ["a", "b"]
    assert scored["text"].tolist() == [cut["text"][0], "iron"]
