"""A batch in pieces: the gradient of the whole, and smaller pieces where a step finds no memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference_loop import without_dropout
from test_reference_loop import CLASSES, SEED, TEXTS, encoder_and_tokenizer
from tiny_decoder import new_decoder
from tiny_encoder import make_bert, tiny_classifying, tiny_contrastive, tiny_denoising

from threephase.base.errors import UserError
from threephase.data.randomness import generator, torch_generator
from threephase.model.models import ClassifierHead
from threephase.phases.classifier import Classifier, Rows, batch_losses
from threephase.phases.contrastive import PairBatches, pair_losses
from threephase.phases.denoising import DenoisingBatches, reconstruction_losses
from threephase.phases.optimization import MOST_PIECES, Optimization, slices
from threephase.phases.pairs import make_pairs
from threephase.study.settings import Machine

MACHINE = Machine("cpu", "fp32", 1)
DENOISING, CONTRASTIVE = tiny_denoising(batch_size=16), tiny_contrastive(batch_size=16)
# The most pieces are more than the batch has rows.
PIECES = (2, 3, 16, 64)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return encoder_and_tokenizer(make_bert(tmp_path_factory.mktemp("encoder"), TEXTS))


@given(st.integers(1, 200), st.integers(1, 300))
def test_slices_cover_all_rows_once_and_are_of_nearly_one_size(rows, pieces):
    parts = [np.arange(rows)[piece] for piece in slices(rows, pieces)]
    assert np.concatenate(parts).tolist() == list(range(rows)) and len(parts) == min(rows, pieces)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def losses_of_phase(phase, encoder, tokenizer):
    """The modules of a phase, and the losses of one batch as a function of the pieces."""
    if phase == "dae":
        decoder = without_dropout(new_decoder(encoder))
        batch = next(iter(DenoisingBatches(TEXTS, DENOISING, tokenizer, SEED, "cpu")))
        return [encoder, decoder], lambda pieces: reconstruction_losses(encoder, decoder, batch, MACHINE, pieces)
    if phase == "contrastive":
        pairs = make_pairs(np.arange(len(TEXTS)), CLASSES[:, None], 5, 3, generator(SEED, "pairs"))
        batch = next(iter(PairBatches(TEXTS, pairs, CONTRASTIVE, tokenizer, SEED, "cpu")))
        return [encoder], lambda pieces: pair_losses(encoder, batch, MACHINE, pieces)
    head = ClassifierHead(
        encoder.hidden_size, 3, tiny_classifying(head_hidden_size=20, head_dropout=0.0), torch_generator(SEED, "head")
    )
    model, rows = Classifier(encoder, head, frozen=False), Rows(tokenizer(TEXTS), torch.from_numpy(CLASSES))
    return [model], lambda pieces: batch_losses(model, rows, np.arange(16), tokenizer, MACHINE, pieces)


@pytest.mark.parametrize("phase", ["dae", "contrastive", "classifier"])
def test_the_gradient_is_that_of_the_whole_batch(encoder, phase):
    modules, losses = losses_of_phase(phase, *encoder)
    weights = [weight for module in modules for weight in module.parameters()]

    def gradient(pieces: int) -> tuple[float, torch.Tensor]:
        value = 0.0
        for loss in losses(pieces):
            loss.backward()
            value += loss.item()
        whole = torch.cat([weight.grad.flatten().clone() for weight in weights if weight.grad is not None])
        for weight in weights:
            weight.grad = None
        return value, whole

    value, whole = gradient(1)
    assert whole.norm() > 1e-3
    for pieces in PIECES:
        loss, parts = gradient(pieces)
        assert loss == pytest.approx(value, abs=1e-6)
        assert (parts - whole).norm() < 1e-4 * whole.norm()


def squares(module, fits):
    """Losses whose sum is the mean square of eight rows; too many rows at a time find no memory."""
    rows = torch.arange(8.0)[:, None]

    def losses(pieces: int):
        for piece in slices(len(rows), pieces):
            if len(rows[piece]) > fits:
                raise torch.OutOfMemoryError("out of memory")
            yield module(rows[piece]).square().sum() / len(rows)

    return losses


def new_optimization():
    module = torch.nn.Linear(1, 1)
    torch.nn.init.ones_(module.weight)
    return module, Optimization("train_test", [module], tiny_contrastive(lr=0.1, adam_eps=1e-8, warmup=0.0), 4)


@pytest.mark.parametrize(("fits", "pieces"), [(8, 1), (4, 2), (3, 4), (1, 8)])
def test_a_step_without_memory_is_tried_again_in_smaller_pieces(fits, pieces):
    results = []
    for rows_at_a_time in (8, fits):
        torch.manual_seed(0)
        module, optimization = new_optimization()
        for _ in range(3):
            loss = optimization.backward(squares(module, rows_at_a_time))
            optimization.log(loss, optimization.step())
        results.append([line["loss"] for line in optimization.history] + [module.weight.item(), module.bias.item()])
    assert results[1] == pytest.approx(results[0], rel=1e-6)
    assert optimization.pieces == pieces and optimization.steps == 3


def test_what_never_fits_ends_in_one_line():
    module, optimization = new_optimization()
    with pytest.raises(UserError, match="train_test: step 1: got no memory for a single row, expected enough; lower"):
        optimization.backward(squares(module, 0))
    assert optimization.pieces == MOST_PIECES and optimization.steps == 0
