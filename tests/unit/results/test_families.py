"""Holm's adjustment over a family of claims on several data sets, and a claim's overall verdict."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_project import REPOSITORY

from threephase.base.errors import UserError
from threephase.results.families import overall, overall_verdict, with_holm
from threephase.results.results import CLAIM_COLUMNS
from threephase.study.read_params import load_study

OTHERS = ["ft", "joint", "dae_ft"]


@pytest.fixture(scope="module")
def default_study():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        yield load_study("bbc")


def study_of(default, dataset: str, protocol: str = "described"):
    params = dataclasses.replace(default.params, name=f"{dataset}_{protocol}", dataset=dataset, protocol=protocol)
    return dataclasses.replace(default, params=params)


def claims_of(p_values, verdicts=None, encoder: str = "minilm_l6") -> pd.DataFrame:
    frame = pd.DataFrame({"other": OTHERS[: len(p_values)], "p_value": pd.Series(p_values, dtype=float)})
    frame = frame.assign(claim=[f"beats_{name}" for name in frame["other"]], variant="three_phase", encoder=encoder)
    frame = frame.assign(text=frame["claim"], verdict=verdicts or "undecided")
    return frame.reindex(columns=CLAIM_COLUMNS)


def holm_by_hand(p_values: list[float]) -> list[float]:
    """The k-th smallest of m times m - k + 1, never below a smaller one's, at most 1."""
    adjusted, least = {}, 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        least = max(least, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = least
    return [adjusted[index] for index in range(len(p_values))]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=12))
def test_the_adjusted_values_are_holm_s_over_the_family(default_study, p_values):
    parts = [p_values[first : first + 3] for first in range(0, len(p_values), 3)]
    studies = [(study_of(default_study, f"data{i}"), claims_of(part)) for i, part in enumerate(parts)]
    adjusted = with_holm(studies)
    assert list(adjusted) == ["study", "dataset", "protocol", *CLAIM_COLUMNS, "p_holm"]
    assert len(adjusted) == len(p_values)
    known = [value is not None for value in p_values]
    assert adjusted["p_holm"].notna().tolist() == known
    expected = holm_by_hand([value for value in p_values if value is not None])
    np.testing.assert_allclose(adjusted.loc[known, "p_holm"], expected, rtol=1e-12)


def test_protocols_and_encoders_are_families_of_their_own(default_study):
    described, released = study_of(default_study, "sst5"), study_of(default_study, "sst5", "released")
    frames = [claims_of([0.01, 0.02]), claims_of([0.03], encoder="minilm_l12")]
    adjusted = with_holm([(described, pd.concat(frames)), (released, claims_of([0.04]))])
    assert adjusted["p_holm"].tolist() == pytest.approx([0.02, 0.02, 0.03, 0.04])
    rule = dataclasses.replace(default_study.shared.statistics, holm_family=["encoder"])
    shared = dataclasses.replace(default_study.shared, statistics=rule)
    adjusted = with_holm([(dataclasses.replace(described, shared=shared), frames[0]), (released, claims_of([0.04]))])
    assert adjusted["p_holm"].tolist() == pytest.approx([0.03, 0.04, 0.04])


def test_the_same_comparison_twice_is_refused(default_study):
    again = study_of(default_study, "sst5")
    again = dataclasses.replace(again, params=dataclasses.replace(again.params, name="sst5_again"))
    studies = [(study_of(default_study, "sst5"), claims_of([0.01, 0.2])), (again, claims_of([0.3]))]
    said = "claims of sst5_described and sst5_again: got three_phase against ft on sst5, described, minilm_l6 twice"
    with pytest.raises(UserError, match=said):
        with_holm(studies)


def test_no_study_at_all_is_refused():
    with pytest.raises(UserError, match="claims: got no study, expected at least one"):
        with_holm([])


YES, NO, OPEN, FEW, GONE = "supported", "not supported", "undecided", "too few seeds", "not run"
PARTLY, SAME = "partly supported", "same predictions"


@pytest.mark.parametrize(
    ("comparisons", "verdict"),
    [
        ([("a", YES, 0.01)], YES),
        ([("a", YES, 0.01), ("a", OPEN, 0.6)], PARTLY),  # on one data set, and not on another
        ([("a", YES, 0.01), ("a", SAME, 1.0)], YES),  # nothing was compared there
        ([("a", YES, 0.01), ("b", YES, 0.04)], YES),
        ([("a", YES, 0.01), ("b", OPEN, 0.6)], PARTLY),  # one of what it was to beat is open
        ([("a", YES, 0.01), ("b", GONE, None)], PARTLY),
        ([("a", YES, 0.06)], OPEN),  # by its own interval, but not among so many
        ([("a", YES, 0.01), ("a", NO, 0.9)], "mixed"),
        ([("a", YES, 0.06), ("a", NO, 0.9)], NO),
        ([("a", NO, 0.9), ("b", OPEN, 0.5)], NO),
        ([("a", OPEN, 0.5), ("b", FEW, None)], OPEN),
        ([("a", FEW, None), ("b", GONE, None)], FEW),
        ([("a", GONE, None)], GONE),
        ([("a", SAME, 1.0), ("a", OPEN, 0.5)], OPEN),
        ([("a", SAME, 1.0)], SAME),
    ],
)
def test_the_overall_verdict_follows_its_rule(comparisons, verdict):
    claims = pd.DataFrame(comparisons, columns=["other", "verdict", "p_holm"])
    assert overall_verdict(claims, 0.95) == verdict
    assert overall_verdict(claims[::-1], 0.95) == verdict


def test_every_claim_of_a_family_has_a_verdict(default_study):
    first = claims_of([0.001, 0.5, None], [YES, OPEN, GONE])
    second = claims_of([0.04, 0.9, None], [YES, NO, FEW])
    verdicts = overall(
        with_holm([(study_of(default_study, "sst5"), first), (study_of(default_study, "snips2"), second)]),
        default_study.shared.statistics,
    ).set_index("claim")
    assert list(verdicts["verdict"]) == [PARTLY, NO, FEW] and set(verdicts["n_datasets"]) == {2}
    assert set(verdicts["protocol"]) == {"described"} and set(verdicts["encoder"]) == {"minilm_l6"}
