"""The three ways to a view by hand, and a training with them."""

import math

import numpy as np
import pytest
import torch
from method_run import SCHEDULE, MethodRun, start_of
from tiny_encoder import TEXTS, make_bert
from tokenizers import Tokenizer, models

from threephase.base.errors import UserError
from threephase.methods import robust_augmentation
from threephase.methods.robust_augmentation import Settings, Views, inserted, mask_of, masked, substituted
from threephase.model.tokens import TextTokenizer
from threephase.study.settings import Streams

SIMILAR = np.arange(200) + 100  # of piece 7 it is 107
TEN, THREE = np.arange(10), np.arange(3)
MASK = 999


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_bert(tmp_path_factory.mktemp("encoder"))


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def settings_of(**changes) -> Settings:
    values = {"weight": 0.1, "temperature": 1.0, "substitution": 0.1, "insertion": 0.4, "masking": 0.7}
    return Settings(**SCHEDULE | values | changes)


def test_how_many_pieces_each_way_changes():
    """The source's rates: of ten pieces 1, 4 and 7, of three 1, 1 and 2."""
    for pieces, substitutions, insertions, masks in ((TEN, 1, 4, 7), (THREE, 1, 1, 2)):
        assert (substituted(pieces, 0.1, SIMILAR, random()) != pieces).sum() == substitutions
        assert len(inserted(pieces, 0.4, SIMILAR, random())) == len(pieces) + insertions
        assert (masked(pieces, 0.7, MASK, random()) == MASK).sum() == masks
    assert masked(THREE, 0.3, MASK, random()).tolist() == THREE.tolist()  # of three not one


def test_a_piece_is_replaced_by_its_similar_one_which_else_stands_before_it():
    changed = substituted(TEN, 0.5, SIMILAR, random())
    assert all(new in (old, old + 100) for old, new in zip(TEN, changed, strict=True))
    longer = inserted(TEN, 0.4, SIMILAR, random()).tolist()
    assert [piece for piece in longer if piece < 100] == TEN.tolist()
    assert all(longer[place + 1] == piece - 100 for place, piece in enumerate(longer) if piece >= 100)
    assert TEN.tolist() == list(range(10))  # what was given stays


def test_views_keep_the_special_tokens_and_the_limit(folder):
    encoder, _ = start_of(folder)
    tokenizer = TextTokenizer(folder, encoder.transformer.config, 9)
    sequences = tokenizer(TEXTS)
    views = Views(sequences, encoder, tokenizer, settings_of(), random())
    ids, mask = tokenizer.pad(sequences, "cpu")
    drawn = [view for _ in range(30) for view in views(ids, mask)]
    assert all(view[0] == sequences[0][0] and view[-1] == sequences[0][-1] for view in drawn)
    assert max(map(len, drawn)) == 9
    # A third of the views has masks; every other piece is one of the texts'.
    share = np.mean([views.mask in view for view in drawn])
    assert 0.2 < share < 0.47
    assert {piece for view in drawn for piece in view} - {views.mask} <= set(np.concatenate(sequences))


def test_a_text_without_pieces_is_its_own_view(folder):
    encoder, tokenizer = start_of(folder)
    views = Views(tokenizer(TEXTS), encoder, tokenizer, settings_of(), random())
    assert [view.tolist() for view in views(torch.tensor([[2, 3]]), None)] == [[2, 3]]


def test_two_views_of_a_text_are_drawn_apart_and_repeat_with_the_seed(folder):
    encoder, tokenizer = start_of(folder)
    batch = tokenizer.pad(tokenizer(TEXTS), "cpu")

    def drawn() -> list:
        views = Views(tokenizer(TEXTS), encoder, tokenizer, settings_of(), random())
        return [[view.tolist() for view in views(*batch)] for _ in range(2)]

    (first, second), again = drawn(), drawn()
    assert first != second and again == [first, second]


def test_an_encoder_without_a_mask_token_is_refused(folder):
    encoder, tokenizer = start_of(folder)
    tokenizer.tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(UserError, match=r"got an encoder without a mask token, expected \[MASK\] or <mask>"):
        mask_of(tokenizer)


def test_the_views_change_what_is_learnt_and_the_seed_repeats_it(folder):
    def trained(**changes):
        encoder, tokenizer = start_of(folder)
        settings = settings_of(**changes)
        optimization, texts = robust_augmentation.train_encoder(MethodRun(settings), encoder, tokenizer, settings)
        return encoder.state_dict(), optimization, texts

    (first, optimization, texts), (again, _, _), (pairs_alone, _, _) = trained(), trained(), trained(weight=0.0)
    assert first.keys() == again.keys() and all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], pairs_alone[name]) for name in first)
    assert texts % 3 == 0 and texts > 0
    assert all(math.isfinite(step["loss"]) for step in optimization.history)
    # The table of words is whole again, the mask's vector trained.
    name = "transformer.embeddings.word_embeddings.weight"
    start, tokenizer = start_of(folder)
    before = start.state_dict()[name]
    assert first[name].shape == before.shape
    mask = mask_of(tokenizer)
    assert not torch.equal(first[name][mask], before[mask])


def test_estimates_count_three_passes():
    assert settings_of(epochs=3).cost(Streams(labelled=4, noised=0, pairs=10)) == (10, 60)
