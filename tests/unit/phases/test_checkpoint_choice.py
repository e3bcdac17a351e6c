"""Checkpoints of an encoder during phases 1 and 2: when, what the score is, and which weights are kept."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score
from tiny_encoder import TEXTS, make_bert, tiny_contrastive

from threephase.model.embedding import embed
from threephase.model.encoder_folder import load_pretrained
from threephase.model.tokens import TextTokenizer
from threephase.phases.checkpoint_choice import BestCheckpoint, PairScore
from threephase.phases.optimization import Optimization
from threephase.study.settings import Machine

MACHINE = Machine("cpu", "fp32", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def encoder(folder):
    return load_pretrained(folder, "mean")


def score_of(folder, encoder, labels):
    tokenizer = TextTokenizer(folder, encoder.transformer.config, 32)
    texts = [f"{text} {number}" for number in range(5) for text in TEXTS]
    return PairScore(texts, np.resize(labels, len(texts))[:, None], tokenizer, MACHINE, np.random.default_rng(0))


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2, 3]])
def test_the_score_is_that_of_a_fifth_of_the_rows(folder, encoder, labels):
    score = score_of(folder, encoder, labels)
    assert len(score.sequences) == 8 and len(score.pairs) > 0
    vectors = embed(encoder, score.sequences, score.tokenizer, MACHINE).numpy().astype(float)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (unit[score.pairs.left] * unit[score.pairs.right]).sum(axis=1)
    if len(labels) == 2:
        expected = average_precision_score(score.pairs.similarity == 1, cosines)
    else:
        expected = spearmanr(score.pairs.similarity, cosines).statistic
    assert score(encoder) == pytest.approx(expected, abs=1e-4)


def after_steps(choice, encoder, steps, then=lambda step: None):
    """Ask for the checkpoint behind each of so many steps of an optimization of the encoder."""
    optimization = Optimization("a test", [encoder], tiny_contrastive(), steps)
    for optimization.steps in range(1, steps + 1):
        then(optimization.steps)
        choice.after(optimization)
    return optimization


def test_the_best_weights_are_kept(encoder):
    values = iter([0.2, 0.9, 0.5])
    choice = BestCheckpoint(encoder, lambda _: next(values), 3, 10)
    weight = encoder.transformer.embeddings.LayerNorm.bias

    def fill(step):
        with torch.no_grad():
            weight.fill_(step)

    optimization = after_steps(choice, encoder, 10, fill)
    # Checkpoints behind updates 4, 7 and 10.
    assert choice.steps == {4, 7, 10} and choice.best_step == 7
    assert encoder.training
    optimization.end()
    assert (weight == 7).all()


def test_a_score_that_is_none_loses_against_any(encoder):
    values = iter([float("nan"), -0.5, -0.7])
    choice = BestCheckpoint(encoder, lambda _: next(values), 3, 3)
    after_steps(choice, encoder, 3)
    assert choice.best_step == 2


def test_the_last_update_is_a_checkpoint_however_few_there_are(encoder):
    choice = BestCheckpoint(encoder, lambda _: 0.5, 5, 2)
    assert choice.steps == {1, 2}
