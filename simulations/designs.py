"""The simulated studies: which classifiers on how many seeds and rows, what an interval promises, whether it holds."""

import itertools
from dataclasses import dataclass

import numpy as np

from simulations.latent import Classifier, classifier, row_effects
from threephase.data.randomness import generator
from threephase.scores.statistics import clustered_parts, half_width, two_way_parts

CELL, TWO_SEEDS, FOLDS, DIFFERENCE = "a cell", "a cell of two seeds", "a cross-validation", "a paired difference"
MISREAD = "a cell of two seeds, read as of any seed"
ROWS, SEEDS, ACCURACIES = (65, 700, 7_600), (3, 5, 10), (0.6, 0.75, 0.9)
RATIOS = {"small": 0.1, "equal": 1.0, "dominant": 10.0}  # variance between seeds to that of the draw of rows
FOLDS_OF, MIN_SEEDS, CONFIDENCE = 5, 3, 0.95
LEAD = 0.03  # of the first of two classifiers over the second
# The fewer rows, the cheaper a study and the coarser its values.
STUDIES = {65: 10_000, 700: 4_000, 7_600: 2_000}
VALUES_AT_ONCE = 200_000  # more than a processor's cache holds would only be slower


@dataclass(frozen=True)
class Design:
    """One kind of simulated study; ``ratio`` is a key of ``RATIOS``."""

    kind: str
    seeds: int
    rows: int
    accuracy: float
    ratio: str


def designs() -> list[Design]:
    """Every design, in the order of the table."""
    by_kind = {
        CELL: (SEEDS, ROWS, ACCURACIES),
        TWO_SEEDS: ((2,), ROWS, ACCURACIES),
        MISREAD: ((2,), ROWS, ACCURACIES),
        FOLDS: ((FOLDS_OF,), ROWS, ACCURACIES),
        DIFFERENCE: (SEEDS, ROWS, ACCURACIES),
    }
    return [
        Design(kind, *numbers, ratio)
        for kind, parts in by_kind.items()
        for *numbers, ratio in itertools.product(*parts, RATIOS)
    ]


def simulate(design: Design, studies: int) -> dict[str, float]:
    """Coverage, and the mean width in percentage points, over as many studies."""
    random = generator(studies, f"{design.kind}, {design.seeds}, {design.rows}, {design.accuracy}, {design.ratio}")
    kind = classifier(design.accuracy, design.rows, RATIOS[design.ratio])
    at_once = max(1, VALUES_AT_ONCE // (design.seeds * design.rows))
    held, widths = [], []
    for first in range(0, studies, at_once):
        count = min(at_once, studies - first)
        values, truth, folds = draw(design, kind, count, random)
        parts = two_way_parts(values, MIN_SEEDS) if folds is None else clustered_parts(values, folds)
        half = half_width(*parts, (1 - CONFIDENCE) / 2)
        error = values.mean(axis=tuple(range(1, values.ndim)), dtype=float) - truth
        held.append(np.abs(error) <= half)
        widths.append(2 * half)
    return {"coverage": 100 * float(np.concatenate(held).mean()), "mean_width": float(np.concatenate(widths).mean())}


def draw(
    design: Design, kind: Classifier, count: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | float, np.ndarray | None]:
    """Values of ``count`` studies [count, seeds, rows] (of folds [count, rows]), their truth in percent, and the folds.

    The truth is the expectation over new seeds and rows; of two seeds it is that of these two seeds over new rows.
    """
    if design.kind == FOLDS:
        folds = np.arange(design.rows) % FOLDS_OF
        effects = kind.seed_effects((count, FOLDS_OF), random)[:, folds]
        rows = row_effects((count, design.rows), random)
        return kind.values(effects, rows, random), 100 * design.accuracy, folds
    effects = kind.seed_effects((count, design.seeds, 1), random)
    rows = row_effects((count, 1, design.rows), random)
    values = kind.values(effects, rows, random)
    if design.kind == DIFFERENCE:
        other = Classifier(design.accuracy - LEAD, kind.seed_variance)
        others = other.values(other.seed_effects(effects.shape, random), rows, random)
        return values - others, 100 * LEAD, None
    if design.kind == TWO_SEEDS:
        return values, 100 * kind.accuracy_of(effects).mean(axis=(1, 2)), None
    return values, 100 * design.accuracy, None
