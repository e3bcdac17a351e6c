"""What the look at a data set counts in tokens, by hand on a tiny encoder whose vocabulary is known."""

import math

import pytest
from tiny_encoder import MAX_TOKENS, TEXTS, make_bert, make_roberta

from threephase.model.encoder_files import TransformerConfig
from threephase.model.token_counts import count_tokens
from threephase.model.tokens import TextTokenizer


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return make_bert(tmp_path_factory.mktemp("bert"))


def test_lengths_are_those_that_trainings_see(bert):
    texts = [*TEXTS, "steel " * 100]
    tokenizer = TextTokenizer(bert, TransformerConfig.from_file(bert / "config.json"), 200)
    counted = count_tokens(bert, texts)
    assert counted.lengths.tolist() == [len(ids) for ids in tokenizer(texts)]
    assert counted.limit == MAX_TOKENS == 64 and counted.cut(64) == 1 / 9 and counted.cut(102) == 0


def test_known_words_are_a_token_each_and_unknown_signs_are_counted(bert):
    known = count_tokens(bert, ["red apples and green pears"])
    assert (known.unknown, known.per_word, known.unspaced) == (0, 1, 0)
    assert known.lengths.tolist() == [7] and known.max_length == 8
    foreign = count_tokens(bert, ["red ü 7 apples"])
    assert foreign.unknown == pytest.approx(1 / 4)  # ü loses its dots, 7 is in no text


def test_the_limit_covers_95_of_100_texts_and_never_exceeds_the_encoder_s(bert):
    counted = count_tokens(bert, ["red"] * 90 + ["red apples and green pears fill the basket"] * 10)
    assert counted.max_length == 16 and counted.cut(16) == 0 and counted.cut(8) == pytest.approx(0.1)
    assert count_tokens(bert, ["steel " * 300]).max_length == MAX_TOKENS


def test_scripts_without_spaces(bert):
    counted = count_tokens(bert, ["我订了", "red apples"])
    assert counted.unspaced == 0.5 and counted.per_word == 1 and counted.unknown == pytest.approx(3 / 5)
    assert math.isnan(count_tokens(bert, ["我订了"]).per_word)


def test_a_tokenizer_of_bytes_knows_every_sign_and_needs_many_tokens(tmp_path):
    counted = count_tokens(make_roberta(tmp_path), ["железо и сталь"])
    assert counted.unknown == 0 and counted.per_word > 3
