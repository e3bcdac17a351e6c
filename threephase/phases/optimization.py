"""What the training loops of all phases call: a batch's gradient, a step of the optimizer, a line of the history."""

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from threephase.base.doubtful_numbers import Movement, remedy_of_not_finite
from threephase.base.errors import UserError
from threephase.phases.saves import TrainingSaves
from threephase.study.settings import Classifying, Contrastive, Denoising

LOG_EVERY_SECONDS = 10.0
MOST_PIECES = 1024  # more than any batch has rows
COLUMNS = ["step", "epoch", "loss", "learning_rate", "validation_metric", "validation_loss"]


class Optimization:
    """AdamW with a linear warm-up and linear decay, and the history of its steps.

    Where the stage was stopped before, its steps up to the save only repeat what they noted (``saves``).
    """

    def __init__(
        self,
        phase: str,
        modules: Iterable[nn.Module],
        settings: Denoising | Contrastive | Classifying,
        total: int,
        weight_decay: float = 0.0,
        beside: "Optimization | None" = None,
    ):
        """``total``: planned steps; of the ``settings`` learning rate, epsilon, warm-up and clipping count.

        ``beside``: the one whose every step is followed by one of this, so that both are saved together.
        """
        # A tied weight is one parameter, and a frozen one is none.
        self.parameters = list(dict.fromkeys(p for module in modules for p in module.parameters() if p.requires_grad))
        _leave_the_compiler_alone()
        self.optimizer = _AdamW(
            self.parameters, lr=settings.lr, eps=settings.adam_eps, weight_decay=weight_decay, fused=True
        )
        self.warmup_steps = math.ceil(settings.warmup * total)
        self.schedule = LambdaLR(self.optimizer, lambda step: linear_schedule(step, self.warmup_steps, total))
        self.settings, self.clip_gradient = settings, settings.clip_gradient
        self.movement = Movement(phase, self.parameters, settings)
        self.device = self.parameters[0].device.type
        self.phase, self.total, self.steps, self.pieces = phase, total, 0, 1
        self.history: list[dict] = []
        self.best: list[Tensor] = []
        self.progress = Progress(phase, total)
        self.saves = beside.saves if beside else TrainingSaves()
        self.saves.members.append(self)
        noted = self.saves.noted_of(self)
        self.looks, self.looked = noted["looks"] if noted else [], 0

    def backward(self, *losses: Callable[[int], Iterable[Tensor]]) -> float:
        """Leave the gradient of the sum of all that each ``losses(pieces)`` yields for its batch in so many pieces.

        The memory of a piece is free before the next is computed. A batch that does not fit into a GPU's memory is
        tried again in twice as many pieces, as is every later one. Returns the sum. Raises UserError where it is not
        finite or a single row does not fit.
        """
        if noted := self.saves.noted_of(self):
            return noted["history"][self.steps]["loss"]
        while True:
            total = 0.0
            try:
                for loss in itertools.chain.from_iterable(of_batch(self.pieces) for of_batch in losses):
                    loss.backward()
                    total += loss.item()
                self._refuse_not_finite("the loss", total, self.steps + 1)
                return total
            except torch.OutOfMemoryError:
                if self.pieces >= MOST_PIECES:
                    raise UserError(
                        f"{self.phase}: step {self.steps + 1}: got no memory for a single row, expected enough; "
                        "lower max_length, or set engine.device to cpu"
                    ) from None
            # Outside of the block above, whose exception holds on to what it met.
            self.pieces *= 2
            self.optimizer.zero_grad()
            torch.cuda.empty_cache()

    def step(self) -> float:
        """Clip the gradient, step and clear it; returns the learning rate of the step."""
        if noted := self.saves.noted_of(self):
            self.steps += 1
            return noted["history"][self.steps - 1]["learning_rate"]
        if self.clip_gradient is not None:
            norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
            # The fused optimizer divides by this while it reads the gradients, so that clipping is no pass of its own.
            self.optimizer.grad_scale = (norm / self.clip_gradient).clamp(min=1)
        learning_rate = self.schedule.get_last_lr()[0]
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.steps += 1
        return learning_rate

    def log(self, loss: float, learning_rate: float, epoch: int = 1) -> None:
        """Note the step in the history, and show it."""
        self.history.append({"step": self.steps, "epoch": epoch, "loss": loss, "learning_rate": learning_rate})
        self.progress.show(self.steps, loss, learning_rate)
        if self.steps == self.total:
            self._warn_of_no_movement()
        self.saves.after_step(self, ended=self.steps == self.total)
        if self.steps == self.total:
            self.progress.close()

    def end(self) -> None:
        """Leave the best weights, where some were kept; a training that ends before its planned steps calls this."""
        self.saves.after_step(self, ended=True)
        self.progress.close()
        with torch.no_grad():
            for parameter, best in zip(self.parameters, self.best, strict=bool(self.best)):
                parameter.copy_(best)
        self.best = []

    def look(self, score: Callable[[], Any]) -> Any:
        """What ``score`` says of the weights behind the last step: numbers, in tuples, lists or by name."""
        if self.looked == len(self.looks):
            self.looks.append(score())
        self.looked += 1
        return self.looks[self.looked - 1]

    def keep_best(self) -> None:
        """The weights behind the last step are the best so far."""
        if self.saves.noted is None:
            self.best = [parameter.detach().clone() for parameter in self.parameters]

    def state(self, *, ended: bool) -> dict[str, Any]:
        """All that a later process needs to go on from here; an ``ended`` training needs no moments."""
        return {
            "parameters": [parameter.detach() for parameter in self.parameters],
            "best": self.best,
            "optimizer": None if ended else self.optimizer.state_dict(),
            "schedule": None if ended else self.schedule.state_dict(),
            "history": self.history,
            "looks": self.looks,
            "pieces": self.pieces,
            "elapsed": time.monotonic() - self.progress.start,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` gave."""
        with torch.no_grad():
            for parameter, value in zip(self.parameters, state["parameters"], strict=True):
                parameter.copy_(value)
        self.best = [best.to(parameter.device) for best, parameter in zip(state["best"], self.parameters, strict=False)]
        if state["optimizer"]:
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
        self.history, self.pieces = state["history"], state["pieces"]
        self.progress.start, self.progress.seconds = time.monotonic() - state["elapsed"], 0.0

    def log_validation(self, metric: float, loss: float) -> None:
        """Note the selection metric (percent) and the loss on validation data behind the last step."""
        self._refuse_not_finite("the loss on validation data", loss, self.steps)
        self.history[-1] |= {"validation_metric": metric, "validation_loss": loss}

    def _refuse_not_finite(self, what: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            remedy = remedy_of_not_finite(self.settings, self.steps)
            raise UserError(f"{self.phase}: step {step}: {what} is {value}, expected a finite one; {remedy}")

    def _warn_of_no_movement(self) -> None:
        self.movement.warn(self.optimizer, [line["learning_rate"] for line in self.history])

    def history_table(self) -> pd.DataFrame:
        """A row a step, with ``COLUMNS``."""
        self.progress.close()
        self._warn_of_no_movement()  # of a training that ended early
        return pd.DataFrame(self.history).reindex(columns=COLUMNS)


class _AdamW(torch.optim.AdamW):
    """Torch's own, but that its first step does not import torch's compiler, which takes more than a second."""

    step = torch.no_grad()(torch.optim.AdamW.step.__wrapped__)


def _leave_the_compiler_alone() -> None:
    """Mark the optimizers' methods as kept from torch's compiler: to do that itself, torch imports it."""
    for method in vars(torch.optim.Optimizer).values():
        if plain := getattr(method, "__wrapped__", None):
            plain.__dynamo_disable = plain


def slices(rows: int, pieces: int) -> list[slice]:
    """So many pieces of ``rows`` of nearly equal size, or single rows where there are fewer."""
    bounds = [rows * piece // pieces for piece in range(pieces + 1)]
    return [slice(start, end) for start, end in itertools.pairwise(bounds) if start < end]


def linear_schedule(step: int, warmup_steps: int, total: int) -> float:
    """Factor of the learning rate at ``step`` (from 0): up to 1 over the warm-up, then down to 0 at ``total``."""
    if step < warmup_steps:
        return step / warmup_steps
    return max(0.0, (total - step) / max(1, total - warmup_steps))


class Progress:
    """A bar on a terminal; elsewhere a plain line every ten seconds."""

    def __init__(self, phase: str, total: int):
        self.phase, self.total = phase, total
        self.start = self.last = time.monotonic()
        self.seconds = 0.0
        self.bar = tqdm(total=total, desc=phase, unit="update", leave=False) if sys.stderr.isatty() else None

    def show(self, step: int, loss: float, rate: float) -> None:
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{loss:.4f}", lr=f"{rate:.1e}", refresh=False)
            self.bar.update()
            return
        now = time.monotonic()
        if now - self.last >= LOG_EVERY_SECONDS or step == self.total:
            steps_per_second = step / max(now - self.start, 1e-9)
            left = (self.total - step) / steps_per_second
            print(
                f"{self.phase}: update {step}/{self.total}, loss {loss:.4f}, lr {rate:.1e}, "
                f"{steps_per_second:.1f} updates/s, {left:.0f} s left",
                flush=True,
            )
            self.last = now

    def close(self) -> None:
        """The training has ended; ``seconds`` are those until this is first called."""
        self.seconds = self.seconds or time.monotonic() - self.start
        if self.bar is not None:
            self.bar.close()
