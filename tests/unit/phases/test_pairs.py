"""Contrastive pairs: closed forms of their number and similarity, and what holds of every draw."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from threephase.base.errors import UserError
from threephase.phases.pairs import label_similarity, make_pairs, repetitions

MANY_EPOCHS = 200
seeds = st.integers(0, 2**32 - 1)


@st.composite
def rows(draw):
    """Text ids (some texts stand several times, as after resampling) and labels of one to three levels, by text."""
    texts, levels = draw(st.integers(2, 25)), draw(st.integers(1, 3))
    labels = np.array(draw(st.lists(st.tuples(*[st.integers(0, 2)] * levels), min_size=texts, max_size=texts)))
    text_ids = np.array(list(range(texts)) + draw(st.lists(st.integers(0, texts - 1), max_size=15)))
    return text_ids, labels[text_ids]


def equal_classes(classes: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct texts, ``size`` a class."""
    return np.arange(classes * size), np.repeat(np.arange(classes), size)[:, None]


def names(pairs, text_ids) -> list[tuple[int, int]]:
    """The texts of each pair, the smaller id first."""
    return [tuple(sorted(pair)) for pair in zip(text_ids[pairs.left], text_ids[pairs.right], strict=True)]


def count_similar(pairs) -> int:
    return int((pairs.similarity > 0).sum())


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([3], [3], 1),
        ([3], [4], 0),
        ([1, 5], [1, 5], 1),
        ([1, 5], [1, 6], 0.5),
        ([1, 5], [2, 6], 0),
        # Levels count from the top: what follows a difference says nothing.
        ([1, 5], [2, 5], 0),
        ([1, 2, 3], [1, 2, 3], 1),
        ([1, 2, 3], [1, 2, 4], 2 / 3),
        ([1, 2, 3], [1, 9, 3], 1 / 3),
        ([1, 2, 3], [9, 2, 3], 0),
    ],
)
def test_label_similarity(left, right, expected):
    got = label_similarity(np.array([left]), np.array([right]))
    assert got.shape == (1,) and got.dtype == np.float32 and got[0] == np.float32(expected)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(2, 5000))
def test_repetitions_are_epochs_times_floor_log2_classes(epochs, classes):
    times = repetitions(epochs, classes)
    assert times % epochs == 0
    assert 2 ** (times // epochs) <= classes < 2 ** (times // epochs + 1)


def test_repetitions_at_powers_of_two():
    assert [repetitions(1, k) for k in (1, 2, 3, 4, 7, 8, 10, 16)] == [1, 1, 1, 2, 2, 3, 3, 4]


@settings(deadline=None)
@given(rows(), st.integers(1, 8), seeds)
def test_what_holds_of_every_draw(rows, epochs, seed):
    text_ids, labels = rows
    n_classes = len(np.unique(labels, axis=0))
    try:
        pairs = make_pairs(text_ids, labels, epochs, n_classes, np.random.default_rng(seed))
    except UserError:
        reject()
    drawn = names(pairs, text_ids)
    assert all(a != b for a, b in drawn), "a self-pair"
    assert len(set(drawn)) == len(drawn), "a repeated pair"
    assert 2 * count_similar(pairs) == len(pairs) > 0
    # Row numbers within range, and never more pairs than a linear number of candidates gives.
    assert {*pairs.left, *pairs.right} <= set(range(len(text_ids)))
    assert len(pairs) <= len(text_ids) * repetitions(epochs, n_classes)
    assert np.array_equal(pairs.similarity, label_similarity(labels[pairs.left], labels[pairs.right]))


@pytest.mark.parametrize(("classes", "size"), [(2, 2), (2, 6), (3, 4), (5, 3), (8, 2)])
def test_the_number_of_pairs_ends_at_twice_the_rarer_kind(classes, size):
    text_ids, labels = equal_classes(classes, size)
    pairs = make_pairs(text_ids, labels, MANY_EPOCHS, classes, np.random.default_rng(0))
    similar = classes * size * (size - 1) // 2
    dissimilar = size**2 * classes * (classes - 1) // 2
    assert len(pairs) == 2 * min(similar, dissimilar)


@pytest.mark.parametrize("classes", [2, 4, 5, 16])
def test_the_number_of_pairs_of_many_rows(classes):
    size, epochs = 4000 // classes, 2
    text_ids, labels = equal_classes(classes, size)
    pairs = make_pairs(text_ids, labels, epochs, classes, np.random.default_rng(0))
    # A candidate is similar with the probability that another row is of the same class.
    candidates = len(text_ids) * repetitions(epochs, classes)
    share = (size - 1) / (len(text_ids) - 1)
    rarer = candidates * min(share, 1 - share)
    assert abs(len(pairs) / 2 - rarer) < 6 * np.sqrt(rarer) + 0.002 * candidates


def test_memory_grows_with_the_rows_and_not_with_their_square():
    peaks = []
    for size in (500, 5000):
        text_ids, labels = equal_classes(4, size)
        make_pairs(text_ids, labels, 1, 4, np.random.default_rng(0))
        tracemalloc.start()
        make_pairs(text_ids, labels, 1, 4, np.random.default_rng(0))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 20 * peaks[0]


@settings(deadline=None)
@given(rows(), st.integers(1, 20).map(lambda half: 2 * half), seeds)
def test_as_many_pairs_as_asked_for(rows, count, seed):
    text_ids, labels = rows
    kinds = [
        label_similarity(labels[[i]], labels[[j]])[0] > 0
        for i, j in itertools.combinations(np.unique(text_ids, return_index=True)[1], 2)
    ]
    balanced = 2 * min(sum(kinds), len(kinds) - sum(kinds))
    if balanced < count:
        with pytest.raises(UserError, match="pairs: got"):
            make_pairs(text_ids, labels, 1, 3, np.random.default_rng(seed), count)
        return
    pairs = make_pairs(text_ids, labels, 1, 3, np.random.default_rng(seed), count)
    drawn = names(pairs, text_ids)
    assert len(pairs) == len(set(drawn)) == count
    assert all(a != b for a, b in drawn)
    assert count_similar(pairs) == count / 2


def test_as_many_pairs_repeats_the_rows_until_there_are_enough():
    text_ids, labels = equal_classes(4, 50)
    once = make_pairs(text_ids, labels, 1, 4, np.random.default_rng(0))
    for count in (len(once), 3 * len(once), 10 * len(once) + 2):
        drawn = names(make_pairs(text_ids, labels, 1, 4, np.random.default_rng(0), count), text_ids)
        assert len(drawn) == len(set(drawn)) == count
        # Common random numbers: what is compared with it differs by further pairs only.
        assert set(names(once, text_ids)) <= set(drawn)


def test_a_class_with_one_example_is_paired_with_the_others_only():
    text_ids = np.arange(9)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])[:, None]
    pairs = make_pairs(text_ids, labels, MANY_EPOCHS, 3, np.random.default_rng(0))
    alone = (pairs.left == 8) | (pairs.right == 8)
    assert count_similar(pairs) == 12
    assert alone.any() and (pairs.similarity[alone] == 0).all()


def test_copies_of_one_text_form_no_pair():
    text_ids, labels = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1])[:, None]
    with pytest.raises(UserError, match="pairs: got none, expected at least one similar and one dissimilar pair"):
        make_pairs(text_ids, labels, MANY_EPOCHS, 2, np.random.default_rng(0))


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]])
def test_no_pairs_where_one_kind_does_not_exist(labels):
    labels = np.array(labels)[:, None]
    for make in (make_pairs, lambda *drawn: make_pairs(*drawn, 2)):
        with pytest.raises(UserError, match="pairs: got none"):
            make(np.arange(4), labels, 2, 4, np.random.default_rng(0))


def test_pairs_repeat_with_the_generator_and_change_with_it():
    text_ids, labels = equal_classes(4, 30)
    first, again, other = (
        names(make_pairs(text_ids, labels, 1, 4, np.random.default_rng(seed)), text_ids) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_cut_to_balance_favours_no_class():
    # Rows come sorted by class here, and the surplus of dissimilar pairs is cut at the end.
    text_ids, labels = equal_classes(4, 500)
    pairs = make_pairs(text_ids, labels, 1, 4, np.random.default_rng(0))
    cut = pairs[pairs.similarity == 0]
    for side in (cut.left, cut.right):
        assert np.abs(np.bincount(labels[side, 0]) / len(cut) - 0.25).max() < 0.06
    # Within a pair neither side is the earlier row more often.
    assert abs(np.mean(cut.left < cut.right) - 0.5) < 0.06
