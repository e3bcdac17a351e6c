"""Texts to token ids, limits in tokens, and batches of similar length."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoder import MAX_TOKENS, TEXTS, make_bert, make_roberta

from threephase.data.randomness import generator
from threephase.model.encoder_files import TransformerConfig
from threephase.model.tokens import BUCKET_BATCHES, TextTokenizer, length_buckets, resolve_max_length


@pytest.fixture(scope="module", params=[make_bert, make_roberta], ids=["bert", "roberta"])
def folder(request, tmp_path_factory) -> Path:
    return request.param(tmp_path_factory.mktemp("encoder"))


def tokenizer_of(folder: Path, max_length: int = MAX_TOKENS) -> TextTokenizer:
    return TextTokenizer(folder, TransformerConfig.from_file(folder / "config.json"), max_length)


def test_texts_above_the_limit_are_cut_and_counted(folder):
    tokenizer = tokenizer_of(folder)
    short, long = tokenizer(["iron", "iron " * 100])
    assert len(long) == MAX_TOKENS and tokenizer.truncated == 1
    # The special tokens stay, at both ends of both texts.
    assert (short[0], short[-1]) == (long[0], long[-1])
    exact = tokenizer_of(folder, len(short))
    exact(["iron"])
    assert exact.truncated == 0
    limited = tokenizer_of(folder, len(short) - 1)
    limited(["iron"])
    limited(["iron", "iron iron"])
    assert limited.truncated == 2


def test_padding_stands_on_the_right_and_is_masked(folder):
    tokenizer = tokenizer_of(folder)
    sequences = tokenizer(TEXTS)
    ids, mask = tokenizer.pad(sequences, "cpu")
    assert ids.dtype == torch.int64 and ids.shape == mask.shape == (len(TEXTS), max(map(len, sequences)))
    for row, filled, sequence in zip(ids, mask, sequences, strict=True):
        n = len(sequence)
        assert row[:n].tolist() == sequence.tolist() and filled[:n].all()
        assert (row[n:] == tokenizer.pad_id).all() and not filled[n:].any()


def test_a_batch_of_one_length_has_no_mask(folder):
    tokenizer = tokenizer_of(folder)
    sequences = tokenizer([TEXTS[0], TEXTS[0]])
    ids, mask = tokenizer.pad(sequences, "cpu")
    assert mask is None and ids.tolist() == [sequence.tolist() for sequence in sequences]


@pytest.mark.parametrize("text", ["日本語のテキスト", "Привет мир", "مرحبا", "🙂", "the", "x", "\u200b"])
def test_any_text_gives_at_least_the_special_tokens(folder, text):
    tokenizer = tokenizer_of(folder)
    (ids,) = tokenizer([text])
    assert len(ids) >= 2 and tokenizer.truncated == 0
    assert ids.max() < TransformerConfig.from_file(folder / "config.json").vocab_size


def test_max_length_of_the_parameters(folder):
    config = TransformerConfig.from_file(folder / "config.json")

    def resolved(setting, texts=TEXTS):
        return resolve_max_length(setting, folder, config, list(texts), generator(0, "estimate"))

    assert config.max_tokens == MAX_TOKENS
    assert resolved("model") == MAX_TOKENS
    assert resolved(12) == 12
    assert resolved(10_000) == MAX_TOKENS
    length = len(tokenizer_of(folder)([TEXTS[0]])[0])
    # 1.2 times the longest text of a sample; all texts are the same here.
    assert resolved("estimate", [TEXTS[0]] * 20) == round(1.2 * length)
    assert resolved("estimate", ["iron " * 100]) == MAX_TOKENS


def test_the_estimate_looks_at_a_tenth_of_the_texts(folder):
    config = TransformerConfig.from_file(folder / "config.json")
    short, long = ["iron"] * 95, ["iron " * 20] * 5
    drawn = {
        resolve_max_length("estimate", folder, config, short + long, generator(seed, "estimate")) for seed in range(20)
    }
    lengths = [len(ids) for ids in tokenizer_of(folder)([short[0], long[0]])]
    assert drawn == {round(1.2 * length) for length in lengths}


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=200),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 3),
)
def test_length_buckets_cover_each_example_once_in_as_many_batches_as_plain_ones(lengths, batch_size, seed):
    random = np.random.default_rng(seed)
    order = random.permutation(len(lengths))
    batches = list(length_buckets(order, np.array(lengths), batch_size, random))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert len(batches) == math.ceil(len(lengths) / batch_size)
    assert sum(len(batch) < batch_size for batch in batches) == (len(lengths) % batch_size > 0)


@settings(deadline=None)
@given(repeats=st.integers(2, 4), examples=st.integers(1, 30), batch_size=st.integers(1, 8))
def test_length_buckets_keep_repeated_examples(repeats, examples, batch_size):
    random = np.random.default_rng(0)
    order = random.permutation(np.tile(np.arange(examples), repeats))
    batches = length_buckets(order, np.arange(examples) + 1, batch_size, random)
    assert np.bincount(np.concatenate(list(batches))).tolist() == [repeats] * examples


def test_length_buckets_are_alike_in_length_and_differ_between_epochs():
    random, lengths = np.random.default_rng(0), np.random.default_rng(1).integers(1, 60, 512)

    def padding(batches) -> int:
        return sum((lengths[batch].max() - lengths[batch]).sum() for batch in batches)

    epochs = [list(length_buckets(random.permutation(512), lengths, 16, random)) for _ in range(2)]
    plain = random.permutation(512).reshape(-1, 16)
    assert padding(epochs[0]) < 0.4 * padding(plain)
    first, second = ({frozenset(batch.tolist()) for batch in epoch} for epoch in epochs)
    assert not first & second
    # Short batches do not all come first.
    means = [lengths[batch].mean() for batch in epochs[0][:BUCKET_BATCHES]]
    assert means != sorted(means)
