"""The divergence from soft labels by hand, what teacher and student learn from, and a set without unlabelled texts."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from threephase.base.errors import UserError
from threephase.methods import self_training
from threephase.methods.self_training import Settings, divergence
from threephase.study.settings import Streams

SETTINGS = Settings(
    lr=1e-4, epochs=3, batch_size=4, adam_eps=1e-6, warmup=0.1, clip_gradient=1.0, weight=0.5, weight_decay=0.01
)


def test_the_divergence_is_the_mean_over_texts_and_not_over_classes():
    soft, even = torch.tensor([[0.25, 0.75], [0.5, 0.5]]), torch.zeros(2, 2)
    by_hand = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    assert divergence(soft[:1], even[:1]).item() == pytest.approx(by_hand) == pytest.approx(0.13081, abs=1e-5)
    assert divergence(soft, even).item() == pytest.approx(by_hand / 2)  # the second text has none
    assert divergence(torch.tensor([[1.0, 0]]), torch.tensor([[2.0, 0]])).item() == pytest.approx(
        math.log1p(math.exp(-2))
    )  # the cross-entropy of a sure teacher


def test_its_gradient_is_the_students_probability_minus_the_teachers():
    logits = torch.tensor([[0.3, -1.0, 0.2]], requires_grad=True)
    soft = torch.tensor([[0.2, 0.3, 0.5]])
    divergence(soft, logits).backward()
    assert logits.grad[0].tolist() == pytest.approx((logits.softmax(1) - soft)[0].tolist(), abs=1e-6)


def test_a_study_without_unlabelled_texts_is_refused_in_one_line():
    rows = pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})
    run = SimpleNamespace(
        stage="train_method", variant="self_training", adaptation_rows=lambda: rows, part=lambda _: rows[:0],
        trained_on=lambda rows, _: rows,
    )  # fmt: skip
    with pytest.raises(UserError) as refused:
        self_training.train_encoder(run, None, None, SETTINGS)
    assert str(refused.value) == (
        "train_method: self_training: got no unlabelled texts, expected some: rows of the split unlabelled, or what "
        "long_tail_ratio leaves over"
    )


def test_teacher_and_student_are_counted_in_an_estimate():
    assert SETTINGS.cost(Streams(labelled=10, noised=0, pairs=0)) == (2 * 3 * 10, 2 * 3 * 10)
