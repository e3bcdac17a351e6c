"""Layers that are left out, the three losses of views by hand, and what is left of the training."""

import math

import pytest
import torch
from method_run import SCHEDULE, MethodRun, start_of
from tiny_encoder import HIDDEN, TEXTS, make_bert

from threephase.data.randomness import torch_generator
from threephase.methods import model_augmentation
from threephase.methods.model_augmentation import Settings, append_layers, through, views_loss
from threephase.model import encoder_folder
from threephase.study.settings import Streams


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_bert(tmp_path_factory.mktemp("encoder"))


def settings_of(**changes) -> Settings:
    values = {"weight": 0.1, "complement_weight": 0.5, "temperature": 1.0, "appended_layers": 3}
    return Settings(**SCHEDULE | values | changes)


def trained(folder, **changes):
    encoder, tokenizer = start_of(folder)
    settings = settings_of(**changes)
    optimization, texts = model_augmentation.train_encoder(MethodRun(settings), encoder, tokenizer, settings)
    return encoder, optimization, texts


def test_a_layer_is_left_out_and_all_are_used_else(folder):
    encoder, _ = start_of(folder)
    names = append_layers(encoder, 3, torch_generator(0, "layers"))
    for factor, name in zip((2, 3, 5), names, strict=True):
        with torch.no_grad():
            encoder.added[name].weight.copy_(factor * torch.eye(HIDDEN))
    ones = torch.ones(1, HIDDEN)
    products = [through(encoder, names, ones, left_out)[0, 0].item() for left_out in (0, 1, 2, None)]
    assert products == [15, 10, 6, 30]


def test_appended_layers_start_near_the_identity(folder):
    encoder, tokenizer = start_of(folder)
    ids, mask = tokenizer.pad(tokenizer(TEXTS), "cpu")
    encoder.eval()
    with torch.no_grad():
        before = encoder(ids, mask)
        names = append_layers(encoder, 3, torch_generator(0, "layers"))
        after = encoder(ids, mask)
    assert list(encoder.added) == names
    assert not torch.equal(before, after)
    assert torch.nn.functional.cosine_similarity(before, after).min() > 0.9


def test_the_views_are_contrasted_with_each_other_and_with_the_frozen_encoder():
    both, fixed = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[0.0, 1], [1, 0]])
    # Views that agree: ln(1 + 2 / e). Against frozen vectors that are the other text's: ln(2 + e).
    expected = math.log(1 + 2 / math.e) + 0.5 * 2 * math.log(2 + math.e)
    assert views_loss(both, both, fixed, settings_of()).item() == pytest.approx(expected)
    assert views_loss(both, both, fixed, settings_of(complement_weight=0.0)).item() == pytest.approx(0.55144, abs=1e-5)


def test_the_trained_encoder_has_all_appended_layers_also_when_read_again(folder, tmp_path):
    encoder, optimization, texts = trained(folder)
    assert optimization.steps > 1 and texts > 0 and texts % 2 == 0
    tokenizer = start_of(folder)[1]
    encoder_folder.export(encoder, folder, 32, tmp_path / "exported")
    again = encoder_folder.load_trained(tmp_path / "exported").eval()
    assert list(again.added) == ["appended_0", "appended_1", "appended_2"]
    ids, mask = tokenizer.pad(tokenizer(TEXTS), "cpu")
    assert torch.equal(again(ids, mask), encoder.eval()(ids, mask))


def test_each_loss_changes_what_is_learnt_and_the_seed_repeats_it(folder):
    def words(**changes):
        return trained(folder, **changes)[0].state_dict()["transformer.embeddings.word_embeddings.weight"]

    assert torch.equal(words(), words())
    pairs_alone = words(weight=0.0)
    assert not torch.equal(pairs_alone, words()) and not torch.equal(words(complement_weight=0.0), words())
    assert torch.equal(pairs_alone, words(weight=0.0, complement_weight=3.0))


def test_one_layer_may_be_left_out_alone(folder):
    encoder, _, _ = trained(folder, appended_layers=1)
    assert list(encoder.added) == ["appended_0"]


def test_estimates_count_both_passes():
    assert settings_of(epochs=3).cost(Streams(labelled=4, noised=0, pairs=10)) == (10, 40)
