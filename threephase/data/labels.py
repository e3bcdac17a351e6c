"""The labels of examples: one spelling each, under their declared names; what can be no label is refused."""

import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pandas as pd

from threephase.base.errors import shortened, warn
from threephase.data.raw_rows import NAMES, cell_text, shown

HIDDEN = "-1"  # what test labels read as where their owner keeps them back
INVISIBLE = re.compile(r"[\0\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
MISSING = ("NaN", "nan", "None", "null", "NULL")  # what programs write for nothing; a class "none" is one
WHOLE = re.compile(r"(-?\d+)\.0+")
LONGEST_LABEL = 300


def labels_of(
    values: pd.Series, split: np.ndarray, names: dict[str, str] | None, of_files: bool, refuse: Callable[..., None]
) -> pd.Series:
    """One level's labels under their declared ``names``; "" where missing, and in unlabelled rows.

    Those ``of_files``, the user's own, are brought to one spelling.
    """
    level = pd.Series([(cell_text(value) or "").strip() for value in values], dtype=str)
    level = level.where(split != "unlabelled", "")
    if of_files:
        names = names and {canonical(key): name for key, name in names.items()}
        level = _in_one_spelling(level, values, names or {}, refuse)
    refuse(
        (level == HIDDEN).groupby(split).transform("all"),
        lambda i: (
            f"{values.name}: every label of the split {split[i]!r} is hidden ({HIDDEN}), expected labels; use another "
            "split, or this one as unlabelled"
        ),
    )
    if names is None:
        return level
    declared = shortened(", ".join(key if key == name else f"{key} ({name})" for key, name in names.items()), NAMES)
    refuse(
        ~level.isin([*names, ""]),
        lambda i: f"{values.name}: got label {shown(level.iloc[i])}, expected one of: {declared}",
    )
    return level.map({**names, "": ""})


def canonical(label: str) -> str:
    """The one spelling of a label: Unicode's NFKC, without what can't be seen, 1.0 as 1."""
    label = INVISIBLE.sub("", unicodedata.normalize("NFKC", label)).strip()
    whole = WHOLE.fullmatch(label)
    return whole[1] if whole else label


def _in_one_spelling(
    level: pd.Series, values: pd.Series, names: dict[str, str], refuse: Callable[..., None]
) -> pd.Series:
    """Labels in one spelling each, told in one line where some have several; "" where one says that it is missing."""
    spelling = {label: canonical(label) for label in level.unique()}
    spelt = level.map(spelling)
    refuse(
        spelt.isin(MISSING) & ~spelt.isin(names),
        lambda i: (
            f"{values.name}: got {spelt.iloc[i]!r}, which stands for a missing label; where it is a class, declare it "
            f"(--class {spelt.iloc[i]}, or class_names)"
        ),
    )
    breaks = spelt.map(lambda label: len(label.splitlines()) > 1)
    refuse(breaks, lambda i: f"{values.name}: got a line break in the label {shown(spelt.iloc[i])}, expected a line")
    refuse(
        spelt.str.len() > LONGEST_LABEL,
        lambda i: (
            f"{values.name}: got a label of {len(spelt.iloc[i])} characters ({shown(spelt.iloc[i])}), expected at most "
            f"{LONGEST_LABEL}; name the column that holds the classes"
        ),
    )
    as_given = pd.Series([cell_text(value) or "" for value in values], dtype=str)[spelt.to_numpy() != ""]
    several = as_given.groupby(spelt[spelt != ""]).unique()
    several = several[several.map(len) > 1]
    if len(several):
        label, spellings = several.index[0], several.iloc[0]
        warn(
            f"{values.name}: {several.map(len).sum()} spellings are read as {len(several)} labels, such as "
            f"{' and '.join(map(shown, spellings[:3]))} as {shown(label)}"
        )
    return spelt


def refuse_merged_levels(examples: pd.DataFrame, refuse: Callable[..., None]) -> None:
    """Refuse a path that two lists of levels share: a/b and c, a and b/c."""
    columns = [column for column in examples.columns if column.startswith("label_")]
    first = examples.groupby("label")[columns].transform("first")
    refuse(
        (first != examples[columns]).any(axis=1),
        lambda i: (
            f"got levels {' + '.join(map(shown, examples[columns].iloc[i]))} besides "
            f"{' + '.join(map(shown, first.iloc[i]))}, which with / are one path; replace the / in a label"
        ),
    )


def missing(column: str, levels: list[str]) -> str:
    """Why a row without a label in ``column`` is refused; ``levels``: its labels, top level first."""
    given = [level for level in levels if level]
    if not given:
        return f"{column}: the label is missing"
    return f"{column}: got {len(given)} levels of labels ({'/'.join(given)}), expected {len(levels)} in every row"
