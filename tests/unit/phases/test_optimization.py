"""The updates that all phases share: schedule, clipping, history, progress, and losses that are not finite."""

import math
import re
import sys

import pytest
import torch
from tiny_encoder import tiny_contrastive
from torch import nn

from threephase.base.errors import UserError
from threephase.phases.optimization import Optimization, Progress, linear_schedule


def optimization_of(
    *modules: nn.Module, total: int = 10, weight_decay: float = 0.0, beside: Optimization | None = None, **changes
) -> Optimization:
    settings = tiny_contrastive(**{"lr": 0.1, "adam_eps": 1e-8, "warmup": 0.0, "clip_gradient": None} | changes)
    return Optimization("train_test", modules, settings, total, weight_decay, beside)


def take_step(optimization: Optimization, *losses: torch.Tensor, epoch: int = 1) -> None:
    loss = optimization.backward(lambda _: losses)
    optimization.log(loss, optimization.step(), epoch)


def layer(weight: float = 1.0) -> nn.Linear:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, weight)
    return module


def test_linear_schedule_in_closed_form():
    rates = [linear_schedule(step, 4, 10) for step in range(11)]
    assert rates == pytest.approx([0, 1 / 4, 2 / 4, 3 / 4, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])
    assert [linear_schedule(step, 0, 4) for step in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    # All steps warm up: the rate never falls.
    assert [linear_schedule(step, 3, 3) for step in range(4)] == pytest.approx([0, 1 / 3, 2 / 3, 0])


@pytest.mark.parametrize("warmup", [0.0, 0.2, 1 / 3, 0.5, 1.0])
@pytest.mark.parametrize("total", [1, 7, 10])
def test_updates_follow_the_schedule(warmup, total):
    module = layer()
    optimization = optimization_of(module, total=total, warmup=warmup)
    assert optimization.warmup_steps == math.ceil(warmup * total)
    for _ in range(total):
        take_step(optimization, module(torch.ones(1, 1)).sum())
    expected = [0.1 * linear_schedule(step, math.ceil(warmup * total), total) for step in range(total)]
    assert optimization.history_table()["learning_rate"].tolist() == pytest.approx(expected)


def test_the_recorded_rate_is_the_one_of_the_update():
    # Adam's first step moves by the learning rate, whatever the gradient: 0 at the start of a warm-up.
    module = layer()
    optimization = optimization_of(module, total=4, warmup=0.5)
    for expected in (1.0, 1.0 - 0.05):
        take_step(optimization, module(torch.ones(1, 1)).sum())
        assert module.weight.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("slopes", [(3.0, 4.0), (0.1, 0.2)], ids=["clipped", "small"])
def test_updates_are_those_of_a_plain_loop_that_clips_the_norm_of_all_gradients(slopes):
    ours, theirs = ([layer(), layer()] for _ in "12")
    optimization = optimization_of(*ours, clip_gradient=1.0, weight_decay=0.1)
    parameters = [weight for module in theirs for weight in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=0.1, eps=1e-8, weight_decay=0.1, foreach=False)

    def loss(modules) -> torch.Tensor:
        return sum(slope * module(torch.ones(1, 1)).pow(2).sum() for slope, module in zip(slopes, modules, strict=True))

    for step in range(5):
        take_step(optimization, loss(ours))
        loss(theirs).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * linear_schedule(step, 0, 10)
        optimizer.step()
        optimizer.zero_grad()
    for own, other in zip(ours, theirs, strict=True):
        assert own.weight.item() == pytest.approx(other.weight.item(), abs=1e-5) != 1.0


def test_gradients_are_not_clipped_where_no_norm_is_given_and_do_not_add_up():
    module = layer()
    optimization = optimization_of(module)
    seen = []
    optimization.optimizer.register_step_pre_hook(lambda *_: seen.append(module.weight.grad.item()))
    for slope in (30.0, 2.0):
        take_step(optimization, slope * module(torch.ones(1, 1)).sum())
    assert seen == pytest.approx([30.0, 2.0])


def test_a_tied_weight_is_one_parameter_and_a_frozen_one_is_none():
    shared, frozen = layer(), layer().requires_grad_(False)
    tied = nn.ModuleDict({"tied": shared, "own": layer()})
    optimization = optimization_of(shared, tied, frozen, weight_decay=0.5)
    assert len(optimization.parameters) == 2
    take_step(optimization, (shared(torch.ones(1, 1)) + tied["own"](torch.ones(1, 1))).sum())
    # Decay 0.1 * 0.5 and Adam's first step of 0.1, once each.
    assert shared.weight.item() == pytest.approx(1 - 0.05 - 0.1, abs=1e-5)
    assert frozen.weight.item() == 1.0


def test_history_has_a_line_an_update_and_validation_at_the_end_of_an_epoch():
    module = layer()
    optimization = optimization_of(module, total=4)
    for epoch in (1, 2):
        for _ in range(2):
            take_step(optimization, module(torch.ones(1, 1)).sum(), epoch=epoch)
        optimization.log_validation(50.0 + epoch, 0.5)
    table = optimization.history_table()
    assert table.columns.tolist() == [
        "step",
        "epoch",
        "loss",
        "learning_rate",
        "validation_metric",
        "validation_loss",
    ]
    assert table["step"].tolist() == [1, 2, 3, 4] and table["epoch"].tolist() == [1, 1, 2, 2]
    assert table["loss"].tolist() == pytest.approx([1.0, 0.9, 0.825, 0.775], abs=1e-4)
    assert table["validation_metric"].dropna().to_dict() == {1: 51.0, 3: 52.0}
    assert table["validation_loss"].dropna().to_dict() == {1: 0.5, 3: 0.5}


def test_history_without_validation_keeps_its_columns():
    module = layer()
    optimization = optimization_of(module, total=1)
    take_step(optimization, module(torch.ones(1, 1)).sum())
    assert optimization.history_table()["validation_metric"].isna().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_the_run_with_phase_and_step(value):
    module = layer()
    optimization = optimization_of(module)
    take_step(optimization, module(torch.ones(1, 1)).sum())
    before = module.weight.item()
    with pytest.raises(UserError, match=re.escape(f"train_test: step 2: the loss is {value}, expected a finite one")):
        take_step(optimization, module(torch.ones(1, 1)).sum() * value)
    assert module.weight.item() == before


def test_a_validation_loss_that_is_not_finite_stops_the_run_too():
    module = layer()
    optimization = optimization_of(module)
    take_step(optimization, module(torch.ones(1, 1)).sum())
    with pytest.raises(UserError, match="train_test: step 1: the loss on validation data is nan, expected a finite"):
        optimization.log_validation(50.0, float("nan"))


def test_progress_in_a_log_is_plain_lines_at_most_every_ten_seconds_and_the_last(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("threephase.phases.optimization.time.monotonic", lambda: clock[0])
    progress = Progress("train_test", total=5)
    for step, now in enumerate([4.0, 9.0, 12.0, 15.0, 16.0], start=1):
        clock[0] = now
        progress.show(step, 0.25, 2e-5)
    progress.close()
    assert capsys.readouterr().out.splitlines() == [
        "train_test: update 3/5, loss 0.2500, lr 2.0e-05, 0.2 updates/s, 8 s left",
        "train_test: update 5/5, loss 0.2500, lr 2.0e-05, 0.3 updates/s, 0 s left",
    ]
    assert progress.seconds == 16.0


def test_progress_on_a_terminal_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = Progress("train_test", total=2)
    for step in (1, 2):
        progress.show(step, 0.25, 2e-5)
    assert "loss=0.2500, lr=2.0e-05" in str(progress.bar) and "2/2" in str(progress.bar)
    progress.close()
    shown = capsys.readouterr()
    assert shown.out == "" and "train_test" in shown.err


def test_an_update_s_loss_may_come_in_parts():
    whole, parts = layer(), layer()
    both = optimization_of(whole, clip_gradient=1.0), optimization_of(parts, clip_gradient=1.0)
    for _ in range(3):
        take_step(both[0], 3 * whole(torch.ones(1, 1)).pow(2).sum())
        take_step(both[1], *(number * parts(torch.ones(1, 1)).pow(2).sum() for number in (1, 2)))
    assert parts.weight.item() == pytest.approx(whole.weight.item(), abs=1e-6) != 1.0
    losses = [[line["loss"] for line in optimization.history] for optimization in both]
    assert losses[1] == pytest.approx(losses[0]) and len(losses[1]) == 3
