"""SetFit's pairs counted by hand, its loss, and its logistic regression."""

import itertools
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from threephase.base.errors import UserError
from threephase.methods import setfit
from threephase.methods.setfit import Settings, all_pairs
from threephase.phases import fitted_classifiers
from threephase.phases.losses import contrastive_loss
from threephase.study.settings import Streams

MOST = 10**6
SETTINGS = Settings(
    lr=2e-5, epochs=1, batch_size=16, adam_eps=1e-8, warmup=0.1, clip_gradient=1.0, most_updates=250, weight_decay=0.01,
    inverse_regularization=1.0,
)  # fmt: skip


def drawn(sizes: list[int], epochs: int = 1, most: int = MOST, seed: int = 0):
    """Class numbers in a mixed order, and the pairs that they make."""
    class_ids = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    return class_ids, all_pairs(class_ids, epochs, most, np.random.default_rng(seed))


def kinds(pairs) -> tuple[Counter, Counter]:
    """How often each similar and each dissimilar pair stands there, the smaller row first."""
    names = [tuple(sorted(pair)) for pair in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)]
    similar, dissimilar = ([name for name, s in zip(names, pairs.similarity, strict=True) if s == v] for v in (1, 0))
    return Counter(similar), Counter(dissimilar)


@pytest.mark.parametrize(("sizes", "count"), [([8, 8], 144), ([8] * 10, 5760), ([64, 64], 8320)])
def test_as_many_pairs_as_the_package_makes(sizes, count):
    """The rarer kind as often as the commoner: 2 x max of the pairs within classes, selves included, and across."""
    class_ids, pairs = drawn(sizes)
    assert len(pairs) == count
    assert pairs.similarity.tolist() == (class_ids[pairs.left] == class_ids[pairs.right]).tolist()
    similar, dissimilar = kinds(pairs)
    rows = range(len(class_ids))
    every = list(itertools.combinations_with_replacement(rows, 2))
    assert set(similar) == {(a, b) for a, b in every if class_ids[a] == class_ids[b]}
    assert set(dissimilar) == {(a, b) for a, b in every if class_ids[a] != class_ids[b]}
    for counts in (similar, dissimilar):
        assert counts.total() == count / 2 and max(counts.values()) - min(counts.values()) <= 1


def test_two_classes_of_unequal_size_and_more_epochs():
    similar, dissimilar = kinds(drawn([3, 1], epochs=2)[1])
    assert len(similar) == 7 and len(dissimilar) == 3
    assert similar.total() == dissimilar.total() == 14 and set(similar.values()) == {2}


def test_no_more_than_the_updates_allow_and_of_each_kind_at_random():
    (_, pairs), (_, others) = drawn([64, 64], most=100), drawn([64, 64], most=100, seed=1)
    similar, dissimilar = kinds(pairs)
    assert similar.total() == dissimilar.total() == len(similar) == len(dissimilar) == 50
    assert kinds(others) != (similar, dissimilar)
    # Millions of pairs are not listed to draw a few.
    assert len(drawn([40_000, 40_000], most=100)[1]) == 100


def test_texts_of_one_class_are_refused():
    with pytest.raises(UserError, match=r"^pairs: got texts of one class, expected at least two classes$"):
        drawn([5])


def test_the_loss_of_a_similar_and_a_dissimilar_pair_of_cosine_06():
    left, right = torch.tensor([[1.0, 0], [1, 0]]), torch.tensor([[0.6, 0.8], [3, 4]])
    assert contrastive_loss(left, right, torch.tensor([1.0, 0])).item() == pytest.approx((0.16 + 0.36) / 2)


def test_the_costs_are_bounded_by_updates_and_by_pairs():
    many, few = (SETTINGS.cost(Streams(labelled=rows, noised=0, pairs=0)) for rows in (1000, 4))
    assert many == (250 * 16, 2 * 250 * 16) and few == (20, 40)
    assert few[0] >= max(len(drawn(sizes)[1]) for sizes in ([2, 2], [3, 1], [1, 1, 2]))


def test_its_head_is_the_logistic_regression_of_unit_vectors(monkeypatch):
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    train = pd.DataFrame({"text": [f"{n}" for n in range(30)], "label": random.permutation(["a", "c", "d"] * 10)})
    of_texts = {text: random.normal(size=4) for text in [*train["text"], "new", "other"]}
    monkeypatch.setattr(
        fitted_classifiers, "unit_vectors", lambda _, texts, *__: np.stack([of_texts[text] for text in texts])
    )
    run = SimpleNamespace(
        machine=None, classes=["a", "b", "c", "d"], part={"train": train}.get, trained_on=lambda rows, _: rows
    )
    found = setfit.fitted_classifier(run, None, list, SETTINGS)(["new", "other"])
    vectors = np.stack([of_texts[text] for text in train["text"]])
    expected = LogisticRegression().fit(vectors, train["label"])
    expected = expected.predict_proba(np.stack([of_texts["new"], of_texts["other"]]))
    assert found[:, [0, 2, 3]] == pytest.approx(expected) and (found[:, 1] == 0).all()
