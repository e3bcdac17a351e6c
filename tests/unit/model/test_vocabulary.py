"""Leaving out the word vectors that no text uses changes nothing but the time."""

import copy

import numpy as np
import pytest
import torch
from tiny_encoder import TEXTS, make_bert

from threephase.model import dropout
from threephase.model.encoder_folder import load_pretrained
from threephase.model.tokens import TextTokenizer
from threephase.model.vocabulary import keep_words, restore_words
from threephase.phases.updates import Updates


@pytest.fixture
def encoder_and_tokenizer(tmp_path):
    folder = make_bert(tmp_path)
    encoder = load_pretrained(folder, "mean")
    return encoder, TextTokenizer(folder, encoder.transformer.config, encoder.transformer.config.max_tokens)


def train(encoder, tokenizer, texts, weight_decay: float = 0.0) -> list[float]:
    dropout.seed_dropout(0, "test")
    encoder.train()
    settings = {"lr": 1e-2, "eps": 1e-8, "total": 5, "warmup": 0.2, "clip_gradient": 1.0}
    update = Updates("a test", [encoder], weight_decay=weight_decay, **settings)
    for _ in range(5):
        update(lambda _: [encoder(*tokenizer.pad(tokenizer(texts), "cpu")).square().mean()], epoch=1)
    return [line["loss"] for line in update.history]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_training_is_the_same_and_the_other_words_stay(encoder_and_tokenizer, weight_decay):
    encoder, tokenizer = encoder_and_tokenizer
    whole, texts = copy.deepcopy(encoder), list(TEXTS)[:3]
    before = encoder.transformer.embeddings.word_embeddings.weight.detach().clone()
    sequences = tokenizer(texts)
    others = keep_words(encoder, sequences)
    used = np.unique(np.concatenate(sequences))
    assert len(used) < len(encoder.transformer.embeddings.word_embeddings.weight) + 1 < len(before)
    assert train(encoder, tokenizer, texts, weight_decay) == pytest.approx(
        train(whole, tokenizer, texts, weight_decay), abs=1e-6
    )
    restore_words(encoder, others)
    ours, theirs = encoder.state_dict(), whole.state_dict()
    words = "transformer.embeddings.word_embeddings.weight"
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {words}:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-5, rtol=0)
    torch.testing.assert_close(ours[words][used], theirs[words][used], atol=1e-5, rtol=0)
    unused = np.setdiff1d(np.arange(len(before)), [*used, encoder.transformer.config.pad_token_id])
    assert torch.equal(ours[words][unused], before[unused])
    assert encoder.transformer.embeddings.word_embeddings.weight.requires_grad


def test_a_text_with_another_word_is_no_silent_mistake(encoder_and_tokenizer):
    encoder, tokenizer = encoder_and_tokenizer
    keep_words(encoder, tokenizer(list(TEXTS)[:1]))
    with pytest.raises(IndexError):
        encoder(*tokenizer.pad(tokenizer(["quite other words 123"]), "cpu"))
