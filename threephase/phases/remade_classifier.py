"""The model of one cell and seed of a finished study, made again: trainings leave predictions and keep no classifier.

The same settings, seed and start give the same bytes, and so the predictions of the study.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import read_table, sha256_of
from threephase.model import encoder_folder
from threephase.model.kernels import restore_words
from threephase.phases import baselines, kept_classifier
from threephase.phases.classifier import Given, train_best
from threephase.phases.fitted_classifiers import OfVectors, fitted_by_method
from threephase.phases.initial_heads import given_by_method
from threephase.phases.kept_classifier import EMBEDDINGS, FINE_TUNED, WORDS, Description, KeptClassifier, Model
from threephase.phases.training_run import TrainingRun
from threephase.scores.predictions import PROBABILITY
from threephase.study.params import Study
from threephase.study.settings import BaselineSettings, Machine, read_settings
from threephase.study.topology import BASELINE, CLASSIFIER_PHASE, CLASSIFY, FIT_CLASSIFIER, classifier_program

# Single precision, and a baseline's head is kept as one linear layer whatever scikit-learn computed it from.
ROUNDING = 1e-5
CPU = Machine("cpu", "fp32", 1)  # for what embeds nothing


def write_remade(study: Study, encoder: str, variant: str, seed: int, folder: Path) -> Description:
    """Make the model again and fill the folder with it, which must exist; refuses other predictions than the study's.

    What is compared are the probabilities that the written folder gives the rows of the study's table of predictions.
    """
    file = paths.predictions(study.folder, encoder, variant, seed)
    predictions = read_table(file)
    trained = variant in study.shared.variants
    if trained:
        program = classifier_program(study.shared, variant)
        run = TrainingRun.from_settings(study.folder, program, encoder, variant, seed, CLASSIFIER_PHASE)
        if program == FIT_CLASSIFIER:
            model, facts, machine = _fitted(run, study.file)
        else:
            model, facts, machine = _fine_tuned(run, None if program == CLASSIFY else given_by_method)
    else:
        model, facts, machine = _baseline(study.folder, encoder, variant, seed)
    described = Description(
        study=study.params.name,
        encoder=encoder,
        variant=variant,
        seed=seed,
        labels=[name.removeprefix(PROBABILITY) for name in predictions if name.startswith(PROBABILITY)],
        text_columns=study.dataset.text_columns,
        strip_tags=study.dataset.strip_tags,
        separator=study.dataset.source.separator,
        quote=study.dataset.source.quote,
        header=study.dataset.source.header,
        units=study.dataset.units,
        seed_scores_sha256=sha256_of(paths.seed_scores(study.folder)),
        **facts,
    )
    kept_classifier.write(folder, described, model)
    _check(study.folder, KeptClassifier(folder, machine), predictions, file, trained)
    return described


def _fine_tuned(run: TrainingRun, given: Given | None) -> tuple[Model, dict[str, Any], Machine]:
    """The classifier of phase 3, what is to be said of it, and the machine that it was trained on."""
    done = train_best(run, given)
    trained = done.best.model
    restore_words(trained.encoder, done.words)
    head = [
        tuple(tensor.detach().cpu().numpy() for tensor in (layer.weight, layer.bias))
        for layer in trained.head.children()
    ]
    facts = {
        "features": FINE_TUNED,
        "max_tokens": done.tokenizer.max_length,
        "takes_first_piece": run.settings.encoder.cuts_long_texts,
        "head": done.best.settings,
    }
    return Model(head, trained.encoder, run.pretrained_folder), facts, run.machine


def _fitted(run: TrainingRun, params: Path) -> tuple[Model, dict[str, Any], Machine]:
    """As ``_fine_tuned`` for a classifier that a method fits; refuses one that is no linear layer on unit vectors."""
    encoder = run.load_start()
    tokenizer = run.tokenizer(encoder)
    fitted = fitted_by_method(run, encoder, tokenizer)
    if not isinstance(fitted, OfVectors):
        raise UserError(
            f"{params}: variants: {run.variant}: got a method whose classifier no folder keeps; expected one that "
            "phase 3 trains, or that is linear on the encoder's vectors"
        )
    facts = {
        "features": EMBEDDINGS,
        "max_tokens": tokenizer.max_length,
        "takes_first_piece": run.settings.encoder.cuts_long_texts,
        "head": None,
    }
    layers = [linear(fitted.model, run.classes)]
    return Model(layers, fitted.vectors.encoder, run.pretrained_folder), facts, run.machine


def _baseline(folder: Path, encoder: str, variant: str, seed: int) -> tuple[Model, dict[str, Any], Machine]:
    """As ``_fine_tuned`` for a baseline that learns from the texts."""
    settings = read_settings(BaselineSettings, folder, BASELINE, paths.cell_name(encoder, variant))
    vectors = baselines.embeddings(folder, settings) if encoder else None
    parts, classes = baselines.read_parts(folder, seed)
    features = baselines.features_of(variant, parts, vectors, settings.units)
    _, fitted = baselines.fit(variant, features, parts, classes, settings, seed)
    facts = {"features": WORDS, "max_tokens": None, "takes_first_piece": False, "head": None}
    layers = [linear(fitted, classes)]
    if encoder:
        of_encoder = paths.pretrained_encoder(folder, encoder)
        loaded = encoder_folder.load_pretrained(of_encoder, settings.encoder.pooling)
        facts |= {"features": EMBEDDINGS, "max_tokens": loaded.transformer.config.max_tokens}
        return Model(layers, loaded, of_encoder), facts, settings.machine
    vectorizer = baselines.new_vectorizer(settings.units).fit(parts["train"]["text"])
    return Model(layers, vectorizer=vectorizer), facts, CPU


def linear(model: Any, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Weight (classes, features) and bias (classes) whose softmax gives a baseline's probabilities.

    A class without a training row has the bias minus infinity, the probability 0.
    """
    if isinstance(model, baselines.NearestMean):
        # |x - mean|^2 less |x|^2, which all classes share.
        weight, bias = model.means_, -(model.means_**2).sum(axis=1) / 2
    else:
        weight, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:
            weight, bias = np.vstack([0 * weight, weight]), np.append(0, bias)
    columns = [classes.index(name) for name in model.classes_]
    all_weights, all_biases = np.zeros((len(classes), weight.shape[1])), np.full(len(classes), -np.inf)
    all_weights[columns], all_biases[columns] = weight, bias
    return all_weights, all_biases


def _check(folder: Path, kept: KeptClassifier, predictions: pd.DataFrame, file: Path, trained: bool) -> None:
    """Refuse a kept classifier whose probabilities are not those of the study's table of predictions.

    ``trained``: no baseline, which embeds the texts of all parts at once.
    """
    examples = read_table(paths.examples(folder)).set_index("example_id")["text"]
    if trained:
        # In the batches of the study: with bf16 the last digits depend on how far a batch is padded.
        groups = [rows["example_id"] for _, rows in predictions.groupby("split", sort=False)]
        ids = pd.concat(groups)
        found = np.concatenate([kept.probabilities(examples[group].tolist()) for group in groups])
    else:
        ids, found = examples.index, kept.probabilities(examples.tolist())
    found = pd.DataFrame(found, index=ids).loc[predictions["example_id"]].to_numpy()
    expected = predictions[[PROBABILITY + label for label in kept.described.labels]].to_numpy()
    difference = float(np.abs(found - expected).max())
    labels = np.array(kept.described.labels)[found.argmax(axis=1)]
    if difference > ROUNDING or (labels != predictions["predicted"]).any():
        raise UserError(
            f"{file}: the model made again differs by up to {difference:.1g} in a probability, expected the study's "
            "predictions; they are of another machine or code: run make repro here, then this command again"
        )
