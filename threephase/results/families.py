"""Claims over several studies: p-values adjusted over a family named beforehand, and overall verdicts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from threephase.base.errors import UserError
from threephase.scores.statistics import NOT_RUN, NOT_SUPPORTED, SAME_PREDICTIONS, SUPPORTED, TOO_FEW_SEEDS, UNDECIDED
from threephase.study.params import Statistics, Study

MIXED, PARTLY_SUPPORTED = "mixed", "partly supported"
UNJUDGED = (TOO_FEW_SEEDS, SAME_PREDICTIONS, NOT_RUN)
# What is one comparison: nothing may be in a family twice.
COMPARISON = ["dataset", "protocol", "encoder", "claim", "variant", "other"]


def with_names(study: Study, claims: pd.DataFrame) -> pd.DataFrame:
    """The claims of a study with the columns study, dataset and protocol before them."""
    params = study.params
    names = {"study": params.name, "dataset": params.dataset, "protocol": params.protocol}
    return claims.assign(**names)[[*names, *claims.columns]]


def with_holm(studies: Sequence[tuple[Study, pd.DataFrame]]) -> pd.DataFrame:
    """The claims of several studies below each other, named in front and with ``p_holm`` at the end.

    ``studies``: each with its claims.csv. Within each family of ``statistics.holm_family`` the
    p-values are adjusted by Holm's method; a missing one stays missing and does not count. Raises UserError where two
    studies make the same comparison, which would count it twice.
    """
    if not studies:
        raise UserError("claims: got no study, expected at least one; run: dvc repro")
    joined = pd.concat([with_names(study, claims) for study, claims in studies], ignore_index=True)
    _refuse_twice(joined)
    family = joined.groupby(studies[0][0].shared.statistics.holm_family, sort=False)
    return joined.assign(p_holm=family["p_value"].transform(holm))


def _refuse_twice(claims: pd.DataFrame) -> None:
    twice = claims[claims.duplicated(COMPARISON, keep=False)]
    if not twice.empty:
        first = twice.iloc[0]
        same = (twice[COMPARISON] == first[COMPARISON]).all(axis=1)
        names = " and ".join(twice.loc[same, "study"])
        raise UserError(
            f"claims of {names}: got {first['variant']} against {first['other']} on {first['dataset']}, "
            f"{first['protocol']}, {first['encoder']} twice, expected it once in a family; leave one study out"
        )


def holm(p_values: pd.Series) -> pd.Series:
    """The p-values adjusted by Holm's method; a missing one stays missing and does not count."""
    from statsmodels.stats.multitest import multipletests

    adjusted, known = pd.Series(np.nan, index=p_values.index), p_values.notna()
    if known.any():
        adjusted[known] = multipletests(p_values[known].to_numpy(dtype=float), method="holm")[1]
    return adjusted


def overall(claims: pd.DataFrame, rule: Statistics) -> pd.DataFrame:
    """A row for every family and claim of ``with_holm``'s frame: its text, verdict and number of data sets.

    The verdict follows the rule of shared.yaml (``overall_verdict``).
    """
    keys, rows = [*rule.holm_family, "claim"], []
    for key, of_claim in claims.groupby(keys, sort=False):
        verdict = overall_verdict(of_claim, rule.confidence)
        rows.append((*key, of_claim["text"].iloc[0], verdict, of_claim["dataset"].nunique()))
    return pd.DataFrame(rows, columns=[*keys, "text", "verdict", "n_datasets"])


def overall_verdict(claims: pd.DataFrame, confidence: float) -> str:
    """The verdict on one claim from all its comparisons of a family: columns other, verdict and p_holm.

    A comparison counts as supported where its interval says so and its adjusted p-value is at most 1 - ``confidence``.
    The claim is supported where every comparison that could be judged counts so, and of each ``other`` at least one.
    It is partly supported where some count so and none is refuted ("not supported"). It is not supported where some
    are refuted and none counts as supported, and mixed where both happen. Otherwise it is undecided. Where no
    comparison could be judged, the verdict is what kept it from that.
    """
    supported, verdicts = _supported(claims, confidence), set(claims["verdict"])
    if NOT_SUPPORTED in verdicts:
        return MIXED if supported.any() else NOT_SUPPORTED
    if supported.any():
        everywhere = supported[~claims["verdict"].isin(UNJUDGED)].all()
        return SUPPORTED if everywhere and supported.groupby(claims["other"]).any().all() else PARTLY_SUPPORTED
    unjudged = [reason for reason in UNJUDGED if reason in verdicts]
    return UNDECIDED if verdicts - set(unjudged) else unjudged[0]


def _supported(claims: pd.DataFrame, confidence: float) -> pd.Series:
    return (claims["verdict"] == SUPPORTED) & (claims["p_holm"] <= 1 - confidence)
