"""Similarity of word pieces by hand: co-occurrence, word vectors, and the larger of both."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from threephase.phases import similar_pieces
from threephase.phases.similar_pieces import co_occurrence, most_similar


def test_co_occurrence_damps_long_texts_and_frequent_pieces():
    # Pieces u, v, w: u and v in a text of two pieces and one of three; w in the latter and in one of its own.
    has = csr_array(np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1.0]]))
    scores = co_occurrence(has, slice(0, 3))
    assert scores[0, 1] == scores[1, 0] == pytest.approx((1 / math.log(3) + 1 / math.log(4)) / 2)
    assert scores[0, 1] == pytest.approx(0.81579, abs=1e-5)
    assert scores[0, 2] == scores[1, 2] == pytest.approx(1 / math.log(4) / 2)
    assert co_occurrence(has, slice(1, 2)).tolist() == scores[1:2].tolist()


# Ten ids, of which texts have 3 to 6. By co-occurrence 3 and 4 belong together (alone in two texts), 5 and 6 less (in
# one text, with 3 and 4).
TEXTS = [np.array([3, 4, 3]), np.array([3, 4]), np.array([3, 4, 5, 6])]


def vectors(**directions: float) -> torch.Tensor:
    table = torch.zeros(10, 2)
    for name, degrees in directions.items():
        angle = math.radians(degrees)
        table[int(name[1:])] = 7 * torch.tensor([math.cos(angle), math.sin(angle)])
    return table


def test_the_larger_of_both_scores_decides_for_each_piece():
    similar = most_similar(TEXTS, vectors(p3=0, p4=180, p5=90, p6=95))
    assert similar[3] == 4 and similar[4] == 3  # by co-occurrence, of the largest score, though opposite
    assert similar[5] == 6 and similar[6] == 5  # by both
    # Where 5's vector is 4's, that pair's cosine is the largest of all.
    similar = most_similar([*TEXTS, np.array([7, 8])], vectors(p3=0, p4=200, p5=200, p6=95, p7=300, p8=40))
    assert similar[5] == 4 and similar[7] == 8


def test_a_piece_of_no_text_stands_for_itself_and_no_piece_of_a_text_does():
    similar = most_similar(TEXTS, vectors(p3=0, p4=180, p5=90, p6=95))
    assert similar[[0, 1, 2, 7, 8, 9]].tolist() == [0, 1, 2, 7, 8, 9]
    assert all(similar[piece] != piece and similar[piece] in (3, 4, 5, 6) for piece in (3, 4, 5, 6))


def test_one_piece_alone_has_no_other():
    assert most_similar([np.array([3, 3]), np.array([3])], vectors(p3=0)).tolist() == list(range(10))


def test_parts_of_the_table_give_the_whole_of_it(monkeypatch):
    random = np.random.default_rng(0)
    texts = [random.integers(0, 40, size) for size in random.integers(1, 9, 60)]
    table = torch.from_numpy(random.standard_normal((50, 4)).astype(np.float32))
    whole = most_similar(texts, table)
    monkeypatch.setattr(similar_pieces, "AT_ONCE", 7)
    assert most_similar(texts, table).tolist() == whole.tolist()
