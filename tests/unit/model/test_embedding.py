"""In which batches many texts are encoded."""

import numpy as np

from threephase.model import embedding


def test_evaluation_takes_every_row_once_in_batches_that_a_cache_holds(monkeypatch):
    monkeypatch.setattr(embedding, "EVALUATION_ROWS", 4)
    monkeypatch.setattr(embedding, "EVALUATION_TOKENS_ON_CPU", 12)
    lengths = np.array([3, 50, 2, 6, 3, 7, 3, 2, 5])
    on_cpu = [lengths[batch].tolist() for batch in embedding.sorted_batches(lengths, "cpu")]
    assert on_cpu == [[2, 2, 3, 3], [3, 5], [6], [7], [50]]
    on_gpu = [lengths[batch].tolist() for batch in embedding.sorted_batches(lengths, "cuda")]
    assert on_gpu == [[2, 2, 3, 3], [3, 5, 6, 7], [50]]
