"""What the stages of phase 3 leave: predictions, vectors for the pictures, history and report."""

from collections.abc import Callable

import numpy as np

from threephase.base import paths
from threephase.base.doubtful_numbers import warn_of_one_class
from threephase.base.files import write_table
from threephase.phases.classifier import BestTrained, probabilities
from threephase.phases.training_run import TrainingRun
from threephase.phases.vectors import write_vectors
from threephase.scores.predictions import predictions_table


def write_trained(run: TrainingRun, done: BestTrained) -> None:
    """Write all of it for the best of the trained candidates."""
    best = done.best
    write_predictions(run, lambda part: probabilities(run, part, best.model, done.tokenizer))
    write_vectors(run, best.model.encoder, done.tokenizer)
    sequence_updates = sum(candidate.sequence_updates for candidate in done.tried)
    best.optimization.progress.seconds = sum(candidate.optimization.progress.seconds for candidate in done.tried)
    run.write_records(best.optimization, sequence_updates, done.tokenizer, **best.facts(done.tried))


def write_predictions(run: TrainingRun, probabilities_of: Callable[[str], np.ndarray]) -> None:
    """Write those of the validation rows, if any, and of the test rows; called when every choice is made.

    ``probabilities_of``: of each class, (rows, classes), of a part of the run's split. A test part that chose nothing
    is scored here, once.
    """
    scored = {part: run.part(part) for part in ("validation", "test") if part in set(run.examples["part"])}
    table = predictions_table(scored, {part: probabilities_of(part) for part in scored}, run.classes)
    write_table(paths.predictions(run.folder, run.encoder, run.variant, run.seed), table)
    warn_of_one_class(f"{run.stage}: {run.encoder}, {run.variant}, seed {run.seed}", table)
