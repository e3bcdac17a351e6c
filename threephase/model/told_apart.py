"""Whether an encoder tells texts apart: one with constant or zero weights makes the same vector of all."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from threephase.model.embedding import embed
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.study.settings import Machine

MOST_TEXTS, MOST_TOKENS = 4, 16  # a look at so little takes some hundredths of a second
READ = 64  # texts of which these are taken
SAME = 1e-5  # of the largest entry; float32 alone makes about a tenth of it


def fault_of_vectors(
    encoder: SentenceEncoder, texts: Sequence[str], tokenizer: TextTokenizer, machine: Machine
) -> str | None:
    """What is wrong with the sentence vectors of a few of the texts, computed in fp32; None where nothing is.

    Texts count as different by their first tokens; with fewer than two of them nothing can be told.
    """
    beginnings = [ids[:MOST_TOKENS] for ids in tokenizer(list(texts[:READ]), count_cut=False)]
    distinct = {ids.tobytes(): ids for ids in beginnings}
    sequences = list(itertools.islice(distinct.values(), MOST_TEXTS))
    if len(sequences) < 2:
        return None
    was_training = encoder.training
    vectors = embed(encoder, sequences, tokenizer, dataclasses.replace(machine, precision="fp32")).cpu().numpy()
    encoder.train(was_training)
    largest = np.abs(vectors).max()
    if not np.isfinite(largest):
        return "not finite"
    if np.ptp(vectors, axis=0).max() > SAME * largest:
        return None
    return "the same for all texts" if largest else "all 0"
