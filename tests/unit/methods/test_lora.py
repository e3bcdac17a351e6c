"""Adapters by hand: what they add, what is trained, and how products are merged and summed."""

import copy

import pytest
import torch
from tiny_encoder import HIDDEN, LAYERS, make_bert
from torch import nn

from threephase.methods.lora import LowRank, Settings, adapted_layers, add_adapters, add_difference, merge_adapters
from threephase.model.encoder_folder import load_pretrained

SETTINGS = Settings(phases="merged", rank=2, alpha=4.0, rate_factors=[1.0])
RANK_1 = Settings(phases="merged", rank=1, alpha=1.0, rate_factors=[1.0])
IDS = torch.tensor([[2, 10, 11, 3], [2, 12, 13, 3]])


@pytest.fixture
def encoder(tmp_path):
    return load_pretrained(make_bert(tmp_path / "bert"), "mean").eval()


def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_product_times_alpha_by_rank_is_added():
    low_rank = LowRank(torch.eye(2), SETTINGS, random())
    assert low_rank.a.shape == low_rank.b.shape == (2, 2) and low_rank.scale == 2
    assert torch.equal(low_rank(torch.eye(2)), torch.eye(2))  # B is zero at first
    with torch.no_grad():
        low_rank.a.copy_(torch.tensor([[1.0, 0], [0, 1]]))
        low_rank.b.copy_(torch.tensor([[0.0, 1], [3, 0]]))
    assert low_rank(torch.eye(2)).tolist() == [[1, 2], [6, 1]]


def test_a_is_normal_with_deviation_one_by_rank():
    wide = LowRank(torch.zeros(3, 4000), Settings("merged", 4, 4.0, [1.0]), random())
    assert wide.a.std().item() == pytest.approx(0.25, rel=0.02)


def one_layer(a: list[float], b: list[float]) -> nn.Linear:
    """A layer whose weight is the unit matrix, with an adapter of rank 1."""
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))
    nn.utils.parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, RANK_1, random()))
    with torch.no_grad():
        layer.parametrizations.weight[0].a.copy_(torch.tensor([a]))
        layer.parametrizations.weight[0].b.copy_(torch.tensor([b]).T)
    return layer


def test_products_are_summed_not_factors(encoder):
    """I + B1 A1 + B2 A2; the product of the sums of the factors would be [[0, 2], [1, 0]] and I."""
    layers = [one_layer([1.0, 0.0], [0.0, 1.0]), one_layer([0.0, 1.0], [2.0, 0.0]), nn.Linear(2, 2)]
    with torch.no_grad():
        layers[2].weight.copy_(torch.eye(2))
        for layer in layers:
            layer.bias.zero_()
    for layer in layers[:2]:
        nn.utils.parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    first, second, start = (nn.Module() for _ in range(3))
    for holder, layer in zip((first, second, start), layers, strict=True):
        holder.transformer = layer
    add_difference(second, first, start)
    assert second.transformer.weight.tolist() == [[1, 2], [1, 1]]


def test_attention_alone_is_trained_and_what_is_added_behind_it(encoder):
    encoder.add_layer("bottleneck", random())
    add_adapters(encoder, SETTINGS, random())
    assert len(adapted_layers(encoder)) == 4 * LAYERS
    trained = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    of_adapters = [p for name, p in trained.items() if ".parametrizations." in name]
    assert sum(p.numel() for p in of_adapters) == 4 * LAYERS * 2 * (2 * HIDDEN)
    assert {name for name in trained if ".parametrizations." not in name} == {
        "added.bottleneck.weight",
        "added.bottleneck.bias",
    }


def test_an_adapter_changes_nothing_at_first_and_its_merge_nothing_at_all(encoder):
    names, plain = set(encoder.state_dict()), copy.deepcopy(encoder)
    with torch.no_grad():
        before = encoder(IDS, None)
        add_adapters(encoder, SETTINGS, random())
        assert torch.equal(encoder(IDS, None), before)
        for layer in adapted_layers(encoder):
            layer.parametrizations.weight[0].b.normal_(generator=random())
        adapted = encoder(IDS, None)
        products = [
            2.0 * layer.parametrizations.weight[0].b @ layer.parametrizations.weight[0].a
            for layer in adapted_layers(encoder)
        ]
        merge_adapters(encoder)
        assert not torch.allclose(adapted, before, atol=1e-3)
        assert torch.allclose(encoder(IDS, None), adapted, atol=1e-6)
    # Merged weights are weights plus product, and all else is as it was.
    for layer, old, product in zip(adapted_layers(encoder), adapted_layers(plain), products, strict=True):
        assert torch.allclose(layer.weight, old.weight + product, atol=1e-6)
        assert torch.equal(layer.bias, old.bias) and torch.linalg.matrix_rank(product) == 2
    assert set(encoder.state_dict()) == names and all(p.requires_grad for p in encoder.parameters())


def test_the_decoder_has_the_adapter_too(encoder):
    """It shares these weights: a gradient comes from both uses."""
    from threephase.model.models import DenoisingDecoder

    decoder = DenoisingDecoder(encoder.transformer.config, random()).eval()
    add_adapters(encoder, SETTINGS, random())
    predicted, memory = torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, HIDDEN)
    # One number of each vector: their sum is the same whatever comes before the last normalization.
    decoder(encoder.transformer, IDS, memory, predicted)[..., 0].sum().backward()
    gradients = [layer.parametrizations.weight[0].b.grad for layer in adapted_layers(encoder)]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
    assert all(layer.parametrizations.weight.original.grad is None for layer in adapted_layers(encoder))
