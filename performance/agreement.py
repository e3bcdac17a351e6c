"""Whether a GPU computes what the CPU does: loss and gradient of each phase's first batch, whole and in pieces.

All in fp32 and without dropout, whose draws differ from device to device.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from unittest import mock

import torch
from torch import Tensor, nn

from performance.ours import Ours
from performance.work import PHASES, make_work
from threephase.phases.optimization import Optimization
from threephase.study.settings import Machine

TRAININGS = tuple(phase for phase in PHASES if phase != "embedding")
TEXTS, TOKENS = 128, 128  # of a batch, and of a text at most
LARGEST_ERROR = 1e-3
# A parameter whose gradient is rounding alone (a key's bias changes no attention) is held against this part of all.
SMALLEST_PART = 1e-4
LEFT = 0.6  # of the memory that a whole batch takes beside the model, so that it does not fit
Losses = Callable[[int], Iterable[Tensor]]


class Begun(Exception):
    """Ends a training at its first update, which it carries with the losses of its batch."""


def first_update(data: str, encoder: str, device: str, phase: str) -> tuple[Optimization, Losses, list[str]]:
    """A phase's first update from the pre-trained encoder, with its losses and the names of its parameters."""
    work = make_work(phase, data, encoder, TEXTS, TOKENS, batches=1)
    side = Ours(work, Machine(device, "fp32", torch.get_num_threads()))
    for model in (value for value in vars(side).values() if isinstance(value, nn.Module)):
        for part in model.modules():
            if isinstance(getattr(part, "dropout", None), float):
                part.dropout = 0.0

    def stop(optimization: Optimization, losses: Losses) -> None:
        raise Begun(optimization, losses)

    with mock.patch.object(Optimization, "backward", stop):
        try:
            side(work)
        except Begun as begun:
            optimization, losses = begun.args
    names = {parameter: name for name, parameter in side.encoder.named_parameters()}
    return (
        optimization,
        losses,
        [names.get(parameter, f"beside it {i}") for i, parameter in enumerate(optimization.parameters)],
    )


def gradients(optimization: Optimization, names: list[str]) -> dict[str, Tensor]:
    """Take the gradient of each parameter that has one, in double precision on the CPU."""
    grads = ((name, parameter.grad) for name, parameter in zip(names, optimization.parameters, strict=True))
    taken = {name: grad.detach().cpu().double() for name, grad in grads if grad is not None}
    optimization.optimizer.zero_grad()
    return taken


def compare(data: str, encoder: str, device: str) -> dict[str, list[dict]]:
    """Two tables, a row a phase: the device against the CPU, and there a batch in pieces against the whole batch."""
    agreement, memory, on_gpu = [], [], device == "cuda"
    for phase in TRAININGS:
        optimization, losses, names = first_update(data, encoder, "cpu", phase)
        reference, expected = optimization.backward(losses), gradients(optimization, names)
        optimization, losses, names = first_update(data, encoder, device, phase)
        before = held_memory() if on_gpu else 0
        loss = optimization.backward(losses)
        taken = torch.cuda.max_memory_reserved() - before if on_gpu else 0
        whole = gradients(optimization, names)
        errors = errors_of(whole, expected)
        worst = max(errors, key=errors.get)
        loss_error, largest = abs(loss - reference) / abs(reference), errors[worst]
        error = norm(whole[name] - expected[name] for name in expected) / norm(expected.values())
        agreement.append(
            {
                "phase": phase, "parameters": len(expected), "loss_cpu": reference, "loss": loss,
                "loss_error": loss_error, "gradient_error": error, "worst_parameter": worst, "worst_error": largest,
                "agrees": max(loss_error, error, largest) <= LARGEST_ERROR,
            }
        )  # fmt: skip
        with at_most(before + LEFT * taken) if on_gpu else contextlib.nullcontext():
            in_pieces = optimization.backward(losses if on_gpu else partial(refuse_whole, losses))
        loss_error = abs(in_pieces - loss) / abs(loss)
        largest = max(errors_of(gradients(optimization, names), whole).values())
        memory.append(
            {
                "phase": phase, "whole_mb": taken / 1e6, "error_by": "limit" if on_gpu else "raised",
                "pieces": optimization.pieces, "loss_error": loss_error, "worst_error": largest,
                "agrees": optimization.pieces > 1 and max(loss_error, largest) <= LARGEST_ERROR,
            }
        )  # fmt: skip
    return {"agreement": agreement, "memory": memory}


def errors_of(gradient: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    """Each parameter's error relative to the expected gradient's norm."""
    assert gradient.keys() == expected.keys(), "other parameters have a gradient"
    smallest = SMALLEST_PART * norm(expected.values())
    return {name: norm([gradient[name] - value]) / max(norm([value]), smallest) for name, value in expected.items()}


def norm(tensors: Iterable[Tensor]) -> float:
    return sum(tensor.square().sum().item() for tensor in tensors) ** 0.5


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
    """The losses, for which there is no memory as long as the batch is whole: a CPU's stand-in for the limit."""
    if pieces == 1:
        raise torch.OutOfMemoryError("no memory for the whole batch")
    return losses(pieces)
