"""Total correlation of heads by hand: shuffles within a class, and what the discriminator's estimate comes to."""

import math

import pytest
import torch

from threephase.methods.diverse_heads import (
    Discriminator,
    discriminator_loss,
    shuffled,
    sizes_of_parts,
    total_correlation,
)

STEPS = 400


def test_parts_are_as_equal_as_can_be():
    assert sizes_of_parts(384, 2) == [192, 192]
    assert sizes_of_parts(32, 3) == [11, 11, 10]


def test_each_part_is_that_of_another_text_of_the_class():
    # The hundreds are a text's class, the tens its number there, the ones its part.
    vectors = torch.tensor([[101, 102, 103], [201, 202, 203], [111, 112, 113], [211, 212, 213], [121, 122, 123]])
    mixed = shuffled(vectors, torch.tensor([1, 2, 1, 2, 1]), [1, 1, 1])
    assert mixed.tolist() == [[101, 112, 123], [201, 212, 203], [111, 122, 103], [211, 202, 213], [121, 102, 113]]
    # A part of two numbers moves as a whole.
    mixed = shuffled(vectors, torch.tensor([1, 2, 1, 2, 1]), [1, 2])
    assert mixed[0].tolist() == [101, 112, 113]


def estimate(vectors: list[list[int]], classes: list[int]) -> float:
    """What a discriminator that learned on these texts takes their total correlation for."""
    vectors, classes = torch.tensor(vectors, dtype=torch.float32), torch.tensor(classes)
    discriminator = Discriminator([1, 1], 2, 32, seed=0)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.02)
    for _ in range(STEPS):
        optimizer.zero_grad()
        discriminator_loss(discriminator, vectors, classes).backward()
        optimizer.step()
    with torch.no_grad():
        return total_correlation(discriminator, vectors, classes).item()


# In this order a shift by one text pairs each value with each equally often.
FACTORIAL = [[0, 0], [0, 1], [1, 0], [1, 1]]
COPIES = [[0, 0], [0, 0], [1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        (FACTORIAL * 2, 0.0),
        # A text as it is lies at half of the joint and a quarter of the shuffled texts.
        (COPIES * 2, math.log(2)),
        # Both parts say the class and nothing else: independent given the class, not without it.
        ([[0, 0]] * 4 + [[1, 1]] * 4, 0.0),
    ],
)
def test_the_estimate_is_the_total_correlation_given_the_class(vectors, expected):
    assert estimate(vectors, [0] * 4 + [1] * 4) == pytest.approx(expected, abs=0.03)


def test_a_discriminator_that_knows_nothing_has_the_loss_of_a_coin():
    discriminator = Discriminator([1, 1], 2, 8, seed=0)
    for parameter in discriminator.parameters():
        torch.nn.init.zeros_(parameter)
    vectors, classes = torch.tensor(COPIES, dtype=torch.float32), torch.zeros(4, dtype=torch.long)
    assert discriminator_loss(discriminator, vectors, classes).item() == pytest.approx(math.log(2))
    assert total_correlation(discriminator, vectors, classes).item() == 0
