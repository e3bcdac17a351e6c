"""What a method chooses by: the study's metric on validation rows, by the nearest class mean."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from threephase.base.errors import UserError
from threephase.phases import nearest_mean_score
from threephase.phases.nearest_mean_score import NearestMeanScore

# Class b has one of its two rows at a; accuracy and macro F1 differ.
TRAIN = pd.DataFrame({"text": ["0", "1"], "label": ["a", "b"]})
VALIDATION = pd.DataFrame({"text": ["0", "0", "0", "1", "0"], "label": ["a", "a", "a", "b", "b"]})


def score_of(metric: str | None) -> NearestMeanScore:
    settings = SimpleNamespace(selection_metric=metric, method=SimpleNamespace(file="toy"))
    parts = {"train": TRAIN, "validation": VALIDATION}
    run = SimpleNamespace(
        stage="train_method", variant="toy", settings=settings, classes=["a", "b"], machine=None, part=parts.get,
        trained_on=lambda rows, _: rows, scored=lambda rows, _: rows,
    )  # fmt: skip
    return NearestMeanScore(run, lambda texts: texts)


def test_the_studys_metric_is_scored(monkeypatch):
    vectors = {"0": [1.0, 0.0], "1": [0.0, 1.0]}
    monkeypatch.setattr(
        nearest_mean_score, "unit_vectors", lambda _, texts, *rest: np.array([vectors[text] for text in texts])
    )
    assert score_of("accuracy")(None) == pytest.approx(80.0)
    # F1 of a: precision 3/4, recall 1; of b: precision 1, recall 1/2.
    assert score_of("macro_f1")(None) == pytest.approx(100 * (6 / 7 + 2 / 3) / 2)


def test_a_method_that_does_not_say_what_is_taken_where_nothing_chooses_is_refused():
    with pytest.raises(UserError, match=r"^threephase/methods/toy.py: Settings: got no function fixed, expected one"):
        score_of(None)
