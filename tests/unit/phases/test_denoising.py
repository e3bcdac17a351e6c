"""Phase 1: noise drawn anew, padding left out of the loss, and what is learnt."""

import math
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from tiny_encoder import TEXTS, make_bert, make_roberta, tiny_denoising

from threephase.data.randomness import torch_generator
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import seed_dropout
from threephase.model.models import DenoisingDecoder, SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.denoising import DenoisingBatches, reconstruction_loss, train_denoising
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Machine

MACHINE = Machine("cpu", "fp32", 1)


@pytest.fixture(scope="module", params=[make_bert, make_roberta], ids=["bert", "roberta"])
def folder(request, tmp_path_factory) -> Path:
    return request.param(tmp_path_factory.mktemp("encoder"))


def new_models(folder: Path, *layers: str) -> tuple[SentenceEncoder, DenoisingDecoder, TextTokenizer]:
    encoder = load_pretrained(folder, "mean")
    decoder = DenoisingDecoder(encoder.transformer.config, torch_generator(0, "initial decoder"))
    for layer in layers or (BOTTLENECK,):
        encoder.add_layer(layer, torch_generator(0, f"initial {layer}"))
    return encoder, decoder, TextTokenizer(folder, encoder.transformer.config, 32)


def batches_of(tokenizer: TextTokenizer, seed: int = 0, **changes) -> DenoisingBatches:
    return DenoisingBatches(list(TEXTS), tiny_denoising(**changes), tokenizer, seed, "cpu")


def rows_of(batches: DenoisingBatches) -> list[tuple[tuple, tuple]]:
    """(noised, undamaged) tokens of every example of one pass, without padding."""

    def tokens(ids, mask):
        return [tuple(row if mask is None else row[mask[i]]) for i, row in enumerate(ids.numpy())]

    return [pair for noised, whole in batches for pair in zip(tokens(*noised), tokens(*whole), strict=True)]


def is_part_of(part: tuple, whole: tuple) -> bool:
    """``part`` has tokens of ``whole`` in their order."""
    rest = iter(whole)
    return all(token in rest for token in part)


def test_every_copy_of_a_text_gets_noise_of_its_own(folder):
    tokenizer = new_models(folder)[2]
    batches = batches_of(tokenizer, epochs=6, deletion_ratio=0.5)
    noised_copies = defaultdict(list)
    for noised, whole in rows_of(batches):
        assert len(noised) >= 3 and noised[0] == whole[0] and noised[-1] == whole[-1]
        noised_copies[whole].append(noised)
    wholes = {tuple(tokens) for tokens in tokenizer(TEXTS)}
    assert set(noised_copies) == wholes and {len(copies) for copies in noised_copies.values()} == {6}
    assert sum(len(set(copies)) for copies in noised_copies.values()) > 5 * len(TEXTS)


def test_noise_deletes_words_and_changes_no_other(tmp_path):
    # Its tokenizer knows these words whole, so deleting words deletes tokens.
    tokenizer = new_models(make_bert(tmp_path))[2]
    rows = rows_of(batches_of(tokenizer, epochs=50, deletion_ratio=0.6))
    assert all(is_part_of(noised, whole) for noised, whole in rows)
    kept = sum(len(noised) - 2 for noised, _ in rows) / sum(len(whole) - 2 for _, whole in rows)
    assert kept == pytest.approx(0.4, abs=0.03)


def test_no_noise_leaves_the_texts_as_they_are(folder):
    tokenizer = new_models(folder)[2]
    assert all(noised == whole for noised, whole in rows_of(batches_of(tokenizer, deletion_ratio=0.0)))


def test_a_cut_text_is_counted_once_however_often_it_is_noised(folder):
    tokenizer = new_models(folder)[2]
    texts = [*TEXTS, "silver " * 100, "iron " * 100]
    short = sum(len(tokens) < tokenizer.max_length for tokens in tokenizer(TEXTS))
    batches = DenoisingBatches(texts, tiny_denoising(epochs=5, deletion_ratio=0.1), tokenizer, 0, "cpu")
    assert max(len(noised) for noised, _ in rows_of(batches)) == tokenizer.max_length
    assert short == len(TEXTS) and tokenizer.truncated == 2


def test_every_pass_and_every_seed_has_its_own_noise_and_order(folder):
    tokenizer = new_models(folder)[2]
    batches = batches_of(tokenizer)
    first = rows_of(batches)
    assert len(batches) == math.ceil(2 * len(TEXTS) / 4) and batches.examples == len(first)
    assert rows_of(batches_of(tokenizer)) == first
    second, other = rows_of(batches), rows_of(batches_of(tokenizer, seed=1))
    for rows in (second, other):
        assert [whole for _, whole in rows] != [whole for _, whole in first]
        assert {noised for noised, _ in rows} != {noised for noised, _ in first}


def padded(batch: tuple[torch.Tensor, torch.Tensor | None], columns: int, token: int) -> tuple:
    """The batch with ``columns`` more of padding."""
    ids, mask = batch
    mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
    more = torch.full((len(ids), columns), token)
    return torch.cat([ids, more], 1), torch.cat([mask, torch.zeros_like(more, dtype=torch.bool)], 1)


def test_padding_changes_neither_loss_nor_gradient(folder):
    encoder, decoder, tokenizer = new_models(folder)
    encoder.eval()
    decoder.eval()
    noised, whole = next(iter(batches_of(tokenizer)))
    results = []
    for columns in (0, 5):
        # Any token may stand there: it is the mask that says what is padding.
        inputs = [padded(batch, columns, 7) if columns else batch for batch in (noised, whole)]
        loss = reconstruction_loss(encoder, decoder, *inputs, MACHINE)
        loss.backward()
        results.append((loss.item(), encoder.transformer.embeddings.word_embeddings.weight.grad.clone()))
        encoder.zero_grad()
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-5)
    torch.testing.assert_close(results[0][1], results[1][1], atol=1e-5, rtol=0)


def test_the_loss_is_the_mean_over_all_tokens_of_the_batch(folder):
    encoder, decoder, tokenizer = new_models(folder)
    encoder.eval()
    decoder.eval()
    noised, whole = next(iter(batches_of(tokenizer, batch_size=16)))
    with torch.no_grad():
        together = reconstruction_loss(encoder, decoder, noised, whole, MACHINE).item()
        total = tokens = 0
        for i in range(len(whole[0])):
            single = [
                (ids[i : i + 1, : mask[i].sum()], None) if mask is not None else (ids[i : i + 1], None)
                for ids, mask in (noised, whole)
            ]
            predicted = single[1][0].shape[1] - 1
            total += reconstruction_loss(encoder, decoder, *single, MACHINE).item() * predicted
            tokens += predicted
    assert together == pytest.approx(total / tokens, abs=1e-4)


def test_the_loss_looks_at_the_bottleneck_and_no_later_layer(folder):
    encoder, decoder, tokenizer = new_models(folder, BOTTLENECK, CONTRASTIVE_LAYER)
    reconstruction_loss(encoder, decoder, *next(iter(batches_of(tokenizer))), MACHINE).backward()
    assert encoder.added[BOTTLENECK].weight.grad.abs().max() > 0
    assert encoder.added[CONTRASTIVE_LAYER].weight.grad is None
    assert all(weight.grad is not None for weight in decoder.parameters())


def trained(folder: Path, seed: int = 0, epochs: int = 150):
    encoder, decoder, tokenizer = new_models(folder)
    seed_dropout(seed, "dropout encoder")
    settings = tiny_denoising(epochs=epochs, batch_size=8, deletion_ratio=0.3, lr=5e-3)
    batches = DenoisingBatches(list(TEXTS), settings, tokenizer, seed, "cpu")
    updates = train_denoising(encoder, decoder, batches, settings, MACHINE)
    return encoder, decoder, updates.history_table()


def test_the_loss_falls_on_a_small_set(folder):
    before, _, tokenizer = new_models(folder)
    encoder, decoder, history = trained(folder)
    losses = history["loss"]
    assert losses.iloc[-5:].mean() < 0.2 * losses.iloc[:5].mean()
    rates = history["learning_rate"]
    assert len(history) == 150 and rates.idxmax() == 75 and rates.max() == 5e-3
    # The first word can be known from the sentence vector only: with another text's vector it is not.
    encoder.eval()
    decoder.eval()
    ids, _ = whole = tokenizer.pad(tokenizer(TEXTS), "cpu")
    other = tokenizer.pad(tokenizer([*TEXTS[1:], TEXTS[0]]), "cpu")
    with torch.no_grad():
        own, others = (
            reconstruction_loss(encoder, decoder, seen, (ids[:, :2], None), MACHINE).item() for seen in (whole, other)
        )
    assert own < others - 0.5
    names = dict(before.named_parameters())
    assert all(not torch.equal(weight, names[name]) for name, weight in encoder.named_parameters() if "query" in name)
    assert not torch.equal(encoder.added[BOTTLENECK].weight, names["added.bottleneck.weight"])


def test_the_same_seed_gives_the_same_bytes(folder):
    weights = [
        [
            weight.detach().numpy().tobytes()
            for model in trained(folder, seed, epochs=4)[:2]
            for weight in model.parameters()
        ]
        for seed in (1, 1, 2)
    ]
    assert weights[0] == weights[1] != weights[2]
