"""Numbers that a training can't make sense of: each named with the setting that is likely at fault.

Nothing here changes a number, so that no training runs again for these words.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from threephase.base.errors import shortened, warn

if TYPE_CHECKING:
    import pandas as pd
    import torch

TINY = 1.2e-38  # what is smaller is no normal number of float32
ULP = 1.2e-7  # the least share of a float32 that an update can change
HIGH_RATE = 1e-2  # of Adam, whose update moves each weight by about the rate; weights are of 0.02 to 1


class Pace(Protocol):
    """What the settings of all trainings have."""

    lr: float
    adam_eps: float
    warmup: float
    clip_gradient: float | None


def remedy_of_not_finite(settings: Pace, updates: int) -> str:
    """What to change where a loss, or a weight, is not finite behind so many ``updates``."""
    if updates < 1:
        return (
            "no update came before it, so that no learning rate is to blame: look at the encoder's weights, or set "
            "engine.precision to fp32"
        )
    if settings.adam_eps < TINY:
        return f"raise adam_eps, which is {settings.adam_eps:g} and thus 0 in float32, to 1e-8"
    if settings.clip_gradient is None and settings.lr <= HIGH_RATE:
        return f"set clip_gradient, which is null, to 1.0, or lower the learning rate ({settings.lr:g})"
    return f"lower the learning rate ({settings.lr:g})"


class Movement:
    """Whether a training moves its weights at all, told once, at its end, by a copy of one small weight.

    It is the smallest trained weight, such as that of a layer norm or a head's bias, that is not all 0.
    """

    def __init__(self, phase: str, parameters: Iterable["torch.Tensor"], settings: Pace):
        self.phase, self.settings = phase, settings
        self.weight = next((one for one in sorted(parameters, key=lambda one: one.numel()) if one.any()), None)
        self.start = None if self.weight is None else self.weight.detach().clone()

    def warn(self, optimizer: Any, rates: Sequence[float]) -> None:
        """Warn where the weight is what it was, by the optimizer's state and the ``rates`` of all updates."""
        start, self.start = self.start, None
        state = {} if start is None else optimizer.state.get(self.weight, {})
        if not state or not rates:
            return
        way, size, group = sum(rates), start.abs().max().item(), optimizer.param_groups[0]
        # Weight decay moves a weight without any gradient, and below float32's precision by up to twice as much.
        if (self.weight.detach() - start).abs().max().item() > size * (ULP + 2 * group["weight_decay"] * way):
            return
        # Adam's mean of the gradients, as they were clipped, begins at 0; the scale is what they were divided by.
        clipped = state["exp_avg"].abs().max().item() / (1 - group["betas"][0] ** len(rates))
        if clipped and way * clipped / (clipped + group["eps"]) > ULP * size:
            return
        scale = float(getattr(optimizer, "grad_scale", None) or 1.0)
        cause = self._cause(way, clipped * scale, scale, ULP * size)
        warn(f"{self.phase}: step {len(rates)}: the weights are still those of the start; {cause}")

    def _cause(self, way: float, gradient: float, scale: float, least: float) -> str:
        """The likely cause. ``way``: as far as all updates lead where none is held back; ``least``: as far as seen.

        ``gradient``: the largest entry before it was divided by ``scale``, which clips it.
        """
        lr, eps, clip = self.settings.lr, self.settings.adam_eps, self.settings.clip_gradient
        if way == 0:
            return "the warm-up begins at a rate of 0, and no update came behind that: take more epochs"
        if way <= least:
            return f"the learning rate ({lr:g}) is too low: take 1e-5 or more"
        if gradient == 0 and scale == 1:
            return "the gradient is 0: look at the encoder's weights and the training rows"
        if gradient and way * gradient / (gradient + eps) <= least:
            return f"adam_eps ({eps:g}) is too large beside a gradient of {gradient:.0e}: take 1e-8"
        return f"clip_gradient ({clip:g}) leaves too little of the gradient: take 1.0"


def warn_of_one_class(phase: str, predictions: "pd.DataFrame") -> None:
    """Warn of a part of the split, in a table of predictions, that has several classes and one predicted."""
    for part, rows in predictions.groupby("split", sort=False):
        labels, predicted = rows["label"].nunique(), rows["predicted"].unique()
        if len(predicted) == 1 < labels:
            warn(
                f"{phase}: all {len(rows)} {part} rows of {labels} classes are predicted as "
                f"{shortened(repr(predicted[0]))}; the classifier tells no class from another: it may need more "
                "updates, another learning rate, or an encoder that an earlier phase has not spoiled"
            )
