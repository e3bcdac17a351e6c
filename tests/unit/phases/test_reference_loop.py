"""Fifty updates of each phase against a plain loop on Hugging Face's model with torch's unfused AdamW, loss by loss."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_loop import PlainUpdates, mean_vectors, reconstruction_loss, tied_decoder, without_dropout
from tiny_decoder import new_decoder
from tiny_encoder import make_bert, tiny_classifying, tiny_contrastive, tiny_denoising
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.data.randomness import generator, torch_generator
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import keep_words
from threephase.model.models import ClassifierHead
from threephase.model.tokens import TextTokenizer, length_buckets
from threephase.phases.classifier import Classifier, Rows, train_classifier
from threephase.phases.contrastive import PairBatches, train_contrastive
from threephase.phases.denoising import DenoisingBatches, train_denoising
from threephase.phases.pairs import make_pairs
from threephase.study.settings import CONTRASTIVE_LAYER, Machine

UPDATES, SEED, BATCH, RATE, EPS, CLIP = 50, 0, 8, 2e-4, 1e-6, 1.0
THINGS = ("apple plum cherry grape", "iron copper silver steel", "violin drum flute harp")
ROWS = [(f"the {a} and a {b} {'of kings' * (a < b)}", i) for i, words in enumerate(THINGS)
        for a in words.split() for b in words.split()]  # fmt: skip
TEXTS, CLASSES = [text for text, _ in ROWS], np.array([number for _, number in ROWS])
# bf16 autocast rounds where the plain loop does not: a hundred times as much and more.
PRECISIONS = [("fp32", 1e-5), ("bf16", 2e-2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_bert(tmp_path_factory.mktemp("encoder"), TEXTS)


def encoder_and_tokenizer(folder: Path):
    encoder = without_dropout(load_pretrained(folder, "mean"))
    return encoder, TextTokenizer(folder, encoder.transformer.config, 32)


def plain_losses(losses: Iterator[Tensor], modules: list[nn.Module], total: int, warmup: float, decay: float = 0.0):
    """The losses of a loop that nobody has made fast; each is computed behind the update before it."""
    update = PlainUpdates(modules, RATE, EPS, total, warmup, decay, CLIP)
    return [update(loss) for loss in losses]


def losses_of(optimization) -> list[float]:
    return [line["loss"] for line in optimization.history]


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
def test_contrastive_learning(folder, precision, tolerance):
    from transformers import AutoModel

    encoder, tokenizer = encoder_and_tokenizer(folder)
    encoder.add_layer(CONTRASTIVE_LAYER, torch_generator(SEED, "layer"))
    theirs = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    layer = nn.Linear(encoder.hidden_size, encoder.hidden_size)
    layer.load_state_dict(encoder.added[CONTRASTIVE_LAYER].state_dict())
    pairs = make_pairs(np.arange(len(TEXTS)), CLASSES[:, None], 20, 3, generator(SEED, "pairs"))[: UPDATES * BATCH]
    settings = tiny_contrastive(batch_size=BATCH, lr=RATE, adam_eps=EPS)

    def batches() -> PairBatches:
        return PairBatches(TEXTS, pairs, settings, tokenizer, SEED, "cpu")

    def losses() -> Iterator[Tensor]:
        for ids, mask, left, right, similarity in batches():
            sides = [layer(mean_vectors(theirs, ids, mask))[side] for side in (left, right)]
            yield (F.cosine_similarity(*sides) - similarity).pow(2).mean()

    ours = losses_of(train_contrastive(encoder, batches(), settings, Machine("cpu", precision, 1)))
    expected = plain_losses(losses(), [theirs, layer], UPDATES, settings.warmup)
    assert len(ours) == UPDATES and ours == pytest.approx(expected, abs=tolerance)
    assert abs(expected[-1] - expected[0]) > 1e-3


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
def test_denoising(folder, precision, tolerance):
    from transformers import AutoModel

    encoder, tokenizer = encoder_and_tokenizer(folder)
    decoder = without_dropout(new_decoder(encoder))
    reader = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    writer = tied_decoder(folder, reader, decoder)
    settings = tiny_denoising(batch_size=BATCH, lr=RATE, adam_eps=EPS, epochs=-(-UPDATES * BATCH // len(TEXTS)))

    def batches() -> DenoisingBatches:
        return DenoisingBatches(TEXTS, settings, tokenizer, SEED, "cpu")

    def losses() -> Iterator[Tensor]:
        for noised, (ids, mask) in batches():
            yield reconstruction_loss(writer, mean_vectors(reader, *noised), ids, mask)

    total, machine = len(batches()), Machine("cpu", precision, 1)
    ours = losses_of(train_denoising(encoder, decoder, batches(), settings, machine))
    expected = plain_losses(losses(), [reader, writer], total, settings.warmup)
    assert len(ours) == total >= UPDATES and ours == pytest.approx(expected, abs=tolerance)
    assert expected[0] - expected[-1] > 0.1


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
def test_fine_tuning(folder, precision, tolerance):
    from transformers import AutoModel

    encoder, tokenizer = encoder_and_tokenizer(folder)
    no_dropout = tiny_classifying(head_hidden_size=20, head_dropout=0.0)
    head = ClassifierHead(encoder.hidden_size, 3, no_dropout, torch_generator(SEED, "head"))
    theirs = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    plain = nn.Sequential(nn.Linear(encoder.hidden_size, 20), nn.ReLU(), nn.Linear(20, 3))
    plain[0].load_state_dict(head.hidden.state_dict())
    plain[2].load_state_dict(head.output.state_dict())
    sequences, targets = tokenizer(TEXTS), torch.from_numpy(CLASSES)
    keep_words(encoder, sequences)
    rows = Rows(sequences, targets)
    epochs = -(-UPDATES * BATCH // len(TEXTS))
    settings = tiny_classifying(
        lr=RATE, max_epochs=epochs, batch_size=BATCH, adam_eps=EPS, patience=100, selection_metric="accuracy"
    )
    machine = Machine("cpu", precision, 1)
    model = Classifier(encoder, head, frozen=False)
    trained = train_classifier(model, rows, rows, tokenizer, settings, machine, SEED)

    def losses() -> Iterator[Tensor]:
        random = generator(SEED, "batch order classifier")
        for _ in range(epochs):
            order = random.permutation(len(TEXTS))
            for batch in length_buckets(order, rows.lengths, BATCH, random):
                ids, mask = tokenizer.pad([sequences[i] for i in batch], "cpu")
                yield F.cross_entropy(plain(mean_vectors(theirs, ids, mask)), targets[batch])

    ours, total = losses_of(trained.optimization), epochs * -(-len(TEXTS) // BATCH)
    expected = plain_losses(losses(), [theirs, plain], total, settings.warmup, settings.weight_decay)
    assert len(ours) == total >= UPDATES and ours == pytest.approx(expected, abs=tolerance)
    assert expected[0] - expected[-1] > 0.005
