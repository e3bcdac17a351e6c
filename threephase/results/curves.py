"""Learning curves: which ones a study has, their points as a table, and which had not come to rest at their end."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.files import read_csv
from threephase.study.params import Study
from threephase.study.rules import encoders_tried, rates_tried
from threephase.study.topology import (
    CLASSIFIER_PHASE,
    CLASSIFIER_PROGRAMS,
    CONTRAST,
    DENOISE,
    ENCODER_PHASE,
    JOINT_TRAINING,
    METHOD,
    trainings,
    trainings_behind,
)

CURVE_COLUMNS = ["curve", "encoder", "variant", "seed", "x", "y"]
LEAST_STEPS, MOST_POINTS = 5, 40  # steps that a point of a loss is the median of; points of a line
STILL_FALLING = 0.1  # share of a loss's whole fall that its last quarter may not exceed


@dataclass(frozen=True)
class Curve:
    """A kind of curve: which programs' trainings have it, in which history file, which of its columns against which."""

    name: str
    programs: tuple[str, ...]
    phase: str
    x: str
    y: str


VALIDATION = Curve("validation", CLASSIFIER_PROGRAMS, "classifier", "epoch", "validation_metric")
CURVES = (
    Curve("denoising", (DENOISE,), "encoder", "step", "loss"),
    Curve("contrastive", (CONTRAST,), "encoder", "step", "loss"),
    Curve("joint", (JOINT_TRAINING,), "encoder", "step", "loss"),
    Curve("method", (METHOD,), "encoder", "step", "loss"),
    Curve("classifier", CLASSIFIER_PROGRAMS, "classifier", "step", "loss"),
    VALIDATION,
)


def curves_frame(study: Study) -> pd.DataFrame:
    """``curves.csv``: the points of every curve, encoder, variant and seed; a training without a history has none."""
    frames = []
    for curve in CURVES:
        for training in (training for training in trainings(study) if training.program in curve.programs):
            for seed in study.params.seeds:
                file = paths.history(study.folder, training.encoder, training.variant, seed, curve.phase)
                line = points(read_csv(file), curve) if file.is_file() else ()
                if len(line):  # a mean of weights trains nothing
                    who = {"curve": curve.name, "encoder": training.encoder, "variant": training.variant, "seed": seed}
                    frames.append(line.assign(**who)[CURVE_COLUMNS])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=CURVE_COLUMNS)


def points(history: pd.DataFrame, curve: Curve) -> pd.DataFrame:
    """The x and y of a line.

    A loss's points are medians of at least ``LEAST_STEPS`` consecutive steps, as many each, so that no single batch,
    least of all the last one of an epoch with its few rows, looks like a turn of the curve.
    """
    line = history.dropna(subset=[curve.y]).sort_values(curve.x)[[curve.x, curve.y]].astype(float)
    count = len(line) if curve is VALIDATION else max(1, min(MOST_POINTS, len(line) // LEAST_STEPS))
    parts = [part for part in np.array_split(line.to_numpy(), count) if len(part)] if count else []
    middles = np.array([np.median(part, axis=0) for part in parts]).reshape(-1, 2).round(6)
    return pd.DataFrame(middles, columns=["x", "y"])


def updates_of(study: Study, encoder: str, variant: str, curves: pd.DataFrame) -> float | None:
    """How many updates the trainings behind a cell took, the mean of the seeds; None where a curve is missing.

    A baseline has none, nor has a method whose history is empty, as it averages weights. Of several candidates the
    chosen one's curve is known, and the others count as long. They are counted, where seconds are measured: two runs
    with the same results have the same updates.
    """
    updates, losses = 0.0, curves[(curves["curve"] != VALIDATION.name) & (curves["encoder"] == encoder)]
    for maker, phase in trainings_behind(study.shared, variant) if variant in study.shared.variants else []:
        own = losses[(losses["variant"] == maker) & ((losses["curve"] == "classifier") == (phase == CLASSIFIER_PHASE))]
        if own.empty and len(losses) and maker in study.shared.methods and phase == ENCODER_PHASE:
            continue
        ends = own.groupby("seed")["x"].agg(["min", "max"])
        if len(ends) < len(study.params.seeds):
            return None
        # A line's first and last point are medians of the first and the last steps, as many each or one more at first.
        steps = (ends["min"] + ends["max"] - 1).astype(int).clip(lower=0)  # a fitted classifier has none
        tried = rates_tried(study, variant) if phase == CLASSIFIER_PHASE else encoders_tried(study, maker)
        updates += float(steps.mean()) * tried
    return updates


def unfinished(curve: str, line: pd.DataFrame) -> bool:
    """Whether a line, with columns x and y, had not come to rest: it may have gone on to improve.

    A loss whose last quarter takes more than ``STILL_FALLING`` of its whole fall; a validation metric that is best at
    the last epoch.
    """
    values = line.sort_values("x")["y"].to_numpy()
    if len(values) < 4:
        return False
    if curve == VALIDATION.name:
        return values[-1] > values[:-1].max()
    *_, before, last = (part.mean() for part in np.array_split(values, 4))
    fall = values.max() - values.min()
    return fall > 0 and before - last > STILL_FALLING * fall


def validation_curves(study: Study, curves: pd.DataFrame) -> pd.DataFrame:
    """What ``dvc plots`` draws of phase 3: columns cell, seed, epoch, validation_metric; a row an epoch."""
    of_phase_3 = curves[curves["curve"] == VALIDATION.name]
    cell = [paths.cell_name(*cell) for cell in zip(of_phase_3["encoder"], of_phase_3["variant"], strict=True)]
    table = of_phase_3.rename(columns={"x": "epoch", "y": "validation_metric"})
    return table[["seed", "epoch", "validation_metric"]].assign(cell=cell)
