"""How fast a machine trains with an encoder, and what that is measured on; needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from threephase.study.settings import BaselineSettings, Classifying, Contrastive, Denoising, Encoder, Machine


@dataclass(frozen=True)
class Workload:
    """What is measured: a pre-trained encoder's folder, the settings of the phases, and texts of so many classes."""

    folder: Path
    encoder: Encoder
    machine: Machine
    denoising: Denoising
    contrastive: Contrastive
    classifying: Classifying
    baseline: BaselineSettings
    texts: Sequence[str]
    classes: int


@dataclass(frozen=True)
class Speed:
    """``start``: seconds until a stage trains; ``denoising``, ``contrastive``, ``classifying``: seconds an update.

    ``text``: seconds that the encoder takes for a text without a gradient; ``fit``: those that logistic regressions
    take for a training row, all values of C together; ``memory_mb``: the largest of a process.
    """

    start: float
    denoising: float
    contrastive: float
    classifying: float
    text: float
    fit: float
    memory_mb: float
