"""The sentence vectors that pictures show: of the same rows for every encoder of a seed, before and after phase 3."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from threephase.base import paths
from threephase.base.files import new_file, reading
from threephase.data.randomness import generator
from threephase.model.embedding import unit_vectors
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun

KEY = "vectors"
MOST_POINTS = 1000
MOST_TRAINING_ROWS_A_CLASS = 500  # the mean of so many vectors is known well enough


def pictured_rows(run: "TrainingRun") -> tuple[pd.DataFrame, pd.DataFrame]:
    """The test rows that are drawn as points, and the training rows whose class means they are compared with."""
    return drawn_points(run.part("test"), run.seed), drawn_by_class(run.part("train"), run.seed)


def drawn_points(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """All rows, or ``MOST_POINTS`` of them drawn by the seed; in the data's order."""
    chosen = generator(seed, "points of the pictures").permutation(len(rows))[:MOST_POINTS]
    return rows.iloc[np.sort(chosen)]


def drawn_by_class(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Of each class all rows, or ``MOST_TRAINING_ROWS_A_CLASS`` drawn by the seed; in the data's order."""
    order = generator(seed, "class means of the pictures").permutation(len(rows))
    chosen = rows.iloc[order].groupby("label").head(MOST_TRAINING_ROWS_A_CLASS)
    return rows.loc[chosen.index.sort_values()]


def vectors_of(
    run: "TrainingRun", encoder: SentenceEncoder, tokenizer: TextTokenizer, rows: pd.DataFrame
) -> np.ndarray:
    """The rows' sentence vectors as phase 3 scores them, of unit length, (rows, hidden size) float32."""
    texts = run.scored(rows, tokenizer)["text"].tolist()
    return unit_vectors(encoder, tokenizer(texts, count_cut=False), tokenizer, run.machine)


def write_vectors(run: "TrainingRun", encoder: SentenceEncoder, tokenizer: TextTokenizer) -> None:
    """Keep what a fine-tuned encoder, whose weights are not kept, makes of the pictured rows."""
    vectors = np.concatenate([vectors_of(run, encoder, tokenizer, rows) for rows in pictured_rows(run)])
    with new_file(paths.vectors(run.folder, run.encoder, run.variant, run.seed)) as file:
        save_file({KEY: vectors.astype(np.float16)}, file)


def read_vectors(run: "TrainingRun", variant: str) -> np.ndarray:
    """What ``write_vectors`` kept of a variant: the test rows' vectors, then the training rows'."""
    file = paths.vectors(run.folder, run.encoder, variant, run.seed)
    with reading(file):
        return load_file(file)[KEY].astype(np.float32)
