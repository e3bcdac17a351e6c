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


@dataclass(frozen=True)
class StageCost:
    """Sums over the runs of a stage; a quantity is None where no run recorded it.

    ``sequences_per_second`` is the rate inside the training loops, ``seconds`` are those of the whole processes, and
    ``peak_memory_mb`` is the largest of the runs.
    """

    stage: str
    runs: int
    recorded: int
    seconds: float | None
    updates: float | None
    sequence_updates: float | None
    sequences_per_second: float | None
    peak_memory_mb: float | None


def read_reports(study: Study) -> list[RecordedTraining]:
    """The report of every training of the study, in the order of the stages; None where it came from the cache."""
    runs = []
    for stage, *training in _trainings(study):
        result = paths.predictions(study.folder, *training[:3])
        if stage not in BASELINE_STAGES:
            result = paths.history(study.folder, *training)
        runs.append(RecordedTraining(stage, *training, run_reports.read(study.folder, *training, result)))
    return runs


def read_published_reports(study: Study, file: Path) -> list[RecordedTraining]:
    """The same of a published study, from its ``run_reports.jsonl``."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    reports = [json.loads(line) for line in lines]
    found = {tuple(report[key] for key in ("encoder", "variant", "seed", "phase")): report for report in reports}
    return [RecordedTraining(stage, *training, found.get(tuple(training))) for stage, *training in _trainings(study)]


def _trainings(study: Study) -> list[tuple[str, str, str, int, str]]:
    """Stage, encoder, variant, seed and phase of every training of a study."""
    return [
        (training.stage, training.encoder, training.variant, seed, training.phase)
        for training in trainings(study)
        for seed in study.params.seeds
    ]


def costs(runs: Sequence[RecordedTraining]) -> list[StageCost]:
    """A line a stage, and the sum of all as ``all stages``."""
    stages = list(dict.fromkeys(run.stage for run in runs))
    lines = [_cost(stage, [run for run in runs if run.stage == stage]) for stage in stages]
    return [*lines, _cost("all stages", runs)]


def _cost(stage: str, runs: Sequence[RecordedTraining]) -> StageCost:
    reports = [run.report for run in runs if run.report is not None]
    timed = [report for report in reports if report.get("sequences_per_second") and report.get("sequence_updates")]
    training_seconds = sum(report["sequence_updates"] / report["sequences_per_second"] for report in timed)
    return StageCost(
        stage=stage,
        runs=len(runs),
        recorded=len(reports),
        seconds=_sum(reports, "seconds"),
        updates=_sum(reports, "updates"),
        sequence_updates=_sum(reports, "sequence_updates"),
        sequences_per_second=_sum(timed, "sequence_updates") / training_seconds if timed else None,
        peak_memory_mb=max(
            (report["peak_memory_mb"] for report in reports if report.get("peak_memory_mb")), default=None
        ),
    )


def _sum(reports: Sequence[dict[str, Any]], key: str) -> float | None:
    values = [report[key] for report in reports if report.get(key) is not None]
    return sum(values) if values else None


def environment(runs: Sequence[RecordedTraining]) -> list[tuple[str, str]]:
    """Name and value of what the runs ran on; several values are told with their number of runs."""
    reports = [run.report for run in runs if run.report is not None]
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


def inputs(runs: Sequence[RecordedTraining]) -> list[tuple[str, str]]:
    """File and sha256 of what the trainings started from: data and pre-trained encoders, not what other runs made."""
    pairs = dict.fromkeys(
        (file, checksum)
        for run in runs
        if run.report is not None
        for file, checksum in (run.report.get("inputs") or {}).items()
        if file.startswith((f"{paths.RUNS}/data/", f"{paths.RUNS}/pretrained/"))
    )
    return sorted(pairs)
