"""Majority class, TF-IDF with logistic regression; logistic regression or class means on embeddings as they are."""

import operator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.errors import warn
from threephase.base.files import read_table
from threephase.data.randomness import generator
from threephase.model import encoder_files
from threephase.scores.metrics import scores
from threephase.study.middle import middle
from threephase.study.params import NO_ROWS
from threephase.study.settings import BaselineSettings
from threephase.study.source_params import CHARACTERS, WORDS

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

    from threephase.model.models import SentenceEncoder
    from threephase.study.settings import Machine

MAX_ITERATIONS = 1000
MOST_FOLDS = 5
SAME = 1e-2  # between entries of unit vectors, which bf16 rounds; the texts of a data set differ by far more
# Of texts without spaces runs of one to three characters: most of their words are no longer.
COUNTED = {WORDS: {}, CHARACTERS: {"analyzer": "char", "ngram_range": (1, 3)}}


def read_parts(folder: Path, seed: int) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The labelled examples by part of a study's split of this seed, and all classes in alphabetical order.

    A row keeps its number in the file of examples as index. A part without rows is left out, as the validation part
    is where the protocol cuts none.
    """
    split = read_table(paths.splits(folder, seed) / "split.parquet").set_index("example_id")
    examples = read_table(paths.examples(folder)).join(split, on="example_id", how="inner")
    parts = {part: examples[examples["part"] == part] for part in ("train", "validation", "test")}
    parts = {part: rows for part, rows in parts.items() if len(rows)}
    return parts, sorted(pd.concat(parts.values())["label"].unique())


def input_files(folder: Path, encoder: str, seed: int) -> list[Path]:
    """What a baseline reads, for its report."""
    weights = [paths.pretrained_encoder(folder, encoder) / encoder_files.WEIGHTS] if encoder else []
    return [paths.examples(folder), paths.splits(folder, seed) / "split.parquet", *weights]


def features_of(
    variant: str, parts: dict[str, pd.DataFrame], vectors: np.ndarray | None = None, units: str = WORDS
) -> dict[str, Any]:
    """A matrix of features a part, (rows, features); the vocabulary and its weights come from the training part.

    ``vectors``: those of all examples, for the baseline on an encoder's embeddings; ``units``: what TF-IDF counts.
    """
    if variant == "majority":
        return {part: np.zeros((len(rows), 1)) for part, rows in parts.items()}
    if variant == "tfidf_logistic":
        vectorizer = new_vectorizer(units).fit(parts["train"]["text"])
        return {part: vectorizer.transform(rows["text"]) for part, rows in parts.items()}
    return {part: vectors[rows.index] for part, rows in parts.items()}


def new_vectorizer(units: str, **options: Any) -> "TfidfVectorizer":
    """What counts the words of texts, or the runs of characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, **COUNTED[units], **options)


def embeddings(folder: Path, settings: BaselineSettings) -> np.ndarray:
    """Unit vectors, (examples, hidden size), of all examples by the pre-trained encoder, pooled by the protocol."""
    from threephase.model.encoder_folder import load_pretrained

    of_encoder = paths.pretrained_encoder(folder, settings.encoder.name)
    encoder_files.check_pretrained(of_encoder, settings.encoder.sha256)
    encoder = load_pretrained(of_encoder, settings.encoder.pooling)
    vectors = unit_vectors(read_table(paths.examples(folder))["text"].tolist(), encoder, of_encoder, settings.machine)
    if np.ptp(vectors, axis=0).max() <= SAME:
        warn(
            f"{of_encoder / encoder_files.WEIGHTS}: the sentence vectors of all {len(vectors)} texts are "
            f"{'the same' if vectors.any() else 'all 0'}, so that this baseline can only predict one class; get this "
            "encoder from its source again, or take another one"
        )
    return vectors


def unit_vectors(texts: list[str], encoder: "SentenceEncoder", folder: Path, machine: "Machine") -> np.ndarray:
    """An encoder's sentence vectors, of unit length, (texts, hidden size); ``folder`` holds its tokenizer."""
    from threephase.model import embedding
    from threephase.model.machine import set_up
    from threephase.model.tokens import TextTokenizer

    set_up(machine)
    config = encoder.transformer.config
    tokenizer = TextTokenizer(folder, config, config.max_tokens)
    return embedding.unit_vectors(encoder.to(machine.device), tokenizer(texts), tokenizer, machine)


def fit_and_predict(
    variant: str,
    features: dict[str, Any],
    parts: dict[str, pd.DataFrame],
    classes: list[str],
    settings: BaselineSettings,
    seed: int,
) -> tuple[dict[str, np.ndarray], float | None]:
    """Probabilities, (rows, classes), of validation and test rows, and the C chosen on the protocol's selection rows.

    Of equally good values the smallest C (the strongest regularization) is taken; only logistic regression has one.
    """
    strength, model = fit(variant, features, parts, classes, settings, seed)
    columns = [classes.index(name) for name in model.classes_]
    probabilities = {}
    for part in (part for part in parts if part != "train"):
        probabilities[part] = np.zeros((len(parts[part]), len(classes)))
        probabilities[part][:, columns] = model.predict_proba(features[part])
    return probabilities, strength


def fit(
    variant: str,
    features: dict[str, Any],
    parts: dict[str, pd.DataFrame],
    classes: list[str],
    settings: BaselineSettings,
    seed: int,
) -> tuple[float | None, Any]:
    """The C that was chosen and the model fitted with it, whose ``classes_`` are those of the training part."""
    labels = {part: rows["label"].to_numpy() for part, rows in parts.items()}
    models, chosen_by = _models(variant, settings.strengths), settings.selection_split
    return best_model(models, features, labels, classes, settings.selection_metric, chosen_by, seed)[1:]


class NearestMean:
    """The class whose mean vector is nearest; its probabilities are those of equal, round normal distributions."""

    def fit(self, vectors: np.ndarray, labels: np.ndarray) -> "NearestMean":
        self.classes_ = np.unique(labels)
        self.means_ = np.stack([vectors[labels == name].mean(axis=0) for name in self.classes_])
        return self

    def predict_proba(self, vectors: np.ndarray) -> np.ndarray:
        """(rows, classes)"""
        from scipy.spatial.distance import cdist
        from scipy.special import softmax

        return softmax(-cdist(vectors, self.means_, "sqeuclidean") / 2, axis=1)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        return self.classes_[self.predict_proba(vectors).argmax(axis=1)]


def _models(variant: str, strengths: list[float]) -> list[tuple[float | None, Any]]:
    if variant == "majority":
        from sklearn.dummy import DummyClassifier

        return [(None, DummyClassifier(strategy="most_frequent"))]
    return [(None, NearestMean())] if variant == "embedding_nearest_mean" else logistic_regressions(strengths)


def best_model(
    models: list[tuple[float | None, Any]],
    features: dict[str, Any],
    labels: dict[str, np.ndarray],
    classes: list[str],
    metric: str,
    chosen_by: str,
    seed: int,
) -> tuple[float | None, float | None, Any]:
    """Fit all on the training part; score (percent) on the part ``chosen_by``, strength and model of the first best.

    Where no rows choose, the score is that of a cross-validation within the training part, whose folds ``seed`` draws.
    """
    if chosen_by == NO_ROWS:
        score, (strength, model) = _best_within(models, features["train"], labels["train"], classes, metric, seed)
        return score, strength, model.fit(features["train"], labels["train"])
    fitted = []
    for strength, model in models:
        predicted = model.fit(features["train"], labels["train"]).predict(features[chosen_by])
        fitted.append((scores(labels[chosen_by], predicted, classes)[metric], strength, model))
    return max(fitted, key=operator.itemgetter(0))


def _best_within(
    models: list[tuple[float | None, Any]],
    features: Any,
    labels: np.ndarray,
    classes: list[str],
    metric: str,
    seed: int,
) -> tuple[float | None, tuple[float | None, Any]]:
    """Score, and strength and model, of the first best by the predictions of all left-out folds together.

    Stratified, with min(``MOST_FOLDS``, rows of the smallest class) folds. Where that is one, or there is one model,
    nothing is scored; of several strengths the middle one is taken.
    """
    folds = min(MOST_FOLDS, int(np.unique(labels, return_counts=True)[1].min()))
    if folds == 1 or len(models) == 1:
        return None, middle(models)
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    random = int(generator(seed, "folds of C").integers(2**31))
    drawn = list(StratifiedKFold(folds, shuffle=True, random_state=random).split(features, labels))
    scored = []
    for candidate in models:
        predicted = cross_val_predict(candidate[1], features, labels, cv=drawn)
        scored.append((scores(labels, predicted, classes)[metric], candidate))
    return max(scored, key=operator.itemgetter(0))


def logistic_regressions(strengths: list[float]) -> list[tuple[float, Any]]:
    """A model a value of C, the strongest regularization first."""
    from sklearn.linear_model import LogisticRegression

    return [(c, LogisticRegression(C=c, max_iter=MAX_ITERATIONS)) for c in sorted(strengths)]
