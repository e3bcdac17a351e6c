"""The supervised contrastive loss against its formula written out, and class-balanced batches."""

import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from threephase.methods import supcon
from threephase.methods.supcon import supcon_loss
from threephase.phases.labelled_texts import BalancedBatches
from threephase.study.settings import Schedule

LINES = 60
# Directions in the plane, in degrees, and lengths that must not matter.
DEGREES, LENGTHS, CLASSES = [0, 60, 90, 180, 200], [1, 3, 0.5, 2, 7], [0, 0, 1, 1, 1]


def by_hand(degrees: list[float], classes: list[int], temperature: float) -> float:
    """Equation 2 of Khosla et al. 2020, term by term; the cosine of two directions is that of their difference."""
    texts, total = range(len(degrees)), 0.0
    for i in texts:
        likeness = {a: math.exp(math.cos(math.radians(degrees[i] - degrees[a])) / temperature) for a in texts if a != i}
        positives = [p for p in likeness if classes[p] == classes[i]]
        total -= sum(math.log(likeness[p] / sum(likeness.values())) for p in positives) / len(positives)
    return total / len(degrees)


def vectors_of(degrees: list[float], lengths: list[float]) -> torch.Tensor:
    angles, lengths = torch.tensor(degrees).deg2rad(), torch.tensor(lengths)
    return lengths[:, None] * torch.stack([angles.cos(), angles.sin()], dim=1)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_the_loss_is_that_of_the_formula_whatever_the_lengths(temperature):
    loss = supcon_loss(vectors_of(DEGREES, LENGTHS), torch.tensor(CLASSES), temperature)
    assert loss.item() == pytest.approx(by_hand(DEGREES, CLASSES, temperature), rel=1e-5)


def test_the_loss_of_two_pairs_at_right_angles():
    """Each text has one positive of cosine 1 and two others of cosine 0."""
    loss = supcon_loss(vectors_of([0, 0, 90, 90], [1.0] * 4), torch.tensor([0, 0, 1, 1]), 0.5)
    assert loss.item() == pytest.approx(math.log((math.e**2 + 2) / math.e**2))
    loss = supcon_loss(vectors_of([0, 0, 90, 90], [1.0] * 4), torch.tensor([0, 0, 1, 1]), 1.0)
    assert loss.item() == pytest.approx(0.55144, abs=1e-5)


def test_the_sum_stands_outside_of_the_logarithm():
    """Inside of it, as in equation 3, a near positive makes up for a far one."""
    degrees, classes = [0, 10, 120, 170, 190], [0, 0, 0, 1, 1]
    loss = supcon_loss(vectors_of(degrees, LENGTHS), torch.tensor(classes), 1.0).item()
    inside = 0.0
    for i, degree in enumerate(degrees):
        likeness = {a: math.exp(math.cos(math.radians(degree - degrees[a]))) for a in range(5) if a != i}
        positives = [value for a, value in likeness.items() if classes[a] == classes[i]]
        inside -= math.log(sum(positives) / len(positives) / sum(likeness.values())) / 5
    assert loss == pytest.approx(by_hand(degrees, classes, 1.0), rel=1e-5)
    assert loss > inside + 0.01


def test_the_gradient_is_finite_and_draws_a_class_together():
    vectors, classes = vectors_of(DEGREES, LENGTHS).requires_grad_(), torch.tensor(CLASSES)
    before = supcon_loss(vectors, classes, 0.5)
    before.backward()
    assert vectors.grad.isfinite().all() and vectors.grad.abs().sum() > 0
    with torch.no_grad():
        assert supcon_loss(vectors - 0.01 * vectors.grad, classes, 0.5) < before


def test_a_method_takes_few_lines():
    assert len(Path(supcon.__file__).read_text(encoding="utf-8").splitlines()) <= LINES


class Run(SimpleNamespace):
    """As much of a training's run as batches ask for: nine texts, of which one class has one."""

    labels = ("a",) * 6 + ("b",) * 2 + ("c",)
    classes = ("a", "b", "c", "unseen")

    def adaptation_rows(self) -> pd.DataFrame:
        return pd.DataFrame({"text": [f"{number}" for number in range(9)], "label": self.labels})

    def trained_on(self, rows: pd.DataFrame, _) -> pd.DataFrame:
        return rows

    def class_ids(self, rows: pd.DataFrame) -> torch.Tensor:
        return torch.tensor([self.classes.index(label) for label in rows["label"]])


class Tokenizer:
    """A text is its number."""

    def __call__(self, texts: list[str]) -> list[np.ndarray]:
        return [np.array([int(text)]) for text in texts]

    def pad(self, sequences: list[np.ndarray], device: str) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(np.stack(sequences)), None


def batches_of(**changes) -> BalancedBatches:
    values = {"lr": 0.1, "epochs": 4, "batch_size": 6, "adam_eps": 1e-6, "warmup": 0.0, "clip_gradient": None}
    run = Run(seed=0, machine=SimpleNamespace(device="cpu"))
    return BalancedBatches(run, Tokenizer(), Schedule(**values | changes))


def test_every_class_is_drawn_equally_often_and_each_text_has_a_positive():
    batches = batches_of()
    drawn = [(ids[:, 0].tolist(), classes.tolist()) for ids, _, classes in batches]
    assert len(drawn) == len(batches) == 6 and batches.sequence_updates == 36  # 4 epochs of 9 texts
    assert Counter(number for _, classes in drawn for number in classes) == {0: 12, 1: 12, 2: 12}
    for texts, classes in drawn:
        assert sorted(Counter(classes).values()) == [2, 2, 2]
        assert [Run.classes.index(Run.labels[text]) for text in texts] == classes
    # The texts of a class come in rounds; a class of one text gives it twice.
    of_a = [text for texts, classes in drawn for text, number in zip(texts, classes, strict=True) if number == 0]
    assert sorted(of_a[:6]) == sorted(of_a[6:]) == list(range(6))
    assert {text for texts, classes in drawn for text, number in zip(texts, classes, strict=True) if number == 2} == {8}


def test_batches_repeat_with_the_seed_and_hold_at_least_a_pair():
    first, second = ([ids.tolist() for ids, _, _ in batches_of()] for _ in range(2))
    assert first == second
    assert [len(ids) for ids, _, _ in batches_of(batch_size=1)] == [2] * 18


def test_few_texts_make_as_many_updates_as_are_asked_for():
    assert len(list(batches_of(min_updates=20))) == 20 and len(batches_of(min_updates=3)) == 6
