"""Dropout on a CPU: what it keeps, how it scales, its draws; and training on the word vectors in use alone."""

import copy

import numpy as np
import pytest
import torch
from tiny_encoder import TEXTS, make_bert, tiny_contrastive

from threephase.model import kernels
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import keep_words, kept, restore_words
from threephase.model.tokens import TextTokenizer
from threephase.phases.optimization import Optimization

COUNT = 200_000


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.9])
def test_as_many_are_dropped_as_asked_and_the_mean_stays(probability):
    kernels.seed_dropout(0, "test")
    values = kernels.dropout(torch.ones(4, COUNT // 4), probability, training=True)
    share = (values == 0).float().mean().item()
    assert share == pytest.approx(probability, abs=4 * (probability * (1 - probability) / COUNT) ** 0.5)
    assert values.unique().tolist() == pytest.approx([0.0, 1 / (1 - probability)])
    assert values.mean().item() == pytest.approx(1, abs=0.03)


def test_the_elements_are_independent_of_their_neighbours():
    kernels.seed_dropout(1, "test")
    dropped = (kept(torch.Size([COUNT]), 0.3, torch.float32) == 0).float()
    for distance in (1, 2, 3, 4, 8):
        both = (dropped[:-distance] * dropped[distance:]).mean().item()
        assert both == pytest.approx(0.09, abs=0.004), distance


def test_what_is_dropped_gets_no_gradient_and_the_rest_the_scale():
    kernels.seed_dropout(2, "test")
    values = torch.randn(50, 7, requires_grad=True)
    result = kernels.dropout(values, 0.4, training=True)
    result.sum().backward()
    assert torch.equal(values.grad == 0, result == 0) and 0 < (result == 0).float().mean() < 1
    torch.testing.assert_close(result, values * values.grad)


def test_outside_of_training_and_with_probability_0_the_values_are_returned():
    values = torch.randn(3, 3)
    assert kernels.dropout(values, 0.5, training=False) is values
    assert kernels.dropout(values, 0.0, training=True) is values


def test_the_seed_decides_whatever_the_type():
    drawn = []
    for dtype in (torch.float32, torch.bfloat16):
        kernels.seed_dropout(3, "test")
        drawn.append([kept(torch.Size(shape), 0.2, dtype) == 0 for shape in ((5, 9), (3,), (2, 2, 2))])
    assert all(torch.equal(first, second) for first, second in zip(*drawn, strict=True))
    kernels.seed_dropout(4, "test")
    assert not torch.equal(kept(torch.Size([5, 9]), 0.2, torch.float32) == 0, drawn[0][0])


@pytest.fixture
def encoder_and_tokenizer(tmp_path):
    folder = make_bert(tmp_path)
    encoder = load_pretrained(folder, "mean")
    return encoder, TextTokenizer(folder, encoder.transformer.config, encoder.transformer.config.max_tokens)


def train(encoder, tokenizer, texts, weight_decay: float = 0.0) -> list[float]:
    kernels.seed_dropout(0, "test")
    encoder.train()
    settings = tiny_contrastive(lr=1e-2, adam_eps=1e-8, warmup=0.2)
    optimization = Optimization("a test", [encoder], settings, 5, weight_decay)
    for _ in range(5):
        loss = optimization.backward(lambda _: [encoder(*tokenizer.pad(tokenizer(texts), "cpu")).square().mean()])
        optimization.log(loss, optimization.step())
    return [line["loss"] for line in optimization.history]


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
