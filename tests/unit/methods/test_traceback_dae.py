"""Which texts of a pool are taken, and the loss of pseudo-labels, by hand."""

import math

import pytest
import torch

from threephase.methods.traceback_dae import nearest_of_each, pseudo_loss, words_of

SIMILARITY = torch.tensor([[0.9, 0.1], [0.8, 0.7], [0.2, 0.6], [0.1, 0.3]])  # four texts, two classes


def test_the_nearest_of_each_class_are_taken_once():
    assert nearest_of_each(SIMILARITY, 1).tolist() == [0, 1]
    assert nearest_of_each(SIMILARITY, 2).tolist() == [0, 1, 2]  # 0 and 1 of the first class, 1 and 2 of the second
    assert nearest_of_each(SIMILARITY, 9).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "words"),
    [("PlayMusic", "play music"), ("card_arrival", "card arrival"), ("Sci/Tech", "sci tech"), ("very negative",) * 2],
)
def test_a_class_name_is_read_as_words(name, words):
    assert words_of(name) == words


def test_only_texts_with_a_certain_label_count_and_the_mean_is_over_all():
    # Of undamaged texts: probabilities 3/4 and 1/4, 1/4 and 3/4, 1/2 and 1/2.
    undamaged = torch.tensor([[math.log(3), 0], [0, math.log(3)], [0, 0]])
    logits = torch.tensor([[0.0, 0], [math.log(3), 0], [5, 0]], requires_grad=True)
    loss = pseudo_loss(logits, undamaged, 0.7)
    # Losses of the classes 0 and 1: log 2 and log 4.
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 3)
    loss.backward()
    assert logits.grad[0].tolist() == pytest.approx([-1 / 6, 1 / 6]) and logits.grad[2].tolist() == [0, 0]


def test_without_a_certain_label_the_loss_is_nothing():
    loss = pseudo_loss(torch.tensor([[2.0, 0]], requires_grad=True), torch.tensor([[1.0, 0]]), 0.9)
    assert loss.item() == 0 and loss.requires_grad
