"""The losses of contrastive prototypes with augmented embeddings by hand, and the copies of a scored text."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from threephase.methods import cplae
from threephase.methods.cplae import Settings, anchor_loss, joined
from threephase.phases.prototypes import prototype_loss
from threephase.study.settings import Streams

PROTOTYPES, PLACES = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([0, 1])
QUERY = torch.tensor([[0.8, 0.6], [0.6, 0.8]])
SETTINGS = Settings(
    lr=0.1, epochs=2, batch_size=10, adam_eps=1e-6, warmup=0.0, clip_gradient=None, support=2, query=3, copies=2,
    deletion_ratio=0.5, temperature=0.1, weight=1.0,
)  # fmt: skip


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, 0.59814), (0.1, 0.12693)])
def test_the_loss_with_prototypes_as_anchors(temperature, expected):
    """Cosine 0.8 with the own query and 0.6 with the other one."""
    loss = anchor_loss(3 * PROTOTYPES, 0.5 * QUERY, PLACES, temperature).item()
    assert loss == pytest.approx(math.log1p(math.exp(-0.2 / temperature)), rel=1e-5)
    assert loss == pytest.approx(expected, abs=1e-5)


def test_other_queries_of_a_class_are_no_negatives():
    query, places = torch.tensor([[1.0, 0], [0, 1], [0, 1]]), torch.tensor([0, 1, 1])
    # Of class 0: ln(1 + 2 / e); of class 1 twice ln(1 + 1 / e), though the other query of the class is at 1 too.
    expected = (math.log1p(2 / math.e) + 2 * math.log1p(1 / math.e)) / 3
    assert anchor_loss(PROTOTYPES, query, places, 1.0).item() == pytest.approx(expected)


def test_the_loss_of_queries_and_that_of_vectors_with_a_copy_behind_them():
    """Squared distances 0.4 and 0.8; a view that repeats them doubles both, and changes no cosine."""
    assert prototype_loss(QUERY[:1], PROTOTYPES, PLACES[:1]).item() == pytest.approx(0.51302, abs=1e-5)
    prototypes, query = (joined(torch.cat([values, values]), 2) for values in (PROTOTYPES, QUERY))
    assert query.tolist() == [pytest.approx([0.8, 0.6, 0.8, 0.6]), pytest.approx([0.6, 0.8, 0.6, 0.8])]
    assert prototype_loss(query[:1], prototypes, PLACES[:1]).item() == pytest.approx(0.37110, abs=1e-5)
    assert anchor_loss(prototypes, query, PLACES, 1.0).item() == pytest.approx(0.59814, abs=1e-5)


def test_the_views_of_a_text_stand_in_their_order():
    views = torch.tensor([[1.0], [2], [10], [20], [100], [200]])  # two texts, then their copies, then others
    assert joined(views, 3).tolist() == [[1, 10, 100], [2, 20, 200]]


def test_a_text_costs_as_much_as_it_has_views():
    assert SETTINGS.cost(Streams(labelled=10, noised=0, pairs=0)) == (2 * 10, 3 * 2 * 10)


def test_a_scored_text_has_the_same_copies_whatever_it_is_scored_with(monkeypatch):
    embedded = []

    def embed(_, sequences, *__):
        embedded.append(sequences)
        return torch.tensor([[float(len(text.split()))] for text in sequences])

    monkeypatch.setattr(cplae, "embed", embed)
    train = pd.DataFrame({"text": ["a b c d e f", "g h i j k l m n"], "label": ["x", "y"]})
    run = SimpleNamespace(
        seed=0, machine=None, classes=["x", "y"], part=lambda _: train, trained_on=lambda rows, _: rows,
        class_ids=lambda rows: torch.tensor([0, 1]),
        settings=SimpleNamespace(denoising=SimpleNamespace(units="words")),
    )  # fmt: skip
    classify = cplae.fitted_classifier(run, None, lambda texts, **_: texts, SETTINGS)
    text, others = "one two three four five six", ["seven eight nine", "ten"]
    alone, among = classify([text]), classify([*others, text])
    assert alone[0].tolist() == among[2].tolist() and alone.shape == (1, 2)
    of_text = [embedded[1][view] for view in range(3)]
    assert of_text == [embedded[2][2 + 3 * view] for view in range(3)]
    # The undamaged text comes first; its copies lack words of it, and differ.
    assert of_text[0] == text and len({*of_text}) == 3
    assert all(set(copy.split()) < set(text.split()) for copy in of_text[1:])
