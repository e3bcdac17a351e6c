"""Majority class, TF-IDF with logistic regression, and logistic regression on a frozen encoder's embeddings."""

from typing import Any

import numpy as np
import pandas as pd

from stages.common import encoder_files, paths
from stages.common.config import Study
from stages.common.files import read_table
from stages.common.metrics import row_values

MAX_ITERATIONS = 1000


def read_parts(study: Study, seed: int) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The labelled examples by part of this seed's split, and all classes in alphabetical order."""
    split = read_table(paths.splits(study.benchmark.name, seed) / "split.parquet")
    examples = read_table(paths.examples(study.benchmark.dataset)).merge(split, on="example_id")
    parts = {part: examples[examples["part"] == part] for part in ("train", "validation", "test")}
    return parts, sorted(pd.concat(parts.values())["label"].unique())


def features_of(variant: str, parts: dict[str, pd.DataFrame], study: Study, encoder: str) -> dict[str, Any]:
    """A matrix of features a part, (rows, features); the vocabulary and its weights come from the training part."""
    texts = {part: rows["text"].tolist() for part, rows in parts.items()}
    if variant == "majority":
        return {part: np.zeros((len(rows), 1)) for part, rows in texts.items()}
    if variant == "tfidf_logistic":
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(sublinear_tf=True).fit(texts["train"])
        return {part: vectorizer.transform(rows) for part, rows in texts.items()}
    return _embeddings(texts, study, encoder)


def _embeddings(texts: dict[str, list[str]], study: Study, encoder_name: str) -> dict[str, np.ndarray]:
    """Sentence vectors of the pre-trained encoder, of unit length, pooled as the protocol says."""
    from stages.common.classifier import embed
    from stages.common.encoder_folder import load_pretrained
    from stages.common.engine import choose_machine
    from stages.common.tokens import TextTokenizer

    machine = choose_machine(study.shared.engine)
    machine.set_up()
    folder = paths.pretrained_encoder(encoder_name)
    encoder_files.check_pretrained(folder, study.shared.encoders[encoder_name].sha256, encoder_name)
    encoder = load_pretrained(folder, study.pooling(encoder_name)).to(machine.device)
    config = encoder.transformer.config
    tokenizer = TextTokenizer(folder, config, config.max_tokens)
    vectors = {part: embed(encoder, tokenizer(rows), tokenizer, machine).cpu().numpy() for part, rows in texts.items()}
    return {part: rows / np.linalg.norm(rows, axis=1, keepdims=True) for part, rows in vectors.items()}


def fit_and_predict(
    variant: str, features: dict[str, Any], parts: dict[str, pd.DataFrame], classes: list[str], study: Study
) -> tuple[dict[str, np.ndarray], float | None]:
    """Probabilities, (rows, classes), of validation and test rows, and the C that was chosen on validation.

    Of equally good values the smallest C (the strongest regularization) is taken; the majority class has none.
    """
    labels = {part: rows["label"].to_numpy() for part, rows in parts.items()}
    best = None
    for strength, model in _models(variant, study):
        model.fit(features["train"], labels["train"])
        predicted = model.predict(features["validation"])
        score = row_values(labels["validation"], predicted, classes)[study.benchmark.selection_metric].mean()
        if best is None or score > best[0]:
            best = (score, strength, model)
    _, strength, model = best
    columns = [classes.index(name) for name in model.classes_]
    probabilities = {}
    for part in ("validation", "test"):
        probabilities[part] = np.zeros((len(labels[part]), len(classes)))
        probabilities[part][:, columns] = model.predict_proba(features[part])
    return probabilities, strength


def _models(variant: str, study: Study) -> list[tuple[float | None, Any]]:
    if variant == "majority":
        from sklearn.dummy import DummyClassifier

        return [(None, DummyClassifier(strategy="most_frequent"))]
    from sklearn.linear_model import LogisticRegression

    strengths = sorted(study.shared.baseline_inverse_regularization)
    return [(c, LogisticRegression(C=c, max_iter=MAX_ITERATIONS)) for c in strengths]
