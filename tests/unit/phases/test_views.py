"""The loss of two views by hand."""

import math

import pytest
import torch

from threephase.phases.views import info_nce


def by_hand(degrees: list[tuple[float, float]], temperature: float) -> float:
    """Each view's term written out; ``degrees``: directions of the two views of each text."""
    views = [first for first, _ in degrees] + [second for _, second in degrees]
    total = 0.0
    for i, own in enumerate(views):
        likeness = {
            j: math.exp(math.cos(math.radians(own - other)) / temperature) for j, other in enumerate(views) if j != i
        }
        total -= math.log(likeness[(i + len(degrees)) % len(views)] / sum(likeness.values()))
    return total / len(views)


def vectors(degrees: list[float], length: float) -> torch.Tensor:
    angles = torch.tensor(degrees).deg2rad()
    return length * torch.stack([angles.cos(), angles.sin()], dim=1)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_it_is_the_formula_whatever_the_lengths(temperature):
    degrees = [(0.0, 20.0), (90.0, 60.0), (200.0, 170.0)]
    first = vectors([degree for degree, _ in degrees], 2)
    second = vectors([degree for _, degree in degrees], 5)
    assert info_nce(first, second, temperature).item() == pytest.approx(by_hand(degrees, temperature), rel=1e-5)


def test_two_texts_at_right_angles_whose_views_agree():
    """Each view has one partner of cosine 1 and two others of cosine 0."""
    both = torch.tensor([[2.0, 0], [0, 2]])
    assert info_nce(both, both, 1.0).item() == pytest.approx(math.log(1 + 2 / math.e))
    assert info_nce(both, both, 1.0).item() == pytest.approx(0.55144, abs=1e-5)


def test_a_view_has_no_partner_but_its_own():
    near, swapped = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[0.0, 1], [1, 0]])
    assert info_nce(near, swapped, 1.0).item() == pytest.approx(math.log(2 + math.e))
