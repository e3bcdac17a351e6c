"""How fast this machine trains with an encoder: measured by new processes, as many at once as train in a study."""

import dataclasses
import itertools
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from threephase.base.errors import UserError
from threephase.study.settings import Classifying, Contrastive, Denoising, Encoder, Machine


@dataclass(frozen=True)
class Workload:
    """What is measured: a pre-trained encoder's folder, the settings of the phases, and texts of so many classes."""

    folder: Path
    encoder: Encoder
    machine: Machine
    denoising: Denoising
    contrastive: Contrastive
    classifying: Classifying
    texts: Sequence[str]
    classes: int


@dataclass(frozen=True)
class Speed:
    """``start``: seconds until a stage trains; ``denoising``, ``contrastive``, ``classifying``: seconds an update.

    ``text``: seconds that the encoder takes for a text without a gradient; ``memory_mb``: the largest of a process.
    """

    start: float
    denoising: float
    contrastive: float
    classifying: float
    text: float
    memory_mb: float


def measure(workload: Workload, processes: int) -> Speed:
    """The speed where so many processes train at once: of the seconds the mean, of the memory the largest.

    Raises UserError where the system ends one of them.
    """
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        try:
            speeds = list(pool.map(_measured_here, itertools.repeat(workload, processes)))
        except BrokenProcessPool:
            raise UserError(
                f"got the end of one of {processes} processes while it measured, as where memory runs out; "
                "a run needs as much: make repro WORKERS=1"
            ) from None
    columns = zip(*map(dataclasses.astuple, speeds), strict=True)
    mean = Speed(*(sum(column) / len(column) for column in columns))
    return dataclasses.replace(mean, memory_mb=max(speed.memory_mb for speed in speeds))


def _measured_here(workload: Workload) -> Speed:
    """By this process. It alone imports torch."""
    from threephase.phases.timed_updates import measure_here

    return measure_here(workload)
