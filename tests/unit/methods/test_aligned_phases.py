"""The alignment by hand; with no weight it is phase 2, and the translator's warm-up leaves the encoder alone."""

import numpy as np
import pandas as pd
import pytest
import torch
from method_run import LABELS, MACHINE, SCHEDULE, MethodRun, start_of
from tiny_encoder import TEXTS, make_bert

from threephase.base.errors import UserError
from threephase.data.randomness import generator
from threephase.methods import aligned_phases
from threephase.methods.aligned_phases import Settings, alignment_loss
from threephase.phases.contrastive import PairBatches, train_contrastive
from threephase.phases.pairs import make_pairs
from threephase.study.settings import CONTRASTIVE_LAYER, Contrastive, Schedule


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_bert(tmp_path_factory.mktemp("encoder"))


def trained(folder, **changes):
    encoder, tokenizer = start_of(folder, behind_phase_1=True)
    settings = Settings(**SCHEDULE | {"weight": 1.0, "translator_warmup": 0.25} | changes)
    optimization, texts = aligned_phases.train_encoder(MethodRun(settings), encoder, tokenizer, settings)
    return encoder.state_dict(), optimization, texts


def phase_2(folder):
    """What three_phase trains from the same start, with the same seed."""
    encoder, tokenizer = start_of(folder, behind_phase_1=True)
    MethodRun(Schedule(**SCHEDULE)).add_layer(encoder, CONTRASTIVE_LAYER)
    labels = pd.factorize(np.array(LABELS))[0][:, None]
    pairs = make_pairs(np.arange(len(TEXTS)), labels, SCHEDULE["epochs"], 2, generator(0, "pairs"))
    settings = Contrastive(**SCHEDULE)
    batches = PairBatches(list(TEXTS), pairs, settings, tokenizer, 0, "cpu")
    optimization = train_contrastive(encoder, batches, settings, MACHINE)
    return encoder.state_dict(), optimization, batches.sequence_updates


def test_the_alignment_is_one_less_the_cosine_whatever_the_lengths():
    translated, targets = torch.tensor([[3.0, 4], [0, 2], [1, 0]]), torch.tensor([[2.0, 0], [0, 1], [-5, 0]])
    # Cosines 0.6, 1 and -1.
    assert alignment_loss(translated, targets).item() == pytest.approx((0.4 + 0 + 2) / 3)


def test_without_weight_the_encoder_is_that_of_phase_2(folder):
    (encoder, optimization, texts), (expected, plain, plain_texts) = trained(folder, weight=0.0), phase_2(folder)
    assert encoder.keys() == expected.keys() and f"added.{CONTRASTIVE_LAYER}.weight" in encoder
    assert all(torch.equal(encoder[name], expected[name]) for name in expected)
    assert (optimization.steps, texts) == (plain.steps, plain_texts)


def test_the_alignment_reaches_the_encoder_but_in_the_translators_warm_up(folder):
    # In the warm-up of all updates the encoder has the pairs' gradient alone; clipped together it would be another one.
    alone, _, _ = trained(folder, translator_warmup=1.0, clip_gradient=None)
    pairs_alone, _, _ = trained(folder, weight=0.0, clip_gradient=None)
    aligned, optimization, _ = trained(folder, clip_gradient=None)
    assert all(torch.equal(alone[name], pairs_alone[name]) for name in alone)
    assert not all(torch.equal(aligned[name], pairs_alone[name]) for name in aligned)
    assert len(optimization.history) == optimization.steps > 1


def test_training_finds_the_vectors_of_phase_1_in_the_new_ones(folder):
    # At this weight the loss is the alignment's, but for a thousandth.
    losses = trained(folder, weight=1e3, epochs=20, translator_warmup=0.1)[1].history_table()["loss"]
    assert losses.tail(5).mean() < 0.9 * losses.head(5).mean()


def test_an_entry_that_does_not_read_pairs_is_refused(folder):
    settings = Settings(**SCHEDULE, weight=1.0, translator_warmup=0.0)
    run = MethodRun(settings)
    run.settings.pairs = None
    with pytest.raises(UserError) as refused:
        aligned_phases.train_encoder(run, *start_of(folder), settings)
    said = "shared.yaml: methods.toy.reads: 'pairs' is missing, which the method's file uses; expected it in the list"
    assert str(refused.value) == said
