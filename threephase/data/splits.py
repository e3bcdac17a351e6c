"""One seed's split: which rows train, validate, test or serve phase 1 unlabelled."""

import numpy as np
import pandas as pd

from threephase.base.errors import UserError, warn
from threephase.data.randomness import generator
from threephase.study.params import NO_ROWS
from threephase.study.settings import SplitSettings


def draw_split(examples: pd.DataFrame, settings: SplitSettings, seed: int, origin: str) -> pd.DataFrame:
    """Columns example_id, part (train, validation, test or unlabelled) and adapts (phases 1 and 2 use row and label).

    Test rows are the data set's; one with ``folds`` has none, and fold number ``seed`` is the test part. An official
    validation set is kept; otherwise ``validation_share`` of the training rows is drawn, with the classes in their
    natural balance, unless the protocol cuts none. With ``train_rows`` so many of the training rows are drawn, in the
    same balance, and the split has no row for the others. Then a ``long_tail_ratio`` cuts the training part to class
    sizes that fall geometrically, or ``shots`` cut it to so many rows a class; what they cut is unlabelled.
    """
    folds = settings.folds
    part = examples["split"].copy()
    if folds is not None:
        part[_fold_of(examples["label"], folds) == seed] = "test"
    if not (part == "test").any():
        raise UserError(f"{origin}: got no test rows, expected a test split or test_rows in the data set's definition")
    if not (part == "validation").any() and settings.validation_cut:
        candidates = examples.index[part == "train"]
        random = generator(seed, "split")
        chosen = _stratified_share(examples.loc[candidates, "label"], settings.validation_share, random)
        part[chosen] = "validation"
        if not len(chosen) or len(chosen) == len(candidates):
            raise UserError(
                f"{origin}: got {len(candidates)} rows besides the test set, expected enough for "
                f"validation_share {settings.validation_share}"
            )
    if settings.train_rows is not None:
        part = part.drop(_beyond(examples.loc[part == "train", "label"], settings.train_rows, seed, origin))
        examples = examples.loc[part.index]
    if settings.long_tail_ratio is not None:
        labels = examples.loc[part == "train", "label"]
        kept = _long_tail(labels, settings, seed, origin)
        part[labels.index.difference(kept)] = "unlabelled"
    if settings.shots is not None:
        part[_beyond_shots(examples.loc[part == "train", "label"], settings.shots, seed)] = "unlabelled"
    if settings.selection_split != NO_ROWS and not (part == settings.selection_split).any():
        raise UserError(
            f"{origin}: got no {settings.selection_split} rows, expected some to choose the best epoch by; "
            "set validation_cut to true or selection_split to test in the protocol"
        )
    _check_classes(examples["label"], part, seed, origin)
    everywhere = settings.rows_of_phases_1_2 == "all_without_test_set" and folds is not None
    adapts = part != "unlabelled" if everywhere else part == "train"
    return pd.DataFrame({"example_id": examples["example_id"], "part": part, "adapts": adapts})


def of_phase_1(split: pd.DataFrame, settings: SplitSettings) -> pd.DataFrame:
    """The split as phase 1 is told it, which has the texts alone: no training row has a label there.

    So it is the same for any number of labels. Where the settings of phase 1 depend on them, it is the split itself.
    """
    if settings.phase_1_knows_labels:
        return split
    train = split["part"] == "train"
    return split.assign(part=split["part"].mask(train, "unlabelled"), adapts=split["adapts"] & ~train)


def _check_classes(labels: pd.Series, part: pd.Series, seed: int, origin: str) -> None:
    """Refuse a training part of one class; warn of classes with no or a single training example."""
    sizes = labels[part == "train"].value_counts()
    if len(sizes) < 2:
        raise UserError(
            f"{origin}: got {len(sizes)} classes in the training part of seed {seed}, expected at least two; "
            "add labelled training rows"
        )
    for label in sorted(labels[part != "unlabelled"].unique()):
        if label not in sizes:
            warn(f"{origin}: class {label!r} has no training example; nothing can learn to predict it")
        elif sizes[label] == 1:
            warn(
                f"{origin}: class {label!r} has a single training example, which forms no similar pair "
                "unless the imbalance correction enlarges it"
            )


def _fold_of(labels: pd.Series, folds: int) -> np.ndarray:
    """Each row's fold, 0 to ``folds`` - 1, the same for every seed; classes are spread evenly, sizes differ by one."""
    order = generator(0, "folds").permutation(len(labels))
    by_class = order[np.argsort(labels.to_numpy()[order], kind="stable")]
    fold = np.empty(len(labels), dtype=int)
    fold[by_class] = np.arange(len(labels)) % folds
    return fold


def _stratified_share(labels: pd.Series, share: float, random: np.random.Generator) -> pd.Index:
    """``share`` of all rows (for validation, or to be left out), spread over the classes in proportion.

    Each row's place within its shuffled class, as a fraction of the class, orders all rows; the
    first ones are taken. The only row of a class is left for training.
    """
    shuffled = labels.iloc[random.permutation(len(labels))]
    place = shuffled.groupby(shuffled).cumcount() + random.random(len(shuffled))
    size = shuffled.groupby(shuffled).transform("size")
    fraction = (place / size).mask(size == 1, np.inf)
    return fraction.sort_values(kind="stable").index[: round(share * len(labels))]


def _beyond(labels: pd.Series, train_rows: int, seed: int, origin: str) -> pd.Index:
    """The training rows to leave out so that ``train_rows`` stay, classes in their balance."""
    if len(labels) < train_rows:
        raise UserError(f"{origin}: got {len(labels)} rows for training, expected at least {train_rows} (train_rows)")
    return _stratified_share(labels, 1 - train_rows / len(labels), generator(seed, "training rows"))


def _beyond_shots(labels: pd.Series, shots: int, seed: int) -> pd.Index:
    """The rows of each class behind its first ``shots``, in an order that is the same for every number of them."""
    shuffled = labels.iloc[generator(seed, "shots").permutation(len(labels))]
    return shuffled.index[shuffled.groupby(shuffled).cumcount() >= shots]


def _long_tail(labels: pd.Series, settings: SplitSettings, seed: int, origin: str) -> pd.Index:
    """Training rows whose class sizes fall geometrically; which class is large is drawn by the seed."""
    random = generator(seed, "long tail")
    classes = sorted(labels.unique())
    order = [classes[i] for i in random.permutation(len(classes))]
    steps = np.arange(len(order)) / max(1, len(order) - 1)
    sizes = np.round(settings.long_tail_largest * settings.long_tail_ratio**-steps).astype(int)
    kept = []
    for label, size in zip(order, sizes, strict=True):
        rows = labels.index[labels == label]
        if len(rows) < size:
            raise UserError(
                f"{origin}: class {label!r}: got {len(rows)} rows for training, expected at least {size} "
                "(long_tail_largest)"
            )
        kept.append(random.permutation(rows)[:size])
    return pd.Index(np.concatenate(kept))
