"""Phase 2: batches in which each text stands once, the pair loss, and what is learnt."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_project import OF_TESTS, REPOSITORY
from tiny_encoder import TEXTS, make_bert, tiny_contrastive
from torch.nn import functional as F

from threephase.base import paths
from threephase.base.files import write_table
from threephase.data.randomness import generator, torch_generator
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import seed_dropout
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import PairBatches, draw_pairs, pair_loss, train_contrastive, without_held_back
from threephase.phases.pairs import Pairs, make_pairs
from threephase.phases.training_run import TrainingRun
from threephase.study.read_params import load_study
from threephase.study.resolve import training_settings
from threephase.study.settings import CONTRASTIVE_LAYER, Machine
from threephase.study.topology import trainings

MACHINE = Machine("cpu", "fp32", 1)
# As after resampling: two texts stand more than once.
ROWS = [*TEXTS, TEXTS[0], TEXTS[0], TEXTS[5]]
CLASSES = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1])[:, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_bert(tmp_path_factory.mktemp("encoder"))


def new_encoder(folder: Path) -> tuple[SentenceEncoder, TextTokenizer]:
    encoder = load_pretrained(folder, "mean")
    encoder.add_layer(CONTRASTIVE_LAYER, torch_generator(0, "initial contrastive_layer"))
    return encoder, TextTokenizer(folder, encoder.transformer.config, 32)


def pairs_of(repetitions: int = 3) -> Pairs:
    text_ids, _ = pd.factorize(np.array(ROWS, dtype=object))
    return make_pairs(text_ids, CLASSES, repetitions, 2, generator(0, "pairs"))


def batches_of(tokenizer: TextTokenizer, pairs: Pairs, seed: int = 0, **changes) -> PairBatches:
    return PairBatches(ROWS, pairs, tiny_contrastive(**changes), tokenizer, seed, "cpu")


def texts_in(tokenizer: TextTokenizer, ids: torch.Tensor, mask: torch.Tensor | None) -> list[str]:
    """The texts of a batch, found by their tokens."""
    known = {tuple(tokens): text for text, tokens in zip(TEXTS, tokenizer(TEXTS), strict=True)}
    mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
    return [known[tuple(row[keep].tolist())] for row, keep in zip(ids, mask, strict=True)]


def test_a_batch_holds_each_distinct_text_once_and_the_right_pairs(folder):
    _, tokenizer = new_encoder(folder)
    pairs = pairs_of()
    batches = batches_of(tokenizer, pairs, batch_size=8)
    seen, encoded, sizes = [], 0, []
    for ids, mask, left, right, similarity in batches:
        texts = texts_in(tokenizer, ids, mask)
        assert len(set(texts)) == len(texts)
        assert set(left.tolist()) | set(right.tolist()) == set(range(len(texts)))
        encoded += len(texts)
        sizes.append(len(left))
        seen += [
            (texts[a], texts[b], s) for a, b, s in zip(left.tolist(), right.tolist(), similarity.tolist(), strict=True)
        ]
    expected = [(ROWS[a], ROWS[b], float(s)) for a, b, s in zip(pairs.left, pairs.right, pairs.similarity, strict=True)]
    assert sorted(seen) == sorted(expected)
    assert len(sizes) == len(batches) == math.ceil(len(pairs) / 8) > 1
    assert batches.sequence_updates == encoded < 2 * len(pairs)


def test_every_pass_and_every_seed_has_its_own_order(folder):
    _, tokenizer = new_encoder(folder)

    def order(batches):
        return [texts_in(tokenizer, ids, mask) for ids, mask, *_ in batches]

    batches = batches_of(tokenizer, pairs_of(), batch_size=2)
    first = order(batches)
    assert order(batches_of(tokenizer, pairs_of(), batch_size=2)) == first
    assert order(batches) != first
    assert order(batches_of(tokenizer, pairs_of(), seed=1, batch_size=2)) != first


def test_pair_loss_equals_the_plain_computation_pair_by_pair(folder):
    encoder, tokenizer = new_encoder(folder)
    encoder.eval()
    pairs = pairs_of()
    batch = next(iter(batches_of(tokenizer, pairs, batch_size=len(pairs))))
    with torch.no_grad():
        loss = pair_loss(encoder, batch, MACHINE)
        vectors = {text: encoder(*tokenizer.pad(tokenizer([text]), "cpu"))[0] for text in TEXTS}
        errors = [
            (F.cosine_similarity(vectors[ROWS[a]], vectors[ROWS[b]], dim=0) - s) ** 2
            for a, b, s in zip(pairs.left, pairs.right, pairs.similarity, strict=True)
        ]
    assert loss.item() == pytest.approx(torch.stack(errors).mean().item(), abs=1e-5)


def trained(folder: Path, seed: int = 0) -> tuple[SentenceEncoder, TextTokenizer, pd.DataFrame]:
    encoder, tokenizer = new_encoder(folder)
    seed_dropout(seed, "dropout encoder")
    pairs = pairs_of()
    many = pairs[np.tile(np.arange(len(pairs)), 12)]
    settings = tiny_contrastive()
    batches = batches_of(tokenizer, many, seed)
    updates = train_contrastive(encoder, batches, settings, MACHINE)
    return encoder, tokenizer, updates.history_table()


def test_training_brings_texts_of_a_class_together(folder):
    before, tokenizer = new_encoder(folder)
    after, _, history = trained(folder)

    @torch.no_grad()
    def gap(encoder: SentenceEncoder) -> float:
        """How much more alike texts of the same class are than texts of different classes."""
        vectors = F.normalize(encoder.eval()(*tokenizer.pad(tokenizer(TEXTS), "cpu")))
        cosines, same = vectors @ vectors.T, torch.eye(2).repeat_interleave(4, 0).repeat_interleave(4, 1).bool()
        return (cosines[same & ~torch.eye(8, dtype=torch.bool)].mean() - cosines[~same].mean()).item()

    assert history["loss"].iloc[-10:].mean() < 0.5 * history["loss"].iloc[:10].mean()
    assert gap(after) > gap(before) + 0.5
    assert len(history) == math.ceil(12 * len(pairs_of()) / 4)
    rates = history["learning_rate"]
    assert rates.max() == tiny_contrastive().lr and rates.idxmax() == math.ceil(len(history) / 3)


def test_the_same_seed_gives_the_same_bytes(folder):
    weights = [
        [weight.detach().numpy().tobytes() for weight in trained(folder, seed)[0].parameters()] for seed in (1, 1, 2)
    ]
    assert weights[0] == weights[1] != weights[2]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The default study with its rows in a folder of their own; ``none`` has fewer of them."""
    monkeypatch.chdir(REPOSITORY)
    study = load_study()
    study = dataclasses.replace(study, params=dataclasses.replace(study.params, variants=OF_TESTS["variants"]))
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame(
        {"text": [f"text {i}" for i in range(60)], "label": ["a", "b", "c"] * 20, "example_id": range(60)}
    )
    write_table(paths.examples(Path()), rows.assign(split="train"))
    split = pd.DataFrame({"example_id": range(60), "part": "train", "adapts": True})
    write_table(paths.splits(Path(), 0) / "split.parquet", split)
    shortened = rows.iloc[:4].assign(text=[f"{i}" for i in range(4)])
    for setting, chosen in (("normal", rows), ("extra", rows), ("none", rows.iloc[:30])):
        resampled = pd.concat(
            [chosen.assign(stop_words_deleted=False), shortened.assign(stop_words_deleted=True)], ignore_index=True
        )
        write_table(paths.splits(Path(), 0) / f"contrastive_{setting}.parquet", resampled)
    return study


def run_of(study, variant, epochs=2):
    """The training that draws a variant's pairs, for so many epochs."""
    hyperparameters = dataclasses.replace(study.params.hyperparameters["minilm_l6"], epochs_contrastive=epochs)
    params = dataclasses.replace(study.params, hyperparameters={"minilm_l6": hyperparameters})
    (training,) = (
        training for training in trainings(study) if (training.variant, training.phase) == (variant, "encoder")
    )
    settings = training_settings(dataclasses.replace(study, params=params), training, MACHINE)
    return TrainingRun(study.folder, training.program, training.encoder, variant, 0, training.phase, settings)


def drawn(study, variant, epochs=2):
    run = run_of(study, variant, epochs)
    return draw_pairs(run, run.settings.pairs.imbalance, None)


def test_pairs_of_a_variant_are_drawn_from_its_rows_with_the_seed(study):
    rows, pairs = drawn(study, "three_phase")
    assert len(rows) == 64
    again = [drawn(study, variant)[1] for variant in ("cl_ft", "joint", "extra_imbalance")]
    # Where the imbalance setting changes no row, the variants train on the same pairs.
    assert all(np.array_equal(other.left, pairs.left) for other in again)
    assert all(np.array_equal(other.right, pairs.right) for other in again)
    labels = rows["label"].to_numpy()
    assert np.array_equal(pairs.similarity, labels[pairs.left] == labels[pairs.right])


def test_the_control_has_as_many_pairs_as_the_variant_that_it_is_compared_with(study):
    _, pairs = drawn(study, "three_phase")
    rows, without = drawn(study, "no_imbalance")
    run = run_of(study, "no_imbalance_equal_updates")
    same_rows, control = draw_pairs(run, run.settings.pairs.imbalance, None)
    assert len(rows) == len(same_rows) == 34
    assert len(without) < len(control) == len(pairs)
    assert 2 * (control.similarity > 0).sum() == len(control)
    assert len({frozenset(pair) for pair in zip(control.left, control.right, strict=True)}) == len(control)
    # Every file of rows that was read is named in the report.
    assert [file.name for file in run.inputs[-2:]] == ["contrastive_none.parquet", "contrastive_normal.parquet"]


def test_more_epochs_give_more_pairs(study):
    counts = [len(drawn(study, "three_phase", epochs)[1]) for epochs in (1, 2, 4)]
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize(("switch", "lengths", "rows"), [
    ("enlarged_classes", ["short"], 64), ("matching_lengths", ["short"], 60), ("matching_lengths", ["medium"], 64),
])  # fmt: skip
def test_stopword_copies_take_part_where_the_protocol_wants_them(study, switch, lengths, rows):
    encoder = study.shared.encoders["minilm_l6"]
    shared = dataclasses.replace(
        study.shared,
        protocols={"described": dataclasses.replace(study.protocol, stopword_copies=switch)},
        encoders={"minilm_l6": dataclasses.replace(encoder, text_lengths=lengths)},
    )
    dataset = dataclasses.replace(study.dataset, text_lengths=["short", "medium"])
    assert len(drawn(dataclasses.replace(study, shared=shared, dataset=dataset), "three_phase")[0]) == rows


@pytest.mark.parametrize(("pairs", "kept"), [(100, 90), (12, 11), (4, 4)])
def test_a_tenth_of_the_pairs_is_held_back(pairs, kept):
    whole = pairs_of()[np.arange(pairs) % len(pairs_of())]
    left = without_held_back(whole)
    assert len(left) == kept and np.array_equal(left.left, whole.left[:kept])


def test_few_pairs_are_passed_over_again_in_new_orders(folder):
    _, tokenizer = new_encoder(folder)
    pairs = pairs_of()
    once, again = (list(batches_of(tokenizer, pairs, batch_size=8, min_updates=least)) for least in (None, 7))
    updates = math.ceil(len(pairs) / 8)
    assert len(once) == updates < 7 and len(again) == math.ceil(7 / updates) * updates
    # The first pass is that of a training without it; the next ones have the same pairs in another order.
    assert all(
        torch.equal(a, b)
        for first, second in zip(once, again, strict=False)
        for a, b in zip(first, second, strict=True)
        if a is not None
    )
    passes = [
        torch.cat([batch[4] for batch in again[start : start + updates]]) for start in range(0, len(again), updates)
    ]
    assert all(torch.equal(each.sort().values, passes[0].sort().values) for each in passes)
    assert not torch.equal(passes[0], passes[1])
    assert len(batches_of(tokenizer, pairs, batch_size=8, min_updates=updates)) == updates
