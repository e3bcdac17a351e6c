"""The rows of each class in each split of a prepared data set, and whether they are those expected."""

import pandas as pd

from threephase.base.errors import UserError
from threephase.data.cleaning import label_counts
from threephase.study.source_params import SPLITS, Dataset


def labels_by_split(examples: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Rows a label of every split that has labelled ones, splits in their usual order."""
    counts = {split: label_counts(examples[examples["split"] == split]) for split in SPLITS}
    return {split: of_split for split, of_split in counts.items() if of_split}


def check_labels_by_split(examples: pd.DataFrame, dataset: Dataset, origin: str, remedy: str) -> None:
    """Refuse other class counts of a split than the params file expects; ``origin`` and ``remedy`` as in the checks."""
    wanted = dataset.expected.labels_by_split
    found = labels_by_split(examples)
    if wanted is not None and found != wanted:
        split = next(one for one in SPLITS if found.get(one) != wanted.get(one))
        raise UserError(
            f"{origin}: got label counts {found.get(split, 'none')} in the split {split!r}, expected "
            f"{wanted.get(split, 'none')}; {remedy}"
        )
