"""Two further heads on the encoder that phases 1 and 2, or a method, have trained: a probe and the nearest class mean.

Both read the sentence vectors before the added layers, scaled to unit length, as the baselines read the untouched
encoder's. The probe is their logistic regression: of the same values of C the best on the rows that choose, or the
middle one where none do. The nearest class mean is theirs too, which chooses nothing. Source of the probe:
Alain and Bengio 2016, https://arxiv.org/abs/1610.01644; theirs reads every layer while the network trains, ours the
sentence vector behind it. Phase 2 and most methods have seen the labels of the training rows that both are fitted on.
Cost: the training rows and those that choose once without a gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases import baselines
from threephase.phases.fitted_classifiers import OfVectors, UnitVectors
from threephase.phases.training_run import TrainingRun
from threephase.study.middle import middle
from threephase.study.params import NO_ROWS
from threephase.study.schema import both, checked, distinct, number
from threephase.study.settings import BaselineSettings


@dataclass(frozen=True)
class Settings:
    """``strengths``: the values of C of a probe, to choose from; None for the nearest class mean."""

    strengths: list[float] | None = checked(both(distinct, number(above=0)))


def fitted_classifier(
    run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings
) -> Callable[[list[str]], np.ndarray]:
    encoder.added.clear()
    vectors = UnitVectors(encoder, tokenizer, run.machine)
    metric, chosen_by = run.settings.selection_metric, run.settings.selection_split
    parts = {"train": run.trained_on(run.part("train"), tokenizer)}
    strengths = settings.strengths or []
    if chosen_by == NO_ROWS:
        # Not by folds of the training rows: the encoder has learnt the labels of those left out.
        strengths = [middle(sorted(strengths))] if strengths else []
    else:
        parts[chosen_by] = run.scored(run.part(chosen_by), tokenizer)
    features = {part: vectors(rows["text"].tolist()) for part, rows in parts.items()}
    baseline = "embedding_nearest_mean" if settings.strengths is None else "embedding_logistic"
    like_the_baseline = BaselineSettings([run.seed], strengths, chosen_by, metric)
    strength, model = baselines.fit(baseline, features, parts, run.classes, like_the_baseline, run.seed)
    if strength is not None:
        print(f"{run.stage}: C = {strength:g}", flush=True)
    return OfVectors(run.classes, model, vectors)
