"""What a study cost and where it ran, summed from its run reports; what was not written down says so."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threephase.base import paths, run_reports
from threephase.study.params import Study
from threephase.study.topology import BASELINE_STAGES, trainings

NOT_RECORDED, FROM_CACHE = "not recorded", "from the cache, not timed here"
PLACES = {
    "data_from": "Data from",
    "encoder_from": "Encoder from",
    "device": "Device",
    "gpu": "GPU",
    "precision": "Precision",
    "threads": "CPU threads",
    "cpu_model": "CPU",
    "revision": "Code revision",
}


@dataclass(frozen=True)
class RecordedTraining:
    """One training: the stage that makes it, whose it is, and its report, None where there is none."""

    stage: str
    encoder: str
    variant: str
    seed: int
    phase: str
    report: dict[str, Any] | None


def read_reports(study: Study) -> list[RecordedTraining]:
    """The report of every training of the study, in the order of the stages; None where it came from the cache."""
    recorded = []
    for stage, *training in _trainings(study):
        result = paths.history(study.folder, *training)
        if stage in BASELINE_STAGES:
            result = paths.predictions(study.folder, *training[:3])
        recorded.append(RecordedTraining(stage, *training, run_reports.read(study.folder, *training, result)))
    return recorded


def read_published_reports(study: Study, file: Path) -> list[RecordedTraining]:
    """The same of a published study, from its ``run_reports.jsonl``."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    by_training = {}
    for report in map(json.loads, lines):
        by_training[tuple(report[key] for key in ("encoder", "variant", "seed", "phase"))] = report
    return [
        RecordedTraining(stage, *training, by_training.get(tuple(training))) for stage, *training in _trainings(study)
    ]


def _trainings(study: Study) -> list[tuple[str, str, str, int, str]]:
    """Stage, encoder, variant, seed and phase of every training of a study."""
    return [
        (training.stage, training.encoder, training.variant, seed, training.phase)
        for training in trainings(study)
        for seed in study.params.seeds
    ]


def costs(trainings: Sequence[RecordedTraining]) -> list[dict[str, Any]]:
    """A line a stage, and the sum of all as ``all stages``; a quantity is None where no training recorded it.

    ``sequences_per_second`` is the rate inside the training loops, ``seconds`` are those of the whole processes, and
    ``peak_memory_mb`` is the largest of the trainings.
    """
    stages = list(dict.fromkeys(training.stage for training in trainings))
    lines = [_cost(stage, [training for training in trainings if training.stage == stage]) for stage in stages]
    return [*lines, _cost("all stages", trainings)]


def _cost(stage: str, trainings: Sequence[RecordedTraining]) -> dict[str, Any]:
    reports = _reports(trainings)
    timed = [report for report in reports if report.get("sequences_per_second") and report.get("sequence_updates")]
    training_seconds = sum(report["sequence_updates"] / report["sequences_per_second"] for report in timed)
    memory = [report["peak_memory_mb"] for report in reports if report.get("peak_memory_mb")]
    return {
        "stage": stage,
        "runs": len(trainings),
        "recorded": len(reports),
        **{key: _sum(reports, key) for key in ("seconds", "updates", "sequence_updates")},
        "sequences_per_second": _sum(timed, "sequence_updates") / training_seconds if timed else None,
        "peak_memory_mb": max(memory, default=None),
    }


def _reports(trainings: Sequence[RecordedTraining]) -> list[dict[str, Any]]:
    return [training.report for training in trainings if training.report is not None]


def _sum(reports: Sequence[dict[str, Any]], key: str) -> float | None:
    values = [report[key] for report in reports if report.get(key) is not None]
    return sum(values) if values else None


def environment(trainings: Sequence[RecordedTraining]) -> list[tuple[str, str]]:
    """Name and value of what the trainings ran on; several values are told with their number of runs."""
    reports = _reports(trainings)
    lines = [(title, _values([_text(report, key) for report in reports])) for key, title in PLACES.items()]
    flags = _values([", ".join(report.get("cpu_flags") or []) or NOT_RECORDED for report in reports])
    packages = sorted({package for report in reports for package in report.get("versions") or {}})
    versions = [
        (package, _values([_text(report.get("versions") or {}, package) for report in reports])) for package in packages
    ]
    return [*lines, ("CPU flags", flags), *(versions or [("Versions", NOT_RECORDED)])]


def _text(facts: dict[str, Any], key: str) -> str:
    """A fact as text; null was recorded, as on a machine without a GPU, and differs from a key that is not there."""
    if key not in facts:
        return NOT_RECORDED
    return "none" if facts[key] is None else str(facts[key])


def _values(values: Sequence[str]) -> str:
    counts = {value: values.count(value) for value in dict.fromkeys(values)}
    if len(counts) > 1:
        return "; ".join(f"{value} ({count} run{'s' if count > 1 else ''})" for value, count in counts.items())
    return next(iter(counts), NOT_RECORDED)


def inputs(trainings: Sequence[RecordedTraining]) -> list[tuple[str, str]]:
    """File and sha256 of what the trainings started from: data and pre-trained encoders, not what other runs made."""
    pairs = dict.fromkeys(
        (file, checksum)
        for report in _reports(trainings)
        for file, checksum in (report.get("inputs") or {}).items()
        if file.startswith((f"{paths.RUNS}/data/", f"{paths.RUNS}/pretrained/"))
    )
    return sorted(pairs)
