"""The head of class means by hand, and one of another size."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from threephase.base.errors import UserError
from threephase.methods.ncm_ft import class_means, linear_head
from threephase.phases import initial_heads
from threephase.study.settings import MethodSettings

VECTORS, CLASSES = torch.tensor([[3.0, 4], [1, 0], [0, 2], [0, 4]]), torch.tensor([0, 0, 1, 1])


def test_the_rows_are_the_normalised_means_and_the_bias_is_zero():
    means = class_means(VECTORS, CLASSES, 2)
    assert means.tolist() == [[2, 2], [0, 3]]
    head = linear_head(means, 1.0)
    assert head.weight.flatten().tolist() == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), 0, 1])
    assert head.bias.tolist() == [0, 0] and head.weight.requires_grad and head.bias.requires_grad
    logits = head(torch.tensor([[1.0, 3.0]]))
    assert logits.flatten().tolist() == pytest.approx([4 * math.sqrt(0.5), 3])
    loss = F.cross_entropy(logits, torch.tensor([1])).item()
    assert loss == pytest.approx(math.log1p(math.exp(4 * math.sqrt(0.5) - 3)))


def test_it_begins_as_the_nearest_mean_by_cosine_at_any_scale():
    texts = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    means = class_means(VECTORS, CLASSES, 2)
    nearest = F.cosine_similarity(texts[:, None], means, dim=2).argmax(dim=1)
    for scale in (1.0, 7.0):
        head = linear_head(means, scale)
        assert head.weight.norm(dim=1).tolist() == pytest.approx([scale, scale])
        assert torch.equal(head(texts).argmax(dim=1), nearest)


def test_a_class_without_a_training_text_has_a_row_of_zeros():
    head = linear_head(class_means(VECTORS, CLASSES, 3), 1.0)
    assert head.weight[2].tolist() == [0, 0] and head.weight.isfinite().all()


def test_a_head_of_another_size_is_refused(monkeypatch):
    settings = SimpleNamespace(method=MethodSettings("odd", ["head"], {}))
    run = SimpleNamespace(settings=settings, classes=["a", "b", "c", "d"])
    encoder = SimpleNamespace(hidden_size=32)
    monkeypatch.setattr(initial_heads, "settings_of", lambda _: None)
    monkeypatch.setattr(initial_heads, "maker_in", lambda *_: lambda *_: nn.Linear(8, 3))
    with pytest.raises(UserError) as refused:
        initial_heads.head_of(run, encoder, None)
    said = "got a head of 3 x 8, expected 4 classes x 32, the encoder's hidden size"
    assert str(refused.value) == f"threephase/methods/odd.py: initial_head: {said}"
