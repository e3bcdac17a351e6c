"""How well an encoder separates the classes of the validation rows before any head is trained on it."""

from typing import TYPE_CHECKING

import numpy as np

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.model.embedding import unit_vectors
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.baselines import NearestMean
from threephase.scores.metrics import scores

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun


class NearestMeanScore:
    """The study's metric, in percent, of the validation rows by the nearest class mean of the training rows' vectors.

    The vectors have unit length. A method that uses it has ``fixed`` among its settings, which says what is taken where
    no rows may choose; refuses one without, and a protocol that cuts no validation rows off.
    """

    def __init__(self, run: "TrainingRun", tokenizer: TextTokenizer):
        self.metric = run.settings.selection_metric
        if self.metric is None:
            raise UserError(
                f"{paths.METHODS / run.settings.method.file}.py: Settings: got no function fixed, expected one that "
                "gives the settings with which nothing is chosen: the method chooses on validation rows"
            )
        train = run.trained_on(run.part("train"), tokenizer)
        validation = run.scored(run.part("validation"), tokenizer)
        if not len(validation):
            raise UserError(
                f"{run.stage}: {run.variant}: got no validation rows, expected some: a choice is made on them; "
                "take a protocol that cuts them off"
            )
        self.train, self.validation = (tokenizer(rows["text"].tolist()) for rows in (train, validation))
        self.train_labels, self.labels = (rows["label"].to_numpy() for rows in (train, validation))
        self.classes, self.tokenizer, self.machine = run.classes, tokenizer, run.machine

    def __call__(self, encoder: SentenceEncoder) -> float:
        """Leaves the encoder in evaluation mode."""
        vectors = unit_vectors(encoder, [*self.train, *self.validation], self.tokenizer, self.machine)
        train, validation = np.split(vectors, [len(self.train)])
        predicted = NearestMean().fit(train, self.train_labels).predict(validation)
        return scores(self.labels, predicted, self.classes)[self.metric]
