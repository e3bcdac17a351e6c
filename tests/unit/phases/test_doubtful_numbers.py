"""Numbers that no training can make sense of are named with the likely setting; an ordinary training is not."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from method_run import MACHINE, start_of
from safetensors.numpy import load_file, save_file
from tiny_encoder import TEXTS, make_bert, tiny_classifying, tiny_contrastive, tiny_denoising
from torch import nn

from threephase.base.doubtful_numbers import remedy_of_not_finite, warn_of_one_class
from threephase.base.errors import UserError
from threephase.model import encoder_folder
from threephase.model.models import ClassifierHead
from threephase.model.told_apart import fault_of_vectors
from threephase.phases.optimization import Optimization

STEPS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_bert(tmp_path_factory.mktemp("encoder"))


def spoiled(folder, tmp_path, change):
    """The folder's encoder with each weight changed."""
    other = make_bert(tmp_path)
    weights = {name: change(name, weight) for name, weight in load_file(folder / "model.safetensors").items()}
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    return other


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda name, weight: weight, None),
        (lambda name, weight: weight * 0, "all 0"),
        (lambda name, weight: np.full_like(weight, 0.02), "the same for all texts"),
        (lambda name, weight: weight if "LayerNorm.weight" not in name else weight * 0, "the same for all texts"),
        # Finite weights whose products are not.
        (lambda name, weight: weight * np.float32(1e30), "not finite"),
    ],
    ids=["ordinary", "zero", "constant", "layer norms of 0", "huge"],
)
def test_an_encoder_that_tells_no_texts_apart_is_known_by_its_vectors(folder, tmp_path, change, fault):
    encoder, tokenizer = start_of(spoiled(folder, tmp_path, change))
    assert fault_of_vectors(encoder, TEXTS, tokenizer, MACHINE) == fault
    assert encoder.training and not tokenizer.truncated
    # Nothing can be told of one text.
    assert fault_of_vectors(encoder, TEXTS[:1] * 3, tokenizer, MACHINE) is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused_by_their_file(folder, tmp_path, value):
    name = "encoder.layer.1.output.dense.bias"
    spoil = {name: lambda weight: np.where(np.arange(len(weight)) == 3, np.float32(value), weight)}
    other = spoiled(folder, tmp_path, lambda name, weight: spoil.get(name, np.copy)(weight))
    with pytest.raises(UserError, match=f"^{other}/model.safetensors: weight '{name}' holds nan or inf, expected"):
        encoder_folder.load_pretrained(other, "mean")


@pytest.mark.parametrize(
    ("changes", "updates", "said"),
    [
        ({}, 0, "no update came before it, so that no learning rate is to blame"),
        ({"adam_eps": 0.0}, 1, "raise adam_eps, which is 0"),
        ({"adam_eps": 1e-300}, 7, "raise adam_eps, which is 1e-300"),
        ({"clip_gradient": None}, 1, "set clip_gradient, which is null, to 1.0"),
        ({"clip_gradient": None, "lr": 0.5}, 1, "lower the learning rate (0.5)"),
        ({"lr": 0.5}, 1, "lower the learning rate (0.5)"),
    ],
)
def test_a_loss_that_is_not_finite_is_told_with_its_likely_cause(changes, updates, said):
    for settings in (tiny_denoising(**changes), tiny_contrastive(**changes), tiny_classifying(**changes)):
        assert remedy_of_not_finite(settings, updates).startswith(said)


def test_an_eps_of_0_is_named_where_it_spoils_the_weights():
    # No gradient reaches the second entry: Adam divides 0 by 0.
    layer, settings = nn.Linear(2, 1), tiny_contrastive(adam_eps=0.0, warmup=0.0)
    optimization = Optimization("train_test", [layer], settings, STEPS)
    with pytest.raises(UserError, match=r"^train_test: step 2: the loss is nan, .* one; raise adam_eps, which is 0 "):
        for _ in range(STEPS):
            optimization.backward(lambda _: [layer(torch.tensor([[1.0, 0.0]])).sum()])
            optimization.step()


def trained(steps: int = STEPS, total: int = STEPS, slope: float = 1.0, weight_decay: float = 0.0, **changes):
    """Train a small head; leaves its history's table."""
    settings = tiny_classifying(**changes)
    head = ClassifierHead(8, 3, settings, torch.Generator().manual_seed(0))
    optimization = Optimization("train_test", [head], settings, total, weight_decay)
    inputs = torch.randn(16, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        loss = optimization.backward(lambda _: [slope * head(inputs).logsumexp(1).mean()])
        optimization.log(loss, optimization.step())
    return optimization.history_table()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lr": 1e-30}, "the learning rate (1e-30) is too low: take 1e-5 or more"),
        ({"lr": 1e-30, "steps": 2, "total": 99}, "the learning rate (1e-30) is too low: take 1e-5 or more"),
        ({"adam_eps": 1e10}, "adam_eps (1e+10) is too large beside a gradient of 4e-01: take 1e-8"),
        ({"adam_eps": 0.1, "slope": 1e-9, "lr": 1e-5}, "adam_eps (0.1) is too large beside a gradient of 4e-10: "),
        ({"clip_gradient": 1e-30}, "clip_gradient (1e-30) leaves too little of the gradient: take 1.0"),
        ({"clip_gradient": 1e-60}, "clip_gradient (1e-60) leaves too little of the gradient: take 1.0"),
        ({"adam_eps": 0.1, "slope": 1e-9, "weight_decay": 0.1}, "adam_eps (0.1) is too large beside a gradient"),
        ({"slope": 0.0}, "the gradient is 0: look at the encoder's weights and the training rows"),
        ({"steps": 1, "total": 1}, "the warm-up begins at a rate of 0, and no update came behind that: take more"),
    ],
)
def test_updates_that_move_no_weight_are_told_once_with_the_likely_setting(capsys, changes, said):
    table = trained(**changes)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: train_test: step {len(table)}: the weights are still those of the start; {said}")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lr": 1e-5},
        {"lr": 1e-5, "clip_gradient": None},
        {"adam_eps": 0.1},
        {"weight_decay": 0.1},
        {"clip_gradient": 1e-4},
        {"steps": 0},
    ],
)
def test_an_ordinary_training_is_told_nothing(capsys, changes):
    trained(**changes)
    assert capsys.readouterr().err == ""


def predictions(**labels: list[tuple[str, str]]) -> pd.DataFrame:
    rows = [(part, *pair) for part, pairs in labels.items() for pair in pairs]
    return pd.DataFrame(rows, columns=["split", "label", "predicted"])


def test_predictions_of_one_class_are_told_of_each_part_that_has_several(capsys):
    varied, same = [("a", "a"), ("b", "a"), ("b", "b")], [("a", "b"), ("b", "b")]
    warn_of_one_class("train_test", predictions(validation=varied, test=same))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: train_test: all 2 test rows of 2 classes are predicted as 'b'; ")
    warn_of_one_class("train_test", predictions(validation=varied, test=[("a", "b"), ("a", "b")]))
    assert capsys.readouterr().err == ""
