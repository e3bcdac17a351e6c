"""How many rows of each class every seed's split has, as one table."""

import pandas as pd

from threephase.base import paths
from threephase.base.files import read_csv
from threephase.study.params import Study


def class_counts_frame(study: Study) -> pd.DataFrame:
    """``class_counts.csv``: by seed and class the rows of each part, and those of each imbalance setting."""
    frames = []
    for seed in study.params.seeds:
        file = paths.splits(study.folder, seed) / "class_counts.csv"
        frames.append(read_csv(file, dtype={"label": str}, keep_default_na=False).assign(seed=seed))
    return pd.concat(frames, ignore_index=True)
