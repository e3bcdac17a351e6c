"""Merged weights and Fisher information by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from threephase.base.errors import UserError
from threephase.methods.fisher_merge import log_of_drawn, mean_squares, merged, weights_of

FLOOR = 1e-6


def named(*values: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor(values, dtype=torch.float64)}


def of_one(values: dict[str, torch.Tensor]) -> list[float]:
    return values["w"].tolist()


def test_two_known_fishers_weigh_the_weights():
    thetas, fishers = [named(1), named(5)], [named(3), named(1)]
    assert of_one(merged(thetas, fishers, [0.5, 0.5])) == pytest.approx([2.0])
    assert of_one(merged(thetas, fishers, [0.2, 0.8])) == pytest.approx([(0.6 * 1 + 0.8 * 5) / 1.4])
    # The mean is F = 1.
    assert of_one(merged(thetas, None, [0.5, 0.5])) == pytest.approx([3.0])
    assert of_one(merged(thetas, None, [0.2, 0.8])) == pytest.approx([4.2])


def test_each_fisher_is_divided_by_its_norm_over_all_weights_and_the_first_is_floored():
    weights = weights_of([named(3, 4), named(1, 0)], FLOOR)
    assert of_one(weights[0]) == pytest.approx([0.6, 0.8]) and of_one(weights[1]) == [1, 0]
    # (0.6 x 1 + 1 x 5) / 1.6, and where the second has none the first's own weight.
    assert of_one(merged([named(1, 10), named(5, 20)], weights, [0.5, 0.5])) == pytest.approx([3.5, 10.0])
    two_parts = {"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}
    (first, _) = weights_of([two_parts, {"a": torch.ones(1), "b": torch.ones(1)}], FLOOR)
    assert [first["a"].item(), first["b"].item()] == pytest.approx([0.6, 0.8])


def test_without_any_information_the_first_models_weights_stay():
    weights = weights_of([named(0, 0), named(0, 0)], FLOOR)
    assert of_one(merged([named(1, 10), named(5, 20)], weights, [0.1, 0.9])) == [1, 10]


def test_equal_weights_are_said_to_be_the_mean():
    for second in (named(3, 4), named(30, 40)):
        with pytest.raises(UserError, match="the Fisher weights of both are all equal: this is the mean; train mean_m"):
            weights_of([named(3, 4), second], FLOOR)


class Line(nn.Module):
    """The logit w x of the second of two classes, beside 0; and a weight that nothing uses."""

    def __init__(self):
        super().__init__()
        self.w, self.unused = nn.Parameter(torch.tensor(math.log(3) / 2)), nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.zeros_like(x), self.w * x], dim=1)


def test_the_information_is_that_of_the_models_own_draws():
    """x = 2 makes the probability 3/4, and the information x^2 p (1 - p) = 3/4; by a label it is 1/4 or 9/4."""
    model, draws, count = Line(), torch.Generator().manual_seed(0), 4000
    information = mean_squares(model, (log_of_drawn(model(torch.tensor([2.0])), draws) for _ in range(count)))
    # One draw's square is 1/4 in three cases of four, else 9/4: its deviation is 0.866.
    assert information["w"].item() == pytest.approx(0.75, abs=4 * 0.866 / math.sqrt(count))
    assert information["unused"].tolist() == [0, 0]
    for label, expected in ((0, 2.25), (1, 0.25)):
        log = -F.cross_entropy(model(torch.tensor([2.0])), torch.tensor([label]))
        assert mean_squares(model, [log])["w"].item() == pytest.approx(expected)


def test_each_example_is_squared_by_itself():
    """Gradients 2 and -2 of two examples: the mean square is 4, the square of the mean 0."""
    model = Line()
    assert mean_squares(model, [2 * model.w, -2 * model.w])["w"].item() == 4


def test_the_log_of_draws_is_the_sum_of_the_rows():
    logits = torch.tensor([[0.0, 100.0], [100.0, 0.0], [0.0, 0.0]])
    assert log_of_drawn(logits, torch.Generator()).item() == pytest.approx(-math.log(2))


def test_cosine_of_two_directions_by_hand():
    """d cos(a, b) / d a is 0 along a and 1 / |a| across; a = (2, 0) and b = (0, 1)."""
    model = nn.Module()
    model.a = nn.Parameter(torch.tensor([2.0, 0.0]))
    cosine = F.cosine_similarity(model.a, torch.tensor([0.0, 1.0]), dim=0)
    assert mean_squares(model, [cosine])["a"].tolist() == pytest.approx([0, 0.25])
