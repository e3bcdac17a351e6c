"""How often a view of robust_augmentation has another class than its text, as a classifier sees both.

The loss of views draws them to their text, also where a changed word has changed the class.
"""

import numpy as np
import pandas as pd

from threephase.data.randomness import generator
from threephase.methods.robust_augmentation import Views
from threephase.model.embedding import unit_vectors
from threephase.phases.baselines import logistic_regressions
from threephase.phases.training_run import TrainingRun
from threephase.study.methods import settings_of

STRENGTH = 10.0  # C of the classifier


def label_flips(run: TrainingRun) -> pd.DataFrame:
    """Shares of the validation texts, in percent, a row a way to make a view.

    ``flipped``: the view has another predicted class than the text. ``right``: the text has the right one;
    ``right_flipped``: of those the share that is flipped. The classifier is a logistic regression on unit vectors of
    the start, fitted on the training part.
    """
    encoder = run.load_start()
    tokenizer, machine = run.tokenizer(encoder), run.machine
    train, validation = run.part("train"), run.part("validation")
    of_train, texts = tokenizer(train["text"].tolist()), tokenizer(validation["text"].tolist())
    random = generator(run.seed, "views that are counted")
    views = Views(of_train, encoder, tokenizer, settings_of(run.settings.method), random)
    ((_, model),) = logistic_regressions([STRENGTH])
    model.fit(unit_vectors(encoder, of_train, tokenizer, machine), train["label"])

    def predicted(sequences: list[np.ndarray]) -> np.ndarray:
        return model.predict(unit_vectors(encoder, sequences, tokenizer, machine))

    before = predicted(texts)
    right = before == validation["label"].to_numpy()
    rows = []
    for way in views.ways:
        flipped = predicted([views.of_text(text, way) for text in texts]) != before
        shares = {"flipped": flipped.mean(), "right": right.mean(), "right_flipped": flipped[right].mean()}
        rows.append({"way": way, "texts": len(texts)} | {name: 100 * share for name, share in shares.items()})
    return pd.DataFrame(rows)
