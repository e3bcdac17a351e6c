"""Prototype training by hand: the loss on three points, the nearest prototype, and episodes."""

import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from threephase.phases.episodes import Episodes
from threephase.phases.prototypes import nearest_prototype, prototype_loss, prototypes_of, squared_distances
from threephase.study.settings import Schedule

SUPPORT, SUPPORT_IDS = torch.tensor([[0.0, 0], [2, 0], [0, 4]]), torch.tensor([3, 3, 1])
SCHEDULE = {"lr": 0.1, "epochs": 3, "batch_size": 10, "adam_eps": 1e-6, "warmup": 0.0, "clip_gradient": None}
SIZES = {"a": 9, "b": 7, "c": 4, "d": 2, "e": 1}


def test_the_loss_of_three_points():
    """Means (1, 0) and (0, 4); squared distances of (1, 1) from them 1 and 10."""
    query_ids = torch.tensor([3, 1])
    prototypes, places = prototypes_of(SUPPORT, SUPPORT_IDS, query_ids)
    assert prototypes[places].tolist() == [[1, 0], [0, 4]]
    query = torch.tensor([[1.0, 1]])
    assert squared_distances(query, prototypes)[0, places].tolist() == pytest.approx([1, 10])
    assert prototype_loss(query, prototypes, places[:1]).item() == pytest.approx(math.log1p(math.exp(-9)), rel=1e-3)
    assert prototype_loss(query, prototypes, places[1:]).item() == pytest.approx(9 + math.log1p(math.exp(-9)))


def test_the_gradient_goes_through_queries_and_support_even_where_they_meet():
    support, query = SUPPORT.clone().requires_grad_(), torch.tensor([[1.0, 0], [0, 3]], requires_grad=True)
    prototypes, places = prototypes_of(support, SUPPORT_IDS, torch.tensor([3, 1]))
    prototype_loss(query, prototypes, places).backward()
    assert support.grad.isfinite().all() and query.grad.isfinite().all()
    assert support.grad.abs().sum() > 0 and query.grad.abs().sum() > 0
    assert torch.equal(support.grad[0], support.grad[1])  # half of their mean's each


class Run(SimpleNamespace):
    """As much of a training's run as episodes and prototypes ask for; a text names a point of the plane."""

    classes = ("a", "b", "c", "d", "e")

    def adaptation_rows(self) -> pd.DataFrame:
        labels = [label for label, size in SIZES.items() for _ in range(size)]
        return pd.DataFrame({"text": [str(number) for number in range(len(labels))], "label": labels})

    def part(self, name: str) -> pd.DataFrame:
        assert name == "train"
        return pd.DataFrame({"text": ["0 0", "2 0", "0 4"], "label": ["d", "d", "b"]})

    def trained_on(self, rows: pd.DataFrame, _) -> pd.DataFrame:
        return rows

    def class_ids(self, rows: pd.DataFrame) -> torch.Tensor:
        return torch.tensor([self.classes.index(label) for label in rows["label"]])


def episodes_of(**changes) -> Episodes:
    return Episodes(Run(seed=0), None, Schedule(**SCHEDULE | changes), support=2, query=3)


def test_a_text_belongs_to_the_nearest_prototype_of_the_training_texts():
    def points(texts: list[str]) -> torch.Tensor:
        return torch.tensor([[float(value) for value in text.split()] for text in texts])

    found = nearest_prototype(Run(), None, points)(["1 1", "0 3"])
    expected = np.zeros((2, 5))
    expected[0, [1, 3]] = 1 / (1 + math.exp(9)), 1 / (1 + math.exp(-9))
    expected[1, [1, 3]] = 1 / (1 + math.exp(-9)), 1 / (1 + math.exp(9))  # squared distances 1 and 1 + 9
    assert found == pytest.approx(expected, abs=1e-6)
    assert (found[:, [0, 2, 4]] == 0).all()  # classes without a training text


def test_an_episode_fills_the_batch_with_classes_then_with_texts():
    episodes = episodes_of()  # 10 texts hold two classes of 2 + 3
    assert (episodes.classes, episodes.support, episodes.query) == (2, 2, 3)
    assert len(episodes) == math.ceil(3 * 23 / 10) == len(list(episodes))
    assert len(list(episodes_of(min_updates=40))) == 40
    wide = episodes_of(batch_size=64)  # all five classes, twice 2 + 3 texts of each
    assert (wide.classes, wide.support, wide.query) == (5, 4, 6)


def test_support_and_queries_share_no_text_but_of_a_class_with_one():
    labels = np.array([label for label, size in SIZES.items() for _ in range(size)])
    seen = Counter()
    for support, query in episodes_of(epochs=60):
        of_support, of_query = Counter(labels[support]), Counter(labels[query])
        assert of_support.keys() == of_query.keys() and len(of_support) == 2
        seen.update(of_query.keys())
        shared = set(support) & set(query)
        assert {labels[row] for row in shared} == ({"e"} & of_query.keys())
        for label in of_query:
            expected = {"a": (2, 3), "b": (2, 3), "c": (2, 2), "d": (1, 1), "e": (1, 1)}[label]
            assert (of_support[label], of_query[label]) == expected
            of_class = [row for row in (*support, *query) if labels[row] == label]
            assert label == "e" or len(set(of_class)) == len(of_class)
    assert min(seen.values()) > 0.7 * max(seen.values()) and len(seen) == 5


def test_episodes_repeat_with_the_seed():
    first, second = ([[part.tolist() for part in episode] for episode in episodes_of()] for _ in range(2))
    assert first == second
