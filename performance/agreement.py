"""Whether a GPU computes what the CPU does: loss and gradient of each phase's first batch, and the gradient in pieces.

All in fp32 and without dropout, whose draws differ from device to device.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from unittest import mock

import torch
from torch import Tensor

from performance.plain import Fast
from threephase.phases.optimization import Optimization
from threephase.phases.training_run import TrainingRun
from threephase.study.params import DENOISED, THREE_PHASE, Study
from threephase.study.topology import CLASSIFIER_PHASE, CLASSIFY, CONTRAST, DENOISE, ENCODER_PHASE

PHASES = {
    "dae": (Fast.denoise, DENOISE, DENOISED, ENCODER_PHASE),
    "contrastive": (Fast.contrast, CONTRAST, THREE_PHASE, ENCODER_PHASE),
    "classifier": (Fast.fine_tune, CLASSIFY, THREE_PHASE, CLASSIFIER_PHASE),
}
LARGEST_ERROR = 1e-3
# A parameter whose gradient is rounding alone (a key's bias changes no attention) is held against this part of all.
SMALLEST_PART = 1e-4
LEFT = 0.6  # of the memory that a whole batch takes beside the model, so that it does not fit
Losses = Callable[[int], Iterable[Tensor]]


class Begun(Exception):
    """Ends a training at its first update, which it carries with the losses of its batch."""


def first_of(study: Study, encoder: str, device: str, phase: str) -> tuple[Optimization, Losses, list[str]]:
    """A phase's first update from the pre-trained encoder, by the stages' own functions on the first seed's rows.

    With the losses of its batch in so many pieces, and the names of its parameters.
    """
    train, program, variant, part = PHASES[phase]
    run = TrainingRun.from_settings(study.folder, program, encoder, variant, study.params.seeds[0], part)
    run.machine = dataclasses.replace(run.machine, device=device, precision="fp32")
    side = Fast(run)

    def stop(optimization: Optimization, losses: Losses) -> None:
        raise Begun(optimization, losses)

    with mock.patch.object(Optimization, "backward", stop):
        try:
            train(side)
        except Begun as begun:
            optimization, losses = begun.args
    known = {parameter: name for name, parameter in side.encoder.named_parameters()}
    names = [known.get(weight, f"beside it {i}") for i, weight in enumerate(optimization.parameters)]
    return optimization, losses, names


def gradients(optimization: Optimization, names: list[str]) -> dict[str, Tensor]:
    """Take the gradient of each parameter that has one, in double precision on the CPU."""
    named = zip(names, optimization.parameters, strict=True)
    found = {name: one.grad.detach().cpu().double() for name, one in named if one.grad is not None}
    optimization.optimizer.zero_grad()
    return found


def compare(study: Study, encoder: str, device: str) -> list[dict]:
    """A row a phase: both losses, the error of the gradient as a whole, and the parameter with the largest one."""
    rows = []
    for phase in PHASES:
        sides = (first_of(study, encoder, one, phase) for one in ("cpu", device))
        (reference, expected), (loss, found) = (
            (optimization.backward(losses), gradients(optimization, names)) for optimization, losses, names in sides
        )
        errors = errors_of(found, expected)
        worst = max(errors, key=errors.get)
        whole = _norm(found[name] - expected[name] for name in expected) / _norm(expected.values())
        error = abs(loss - reference) / abs(reference)
        rows.append(
            {
                "phase": phase, "parameters": len(expected), "loss_cpu": reference, "loss": loss, "loss_error": error,
                "gradient_error": whole, "worst_parameter": worst, "worst_error": errors[worst],
                "agrees": max(error, whole, errors[worst]) <= LARGEST_ERROR,
            }
        )  # fmt: skip
    return rows


def retry(study: Study, encoder: str, device: str) -> list[dict]:
    """A row a phase: the gradient of a batch that did not fit, in pieces, against that of the whole batch."""
    rows, on_gpu = [], device == "cuda"
    for phase in PHASES:
        optimization, losses, names = first_of(study, encoder, device, phase)
        before = held_memory() if on_gpu else 0
        loss = optimization.backward(losses)
        taken = torch.cuda.max_memory_reserved() - before if on_gpu else 0
        expected = gradients(optimization, names)
        with at_most(before + LEFT * taken) if on_gpu else contextlib.nullcontext():
            in_pieces = optimization.backward(losses if on_gpu else partial(refuse_whole, losses))
        worst = max(errors_of(gradients(optimization, names), expected).values())
        error, pieces = abs(in_pieces - loss) / abs(loss), optimization.pieces
        rows.append(
            {
                "phase": phase, "whole_mb": taken / 1e6, "error_by": "limit" if on_gpu else "raised",
                "pieces": pieces, "loss_error": error, "worst_error": worst,
                "agrees": pieces > 1 and max(error, worst) <= LARGEST_ERROR,
            }
        )  # fmt: skip
    return rows


def errors_of(found: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    """Each parameter's error relative to the expected gradient's norm."""
    assert found.keys() == expected.keys(), "other parameters have a gradient"
    smallest = SMALLEST_PART * _norm(expected.values())
    return {name: _norm([found[name] - one]) / max(_norm([one]), smallest) for name, one in expected.items()}


def _norm(tensors: Iterable[Tensor]) -> float:
    return sum(one.square().sum().item() for one in tensors) ** 0.5


def held_memory() -> int:
    """The bytes of the GPU that torch holds and needs; from here on it counts the most that it holds."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_reserved()


@contextlib.contextmanager
def at_most(memory: float) -> Iterator[None]:
    """Let torch hold so many bytes of the GPU."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(memory / torch.cuda.get_device_properties(0).total_memory)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def refuse_whole(losses: Losses, pieces: int) -> Iterable[Tensor]:
    """The losses, for which there is no memory as long as the batch is whole."""
    if pieces == 1:
        raise torch.OutOfMemoryError("no memory for the whole batch")
    return losses(pieces)
