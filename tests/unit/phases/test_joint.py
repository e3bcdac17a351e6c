"""Phases 1 and 2 in one training: both streams, both losses, and which layer each of them acts on."""

import copy
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoder import TEXTS, make_bert, tiny_contrastive, tiny_denoising

from threephase.data.randomness import generator, torch_generator
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import seed_dropout
from threephase.model.models import DenoisingDecoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import PairBatches, pair_loss
from threephase.phases.denoising import DenoisingBatches, reconstruction_loss
from threephase.phases.joint import endless, train_joint
from threephase.phases.pairs import make_pairs
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Machine

MACHINE = Machine("cpu", "fp32", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_bert(tmp_path_factory.mktemp("encoder"))


class Joint:
    """Models and streams of one joint training; ``repeat`` lengthens the stream of pairs, ``epochs`` the other."""

    def __init__(self, folder: Path, *, epochs: int = 2, repeat: int = 1, seed: int = 0, dropout: bool = True):
        self.encoder = load_pretrained(folder, "mean")
        self.decoder = DenoisingDecoder(self.encoder.transformer.config, torch_generator(seed, "initial decoder"))
        for layer in (BOTTLENECK, CONTRASTIVE_LAYER):
            self.encoder.add_layer(layer, torch_generator(seed, f"initial {layer}"))
        for model in () if dropout else (self.encoder, self.decoder):
            for part in model.modules():
                part.dropout = 0.0
        seed_dropout(seed, "dropout encoder")
        tokenizer = TextTokenizer(folder, self.encoder.transformer.config, 32)
        self.settings = tiny_denoising(lr=5e-3, epochs=epochs, warmup=1 / 3)
        pairs = make_pairs(np.arange(8), np.repeat([0, 1], 4)[:, None], 2, 2, generator(seed, "pairs"))
        pairs = pairs[np.tile(np.arange(len(pairs)), repeat)]
        self.denoising = DenoisingBatches(list(TEXTS), self.settings, tokenizer, seed, "cpu")
        self.pairs = PairBatches(list(TEXTS), pairs, tiny_contrastive(), tokenizer, seed, "cpu")

    def losses(self, noised: tuple, whole: tuple, pair_batch: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            reconstruction_loss(self.encoder, self.decoder, noised, whole, MACHINE),
            pair_loss(self.encoder, pair_batch, MACHINE),
        )

    def train(self):
        return train_joint(
            self.encoder, self.decoder, self.denoising, self.pairs, self.settings, MACHINE
        ).history_table()


@pytest.mark.parametrize(("epochs", "repeat"), [(12, 1), (1, 8)], ids=["fewer-pairs", "fewer-noised"])
def test_there_are_as_many_steps_as_the_longer_stream_has(folder, epochs, repeat):
    joint = Joint(folder, epochs=epochs, repeat=repeat)
    lengths = len(joint.denoising), len(joint.pairs)
    assert min(lengths) * 2 < max(lengths) and lengths[0] != lengths[1]
    history = joint.train()
    assert history["step"].tolist() == list(range(1, max(lengths) + 1))
    assert history["learning_rate"].idxmax() == -(-max(lengths) // 3)
    assert history["learning_rate"].max() == joint.settings.lr


def test_the_shorter_stream_is_cycled_whole_and_in_a_new_order(folder):
    batches = Joint(folder).pairs
    taken = [
        sorted(zip(left.tolist(), right.tolist(), strict=True)) + [tuple(ids.flatten().tolist())]
        for ids, _, left, right, _ in islice(endless(batches), 3 * len(batches))
    ]
    passes = [taken[i : i + len(batches)] for i in range(0, len(taken), len(batches))]
    assert len(batches) > 1 and passes[0] != passes[1] != passes[2]
    fresh, again = Joint(folder).pairs, Joint(folder).pairs
    similarities = [batch[-1] for batch in islice(endless(fresh), 2 * len(fresh))]
    halves = similarities[: len(fresh)], similarities[len(fresh) :]
    expected = sorted(torch.cat([batch[-1] for batch in again]).tolist())
    assert all(sorted(torch.cat(half).tolist()) == expected for half in halves)


def test_the_loss_of_a_step_is_the_sum_of_both_losses(folder):
    joint, apart = Joint(folder, dropout=False), Joint(folder, dropout=False)
    (noised, whole), pair_batch = next(iter(apart.denoising)), next(iter(apart.pairs))
    denoising, contrastive = (loss.item() for loss in apart.losses(noised, whole, pair_batch))
    assert denoising > 0.01 and contrastive > 0.01
    assert joint.train()["loss"].iloc[0] == pytest.approx(denoising + contrastive, abs=1e-5)


def test_denoising_acts_on_the_bottleneck_and_pairs_on_the_layer_behind_it(folder):
    joint = Joint(folder)
    (noised, whole), pair_batch = next(iter(joint.denoising)), next(iter(joint.pairs))
    denoising, contrastive = joint.losses(noised, whole, pair_batch)
    bottleneck, second = (joint.encoder.added[name].weight for name in (BOTTLENECK, CONTRASTIVE_LAYER))
    denoising.backward()
    assert bottleneck.grad.abs().max() > 0 and second.grad is None
    bottleneck.grad = None
    contrastive.backward()
    assert bottleneck.grad.abs().max() > 0 and second.grad.abs().max() > 0


def test_both_losses_fall(folder):
    joint = Joint(folder, epochs=40)
    before = copy.deepcopy((joint.encoder, joint.decoder))
    held = next(iter(joint.denoising)), next(iter(joint.pairs))
    history = joint.train()
    assert history["loss"].iloc[-10:].mean() < 0.6 * history["loss"].iloc[:10].mean()

    @torch.no_grad()
    def losses() -> list[float]:
        joint.encoder.eval()
        joint.decoder.eval()
        return [loss.item() for loss in joint.losses(*held[0], held[1])]

    after = losses()
    joint.encoder, joint.decoder = before
    assert all(now < 0.7 * then for now, then in zip(after, losses(), strict=True))


def test_the_same_seed_gives_the_same_bytes(folder):
    weights = []
    for seed in (1, 1, 2):
        joint = Joint(folder, seed=seed)
        joint.train()
        weights.append([w.detach().numpy().tobytes() for m in (joint.encoder, joint.decoder) for w in m.parameters()])
    assert weights[0] == weights[1] != weights[2]
