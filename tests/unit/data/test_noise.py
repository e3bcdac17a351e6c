"""Word deletion: what it leaves, how much it deletes, and when it draws anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threephase.data.noise import WordDeletion, stop_words_deleted, stop_words_of
from threephase.study.source_params import CHARACTERS, WORDS

# Any text with a word in it, of any script; split() knows more whitespace than the blank.
texts = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=12).map(" ".join).filter(str.split)
ratios = st.floats(0, 1, exclude_max=True)
seeds = st.integers(0, 2**32 - 1)


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(word in rest for word in part)


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=8), ratios, seeds)
def test_noised_texts_are_never_empty_and_keep_words_and_order(batch, ratio, seed):
    noised = WordDeletion(batch, ratio)(range(len(batch)), np.random.default_rng(seed))
    assert len(noised) == len(batch)
    for damaged, text in zip(noised, batch, strict=True):
        assert damaged.split() and is_subsequence(damaged.split(), text.split())


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=8), seeds)
def test_nothing_is_deleted_at_ratio_0(batch, seed):
    noised = WordDeletion(batch, 0.0)(range(len(batch)), np.random.default_rng(seed))
    assert noised == [" ".join(text.split()) for text in batch]


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=8), seeds)
def test_one_word_stays_where_nearly_all_would_go(batch, seed):
    almost_one = np.nextafter(1.0, 0.0)
    noised = WordDeletion(batch, almost_one)(range(len(batch)), np.random.default_rng(seed))
    assert [len(damaged.split()) for damaged in noised] == [1] * len(batch)


@settings(deadline=None)
@given(st.lists(texts, min_size=2, max_size=8), ratios, seeds, st.data())
def test_the_texts_asked_for_come_in_the_order_asked_for(batch, ratio, seed, data):
    rows = data.draw(st.lists(st.integers(0, len(batch) - 1), min_size=1, max_size=10))
    noise = WordDeletion(batch, ratio)
    noised = noise(rows, np.random.default_rng(seed))
    assert noised == WordDeletion([batch[row] for row in rows], ratio)(range(len(rows)), np.random.default_rng(seed))
    assert noised == noise(np.array(rows), np.random.default_rng(seed))


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.6, 0.9])
def test_words_are_deleted_with_the_given_probability(ratio):
    length, copies = 50, 400
    noise = WordDeletion([" ".join(map(str, range(length)))], ratio)
    noised = noise([0] * copies, np.random.default_rng(0))
    kept = np.zeros(length)
    for text in noised:
        kept[[int(word) for word in text.split()]] += 1
    deleted = 1 - kept / copies
    # Five standard errors, of the mean over all words and of a single word's share.
    error = np.sqrt(ratio * (1 - ratio) / copies)
    assert abs(deleted.mean() - ratio) < 5 * error / np.sqrt(length)
    assert np.abs(deleted - ratio).max() < 5 * error


def test_the_word_that_stays_where_all_would_go_is_any_of_them():
    noised = WordDeletion(["a b c d"], 0.999)([0] * 2000, np.random.default_rng(0))
    counts = np.array([noised.count(word) for word in "abcd"])
    assert counts.sum() > 1900 and np.abs(counts - 500).max() < 100


def test_noise_is_drawn_anew_at_every_call_and_repeats_with_the_generator():
    text = " ".join(map(str, range(40)))
    noise, generator = WordDeletion([text, text], 0.6), np.random.default_rng(3)
    first, second = noise([0, 1], generator), noise([0, 1], generator)
    assert len({*first, *second}) == 4
    generator = np.random.default_rng(3)
    assert (noise([0, 1], generator), noise([0, 1], generator)) == (first, second)
    assert noise([0, 1], np.random.default_rng(4)) != first


def test_a_text_of_one_word_is_left_as_it_is():
    assert WordDeletion(["word", "слово"], 0.99)([0, 1, 0], np.random.default_rng(0)) == ["word", "слово", "word"]


@settings(deadline=None)
@given(texts, st.sets(st.text(min_size=1, max_size=3).map(str.lower)))
def test_stop_words_deleted_keeps_exactly_the_other_words(text, stop_words):
    shortened = stop_words_deleted(text, stop_words.__contains__)
    others = [word for word in text.split() if word.lower() not in stop_words]
    assert (shortened or "").split() == others
    assert (shortened is None) == (not others)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat sat on the mat", "cat sat mat"),
        ("THE", None),
        ("to be or not to be", None),
        ("word", "word"),
        ("  the   cat  ", "cat"),
        # Words are split at whitespace only: what carries punctuation is another word.
        ("the, cat", "the, cat"),
        ("кот сидит на ковре", "кот сидит на ковре"),
        ("猫は敷物の上に座った", "猫は敷物の上に座った"),
        ("القطة على السجادة", "القطة على السجادة"),
    ],
)
def test_english_stop_words(text, expected):
    assert stop_words_deleted(text, stop_words_of(["кот"], WORDS).__contains__) == expected


CHINESE = ["我的猫很好", "他的狗很大", "天的雨很小", "山 iPhone"]


@pytest.mark.parametrize("ratio", [0.3, 0.6, np.nextafter(1.0, 0.0)])
def test_characters_are_deleted_where_no_space_parts_words(ratio):
    noised = WordDeletion(CHINESE, ratio, CHARACTERS)([0] * 500 + [3] * 500, np.random.default_rng(0))
    # A character or a word of another script goes whole, and what is left stands as close as before.
    assert all(text and is_subsequence(list(text), list(CHINESE[0])) for text in noised[:500])
    assert {*noised[500:]} == {"山", "iPhone"} | ({"山 iPhone"} if ratio < 0.9 else set())
    kept = np.mean([len(text) for text in noised[:500]]) / len(CHINESE[0])
    assert abs(kept - max(1 - ratio, 0.2)) < 0.05
    # By words the text is one, which stays.
    assert WordDeletion(CHINESE, ratio)([0], np.random.default_rng(0)) == [CHINESE[0]]


def test_characters_that_more_than_half_of_the_texts_hold_are_stop_words():
    stop_words = stop_words_of(CHINESE, CHARACTERS)
    assert stop_words == {"的", "很"}
    shortened = [stop_words_deleted(text, stop_words.__contains__, CHARACTERS) for text in [*CHINESE, "的很"]]
    assert shortened == ["我猫好", "他狗大", "天雨小", "山 iPhone", None]
    assert stop_words_of([*CHINESE, *["a B 的"] * 5], CHARACTERS) == {"的", "a", "b"}
    assert stop_words_of([*CHINESE, "的", "小", "好", "大"], CHARACTERS) == set()  # a half is not more than a half
