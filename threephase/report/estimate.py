"""What a study will take on this machine: the updates of its trainings times the seconds that a few real ones took."""

import dataclasses
import itertools
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from threephase.base.errors import UserError
from threephase.base.lifetime import end_with_parent
from threephase.model.encoder_files import WEIGHTS
from threephase.model.machine import choose_machine
from threephase.paper.cost_model import ANY_MACHINE, sequence_updates, training_rows, uncut_rows
from threephase.phases.speed import Speed, Workload
from threephase.project.clusters import visible_gpus, workers_here
from threephase.project.distribution import seconds_of
from threephase.project.preview import count_trainings
from threephase.study import topology
from threephase.study.params import Study
from threephase.study.resolve_trainings import baseline_settings, training_settings
from threephase.study.rules import counts_all_labels
from threephase.study.source_params import Expected
from threephase.study.topology import Training

COPIES = 2  # of each encoder: in the study's folder and in dvc's cache
LIGHT = 1.0  # seconds of a stage that trains nothing


@dataclass(frozen=True)
class Estimate:
    """Of a whole study: ``seconds`` with so many ``workers`` at once, and the most of memory and disk."""

    seconds: float
    workers: int
    trainings: int
    baselines: int
    memory_mb: float
    disk_mb: float


def estimate(study: Study, examples: pd.DataFrame, folder: Path, texts: Sequence[str]) -> Estimate:
    """Measure on some of the ``texts``, with the encoder whose files are in ``folder``; ``examples`` have test rows."""
    machine = choose_machine(study.shared.engine)
    gpus = visible_gpus() if machine.device == "cuda" else []
    workers = len(gpus) or workers_here(machine.threads)
    speed = measure(workload_of(study, examples, folder, texts, machine), 1 if gpus else workers)
    return of_speed(with_counts(study, examples), speed, workers, (folder / WEIGHTS).stat().st_size / 1e6)


def measure(workload: Workload, processes: int) -> Speed:
    """The speed where so many processes train at once: of the seconds the mean, of the memory the largest.

    Raises UserError where the system ends one of them.
    """
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), end_with_parent) as pool:
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


def workload_of(study: Study, examples: pd.DataFrame, folder: Path, texts: Sequence[str], machine) -> Workload:
    """What is measured for a study: the settings of its first encoder's trainings, whichever of them has a phase."""
    trainings = list(topology.trainings(study))
    baseline = next(training for training in trainings if training.stage in topology.BASELINE_STAGES)
    settings = [
        training_settings(study, training, machine)
        for training in trainings
        if training.stage not in topology.BASELINE_STAGES
    ]
    return Workload(
        folder,
        settings[0].encoder,
        machine,
        next(each.denoising for each in settings if each.denoising),
        next(each.contrastive for each in settings if each.contrastive),
        next(each.classifiers[0] for each in settings if each.classifiers),
        baseline_settings(study, baseline, machine),
        texts,
        examples.loc[examples["split"] != "unlabelled", "label"].nunique(),
    )


def with_counts(study: Study, examples: pd.DataFrame) -> Study:
    """The study with the counts of its examples, from which updates are computed before anything has run."""
    labelled = examples.loc[examples["split"] != "unlabelled", "label"]
    splits = examples["split"].value_counts().to_dict()
    counts = Expected(rows_by_split=splits, labels=labelled.value_counts().to_dict())
    return dataclasses.replace(study, dataset=dataclasses.replace(study.dataset, expected=counts))


def of_speed(study: Study, speed: Speed, workers: int, encoder_mb: float) -> Estimate:
    """The estimate of a study with known counts, at a known speed.

    It takes what all stages take, spread over the workers, or the longest way through the phases where that is longer;
    behind it what waits for all of them.
    """
    trainings = list(topology.trainings(study))
    encoders = [training for training in trainings if training.phase == topology.ENCODER_PHASE]
    seconds = {training: training_seconds(study, training, speed) for training in trainings}
    seeds, cells = len(study.params.seeds), len(topology.cells(study))
    runs = [1 if training.stage in topology.BASELINE_STAGES else seeds for training in trainings]
    count, baselines = count_trainings(study)
    light = LIGHT * (len(topology.DATA_STAGES) + seeds + cells)
    total = light + sum(count * seconds[training] for count, training in zip(runs, trainings, strict=True))
    end = LIGHT * len(topology.REPORT_STAGES)
    if study.params.draw_encoders:
        end += seconds_of(topology.REPRESENTATIONS) * len(study.params.encoders)
    return Estimate(
        seconds=max(total / workers, _longest_way(trainings, seconds)) + end,
        workers=workers,
        trainings=count,
        baselines=baselines,
        memory_mb=workers * speed.memory_mb,
        disk_mb=COPIES * encoder_mb * (len(encoders) * seeds + len(study.params.encoders)),
    )


def training_seconds(study: Study, training: Training, speed: Speed) -> float:
    """Of a stage's whole process, for one seed (of a baseline: for all). Phase 3 counts the most epochs it may take."""
    rows, (train, _) = study.dataset.expected.rows_by_split, training_rows(study)
    if training.stage in topology.BASELINE_STAGES:
        embedded = sum(rows.values()) if training.encoder else 0
        fitted = len(study.params.seeds) * train if training.variant.endswith("_logistic") else 0
        return speed.start + embedded * speed.text + fitted * speed.fit
    updates, _ = sequence_updates(study, training)
    if training.phase == topology.ENCODER_PHASE:
        update = {
            topology.DENOISE: speed.denoising,
            topology.CONTRAST: speed.contrastive,
            topology.JOINT_TRAINING: speed.denoising + speed.contrastive,
            topology.METHOD: speed.contrastive,
        }
        return speed.start + updates * update[training.program]
    candidates = training_settings(study, training, ANY_MACHINE).classifiers
    scored = updates and not counts_all_labels(study.protocol)
    epochs = sum(candidate.epochs(train) for candidate in candidates) if scored else 0
    validated = rows.get("validation") or rows["train"] - uncut_rows(study)[0]
    # Behind it: the predictions, and the vectors of the pictures, which are of about as many texts.
    embedded = epochs * validated + (2 * (validated + rows.get("test", 0)) if updates else 0)
    return speed.start + updates * speed.classifying + embedded * speed.text


def _longest_way(trainings: Sequence[Training], seconds: dict[Training, float]) -> float:
    """Seconds of the longest row of trainings of one seed that wait for each other."""
    ways: dict[tuple[str, str], float] = {}
    longest = 0.0
    for training in trainings:
        starts = (training.start or "", *training.others)
        way = seconds[training] + max(ways.get((training.encoder, start), 0.0) for start in starts)
        if training.phase == topology.ENCODER_PHASE:
            ways[training.encoder, training.variant] = way
        longest = max(longest, way)
    return longest
