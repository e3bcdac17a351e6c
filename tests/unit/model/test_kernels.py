"""Dropout on a CPU: what it keeps, how it scales, and what its draws depend on."""

import pytest
import torch

from threephase.model import dropout
from threephase.model.dropout import kept

COUNT = 200_000


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.9])
def test_as_many_are_dropped_as_asked_and_the_mean_stays(probability):
    dropout.seed_dropout(0, "test")
    values = dropout.dropout(torch.ones(4, COUNT // 4), probability, training=True)
    found = (values == 0).float().mean().item()
    assert found == pytest.approx(probability, abs=4 * (probability * (1 - probability) / COUNT) ** 0.5)
    assert values.unique().tolist() == pytest.approx([0.0, 1 / (1 - probability)])
    assert values.mean().item() == pytest.approx(1, abs=0.03)


def test_the_elements_are_independent_of_their_neighbours():
    dropout.seed_dropout(1, "test")
    dropped = (kept(torch.Size([COUNT]), 0.3, torch.float32) == 0).float()
    for distance in (1, 2, 3, 4, 8):
        both = (dropped[:-distance] * dropped[distance:]).mean().item()
        assert both == pytest.approx(0.09, abs=0.004), distance


def test_what_is_dropped_gets_no_gradient_and_the_rest_the_scale():
    dropout.seed_dropout(2, "test")
    values = torch.randn(50, 7, requires_grad=True)
    result = dropout.dropout(values, 0.4, training=True)
    result.sum().backward()
    assert torch.equal(values.grad == 0, result == 0) and 0 < (result == 0).float().mean() < 1
    torch.testing.assert_close(result, values * values.grad)


def test_outside_of_training_and_with_probability_0_the_values_are_returned():
    values = torch.randn(3, 3)
    assert dropout.dropout(values, 0.5, training=False) is values
    assert dropout.dropout(values, 0.0, training=True) is values


def test_the_seed_decides_whatever_the_type():
    drawn = []
    for dtype in (torch.float32, torch.bfloat16):
        dropout.seed_dropout(3, "test")
        drawn.append([kept(torch.Size(shape), 0.2, dtype) == 0 for shape in ((5, 9), (3,), (2, 2, 2))])
    assert all(torch.equal(first, second) for first, second in zip(*drawn, strict=True))
    dropout.seed_dropout(4, "test")
    assert not torch.equal(kept(torch.Size([5, 9]), 0.2, torch.float32) == 0, drawn[0][0])
