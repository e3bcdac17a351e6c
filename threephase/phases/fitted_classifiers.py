"""The classifier that a method fits in place of phase 3, without a gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.model.embedding import unit_vectors
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.optimization import COLUMNS
from threephase.phases.training_run import TrainingRun
from threephase.study.methods import maker_in, settings_of
from threephase.study.settings import Machine

Probabilities = Callable[[list[str]], np.ndarray]  # of texts, (texts, classes) in the order of a run's classes
LEAST = np.finfo(np.float32).tiny  # a probability 0 of a row's own class has no logarithm


@dataclass(frozen=True)
class UnitVectors:
    """Gives texts the encoder's sentence vectors of length 1, (texts, hidden size)."""

    encoder: SentenceEncoder
    tokenizer: TextTokenizer
    machine: Machine

    def __call__(self, texts: list[str]) -> np.ndarray:
        return unit_vectors(self.encoder, self.tokenizer(texts), self.tokenizer, self.machine)


@dataclass(frozen=True)
class OfVectors:
    """Gives texts the probabilities of a linear ``model`` of scikit-learn, a class that it does not know 0.

    ``vectors``: what it was fitted on; ``classes``: all of the study, in its order.
    """

    classes: list[str]
    model: Any
    vectors: UnitVectors

    def __call__(self, texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), len(self.classes)))
        columns = [self.classes.index(label) for label in self.model.classes_]
        found[:, columns] = self.model.predict_proba(self.vectors(texts))
        return found


def fitted_by_method(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer) -> Probabilities:
    """What the run's method fits on its training rows."""
    method = run.settings.method
    return maker_in(method.file, "classifier")(run, encoder, tokenizer, settings_of(method))


def fit(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer) -> Probabilities:
    """The same; refuses probabilities of another shape."""
    fitted = fitted_by_method(run, encoder, tokenizer)

    def probabilities(texts: list[str]) -> np.ndarray:
        found, expected = np.asarray(fitted(texts)), (len(texts), len(run.classes))
        if found.shape != expected:
            raise UserError(
                f"{paths.METHODS / run.settings.method.file}.py: fitted_classifier: got probabilities of shape "
                f"{found.shape}, expected {expected}, texts x classes"
            )
        return found

    return probabilities


def probabilities_of(run: TrainingRun, part: str, tokenizer: TextTokenizer, classify: Probabilities) -> np.ndarray:
    """Of each class, (rows, classes), of a part of the run's split."""
    return classify(run.scored(run.part(part), tokenizer)["text"].tolist())


def history(run: TrainingRun, tokenizer: TextTokenizer, classify: Probabilities) -> pd.DataFrame:
    """The only row of its history: step 0 with the cross-entropy of the training rows."""
    train = run.trained_on(run.part("train"), tokenizer)
    of_own = classify(train["text"].tolist())[np.arange(len(train)), run.class_ids(train).cpu().numpy()]
    loss = -float(np.log(of_own.clip(LEAST)).mean())
    return pd.DataFrame([{"step": 0, "epoch": 0, "loss": loss}]).reindex(columns=COLUMNS)
