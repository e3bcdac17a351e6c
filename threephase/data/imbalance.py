"""The imbalance correction of the paper's phase 2: small classes are enlarged before pairs are made."""

import math

import numpy as np
import pandas as pd

from threephase.data.noise import stop_words_deleted, stop_words_of
from threephase.study.params import Imbalance
from threephase.study.source_params import WORDS


def enlargement(size: int, largest: int, max_ratio: float) -> float:
    """f(x) = ln(M / x) * max_ratio / ln(M) for a class of ``size`` x and the ``largest`` class M.

    f(1) = max_ratio, f(M) = 0, and f = 1 at x = M^((max_ratio - 1) / max_ratio). With M = 1 all
    classes are equally large and f is 0.
    """
    return math.log(largest / size) * max_ratio / math.log(largest) if largest > 1 else 0.0


def class_ratios(sizes: dict[str, int], setting: Imbalance | None) -> dict[str, int]:
    """How many times each class's rows are taken: f rounded where f >= min_ratio, else 1.

    The text combines f with min_ratio through ``min``, which would empty the largest class; the
    authors' code does what is done here. ``setting`` None: no correction.
    """
    largest = max(sizes.values())
    ratios = {}
    for label, size in sizes.items():
        factor = enlargement(size, largest, setting.max_ratio) if setting else 0.0
        ratios[label] = max(1, round(factor)) if setting and factor >= setting.min_ratio else 1
    return ratios


def resample(train: pd.DataFrame, setting: Imbalance | None, units: str = WORDS) -> pd.DataFrame:
    """The rows that pairs are made of: the training rows with a column ``stop_words_deleted``.

    A class of size x is taken ``ratio`` times whole; an enlarged class also gets one copy of each
    row with the stop-words deleted, where at least one unit (word or character) is left, on top of ratio * x.
    """
    ratio_of_row = train["label"].map(class_ratios(train["label"].value_counts().to_dict(), setting)).to_numpy()
    repeated = train.iloc[np.repeat(np.arange(len(train)), ratio_of_row)].assign(stop_words_deleted=False)
    enlarged = train[ratio_of_row > 1]
    if not len(enlarged):
        return repeated.reset_index(drop=True)
    stop_words = stop_words_of(train["text"], units)
    texts = [stop_words_deleted(text, stop_words.__contains__, units) for text in enlarged["text"]]
    shortened = enlarged.assign(text=texts, stop_words_deleted=True).dropna(subset="text")
    return pd.concat([repeated, shortened] if len(shortened) else [repeated], ignore_index=True)
