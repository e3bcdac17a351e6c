"""Curves over numbers of labels: intervals that hold together, the methods that may be the best, crossings, Holm."""

import shutil

import numpy as np
import pytest
from small_project import REPOSITORY, change

from threephase.base.errors import UserError
from threephase.results.differences import CellRows
from threephase.results.label_curves import Column, crossings, family_frame, sign_of
from threephase.scores.statistics import ROWS_ONLY, SEEDS_AND_ROWS, Interval
from threephase.study.label_params import UNTRAINED, Family, LabelCurves, column_name, load_label_curves
from threephase.study.read_params import load_shared, load_study

# Four rows, the same with every seed: mean 2, variance 2/3, standard error sqrt(2/3/4) = 0.4082.
STEP, ERROR = np.array([1.0, 2.0, 3.0, 2.0]), 0.40825
# Student's t with 3 degrees of freedom, as tables print it: 95% of 1, 2, 3 and 4 comparisons together, and 60%.
T = {1: 3.1824, 2: 4.1765, 3: 4.8567, 4: 5.3919}
T_POWER = 0.9785
CURVES = LabelCurves(["bbc", "sst5"], [8, None], Family("ft", ["joint", "majority"], [8]), [["ft", "joint"]])


@pytest.fixture(scope="module")
def study():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        yield load_study()


def column(study, seeds: int = 3, **steps: float) -> Column:
    """Methods whose values are so many times ``STEP``, whatever the seed."""
    rows = {}
    for name, times in steps.items():
        values = np.tile(50 + times * STEP, (seeds, 1))
        rows[name] = CellRows(["a", "b", "c", "d"], ["x"] * 4, values, np.ones((seeds, 4), dtype=bool), None)
    return Column(study, rows)


@pytest.mark.parametrize("count", T)
def test_an_interval_is_as_wide_as_its_number_of_comparisons_asks(study, count):
    found = column(study, ft=1, joint=0).difference("ft", "joint", count)
    assert found.mean == pytest.approx(2) and found.kind == SEEDS_AND_ROWS
    assert (found.low, found.high) == pytest.approx((2 - T[count] * ERROR, 2 + T[count] * ERROR), abs=1e-3)
    # Of three comparisons it still lies above 0, of four no longer.
    assert sign_of(found) == (count < 4)


def test_a_mean_holds_together_with_the_other_methods_and_stays_within_0_and_100(study):
    three = column(study, ft=1, joint=0, dae_ft=-25, majority=0)
    assert three.methods == ["ft", "joint", "dae_ft"]
    found = three.mean("ft")
    assert (found.mean, found.high) == pytest.approx((52, 52 + T[3] * ERROR), abs=1e-3)
    assert three.mean("dae_ft").mean == pytest.approx(0) and three.mean("dae_ft").low == 0


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({"ft": 1, "joint": 0}, ["ft"]),
        ({"ft": 1, "joint": 1, "dae_ft": 0}, ["ft", "joint"]),
        ({"ft": 0, "joint": 1, "dae_ft": 2}, ["dae_ft"]),
        # Four methods, of which each is compared with three others: 2 points are still told.
        ({"ft": 1, "joint": 0, "dae_ft": 0, "cl_ft": 0}, ["ft"]),
        # Of five they no longer are, and nothing is left out.
        ({"ft": 1, "joint": 0, "dae_ft": 0, "cl_ft": 0, "extra": 0}, ["ft", "joint", "dae_ft", "cl_ft", "extra"]),
        # Guessing is no method: it takes no confidence from the others, and is never among the best.
        ({"ft": 1, "joint": 0, "dae_ft": 0, "cl_ft": 0, "majority": 9}, ["ft"]),
        ({"ft": 1}, ["ft"]),
    ],
)
def test_a_method_may_be_the_best_unless_another_is_shown_to_beat_it(study, steps, expected):
    assert column(study, **steps).not_excluded() == expected


def test_two_seeds_exclude_nothing(study):
    two = column(study, seeds=2, ft=9, joint=0)
    assert two.difference("ft", "joint", 1).kind == ROWS_ONLY and two.not_excluded() == ["ft", "joint"]


ABOVE, BELOW, OPEN = (Interval(0, low, high, SEEDS_AND_ROWS) for low, high in ((1, 2), (-2, -1), (-1, 1)))


@pytest.mark.parametrize(
    ("band", "expected"),
    [
        ([BELOW, BELOW, ABOVE, ABOVE], [(8, 16, 1)]),
        ([BELOW, OPEN, OPEN, ABOVE], [(4, None, 1)]),
        ([ABOVE, BELOW, OPEN, ABOVE], [(4, 8, -1), (8, None, 1)]),
        ([OPEN, ABOVE, OPEN, ABOVE], []),
        ([OPEN, OPEN, OPEN, BELOW], []),
        ([BELOW, Interval(2, 1, 3, ROWS_ONLY), BELOW, BELOW], []),
        ([], []),
    ],
)
def test_a_crossing_lies_between_columns_whose_bands_have_different_signs(band, expected):
    assert crossings(list(zip([4, 8, 16, None], band, strict=False))) == expected


def test_holm_corrects_for_all_that_was_named_published_or_not(study):
    # Two of the four named comparisons are published: 8 labels of bbc.
    one = column(study, ft=1, joint=0, majority=0.9)
    frame = family_frame({("bbc", 8): one, ("bbc", None): one, ("sst5", None): one}, CURVES)
    assert frame[["dataset", "shots", "variant", "other"]].to_numpy().tolist() == [
        ["bbc", 8, "ft", "joint"], ["bbc", 8, "ft", "majority"],
    ]  # fmt: skip
    # Both differences are the same in units of their standard error: 2 / 0.40825 = 4.899, of which p is 0.01628.
    assert frame["p_value"].tolist() == pytest.approx([0.01628] * 2, abs=1e-4)
    assert frame["p_holm"].tolist() == pytest.approx([4 * 0.01628] * 2, abs=4e-4)
    assert frame["verdict"].tolist() == ["supported"] * 2
    assert frame["detectable"][0] == pytest.approx((T[1] + T_POWER) * ERROR, abs=1e-3)
    assert frame["detectable_holm"][0] == pytest.approx((T[4] + T_POWER) * ERROR, abs=1e-3)
    both = family_frame({("bbc", 8): one, ("sst5", 8): one}, CURVES)
    assert both["p_holm"].tolist() == pytest.approx([4 * 0.01628] * 4, abs=4e-4)


def test_without_a_p_value_there_is_none_by_holm(study):
    frame = family_frame({("bbc", 8): column(study, seeds=2, ft=1, joint=0)}, CURVES)
    assert frame["p_holm"].isna().all() and frame["verdict"].tolist() == ["too few seeds"]
    assert family_frame({}, CURVES).empty


def test_the_named_comparisons_are_24_and_a_column_has_a_name(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    assert load_label_curves(load_shared()).comparisons == 24
    assert [column_name("bbc", shots) for shots in (4, None)] == ["bbc_labels_4", "bbc_labels"]
    assert column_name("bbc", 8, UNTRAINED) == "bbc_untrained_8"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("family.variant", "three_phases", "family: got 'three_phases', expected one of: three_phase"),
        ("family.shots", [8, 9], r"family.shots: got 9, expected some of shots: \[4, 8, 16, 32, 64, None\]"),
        ("crossings", [["ft", "ft"]], "crossings: got .*, expected pairs of two variants each"),
        ("crossings", [["ft", "gpt"]], "crossings: got 'gpt', expected one of: three_phase"),
        ("datasets", ["bbc", "banking"], "datasets: got 'banking', expected one of: ag_news, "),
    ],
)
def test_what_is_named_must_exist(tmp_path, monkeypatch, key, value, said):
    monkeypatch.chdir(REPOSITORY)
    shared = load_shared()
    shutil.copytree("data", tmp_path / "data")
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/label_curves.yaml").write_bytes((REPOSITORY / "studies/label_curves.yaml").read_bytes())
    change(tmp_path, "studies/label_curves.yaml", {key: value})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        load_label_curves(shared)
