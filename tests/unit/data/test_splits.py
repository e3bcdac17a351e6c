"""Splits of a seed: which rows are where, what a seed changes, and what no label may change."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_project import REPOSITORY

from threephase.base.errors import UserError
from threephase.data.cleaning import with_test_rows
from threephase.data.splits import draw_split, of_phase_1
from threephase.study.read_params import load_study
from threephase.study.resolve import split_settings

ORIGIN = "runs/data/examples.parquet"
PARTS = ["train", "validation", "test", "unlabelled"]
seeds = st.integers(0, 2**31)
class_sizes = st.lists(st.integers(1, 60), min_size=2, max_size=6)


@pytest.fixture(scope="module")
def plain():
    """The default study's settings of a split, without a long tail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        study = load_study()
    return replace(split_settings(study), validation_share=0.2, long_tail_ratio=None, long_tail_largest=None)


def rows(sizes, split="train", start=0) -> pd.DataFrame:
    """Rows of classes "0", "1" ... of the given sizes, in mixed order."""
    labels = np.repeat([str(number) for number in range(len(sizes))], sizes)
    labels = labels[np.random.default_rng(0).permutation(len(labels))]
    ids = [f"{split}-{start + number:06d}" for number in range(len(labels))]
    return pd.DataFrame({"example_id": ids, "text": [f"text {i}" for i in ids], "label": labels, "split": split})


def with_tests(sizes, tests=10) -> pd.DataFrame:
    return pd.concat([rows(sizes), rows([tests] * len(sizes), "test")], ignore_index=True)


def part_sizes(examples, split, part) -> pd.Series:
    classes = sorted(examples["label"].unique())
    return examples.loc[split["part"] == part, "label"].value_counts().reindex(classes, fill_value=0)


@settings(deadline=None)
@given(sizes=class_sizes, seed=seeds, share=st.floats(0.05, 0.6))
def test_parts_are_disjoint_and_complete_and_keep_the_test_rows(plain, sizes, seed, share):
    examples = with_tests(sizes, 2)
    assume(0 < round(share * sum(sizes)) < sum(sizes) and sorted(sizes)[-2] > 4)  # two classes are left to train on
    split = draw_split(examples, replace(plain, validation_share=share), seed, ORIGIN)
    assert split["example_id"].tolist() == examples["example_id"].tolist()
    assert split["part"].isin(["train", "validation", "test"]).all()
    assert ((split["part"] == "test") == (examples["split"] == "test")).all()
    assert (split["part"] == "validation").sum() == round(share * sum(sizes))


@settings(deadline=None)
@given(sizes=st.lists(st.integers(2, 60), min_size=2, max_size=6), seed=seeds, share=st.floats(0.05, 0.5))
def test_validation_keeps_the_natural_class_balance(plain, sizes, seed, share):
    examples = with_tests(sizes)
    assume(round(share * sum(sizes)) > 0 and sorted(sizes)[-2] > 4)
    split = draw_split(examples, replace(plain, validation_share=share), seed, ORIGIN)
    got = part_sizes(examples, split, "validation").to_numpy()
    # Each class is off by less than one row; together they are cut to one total.
    allowed = 1.5 + len(sizes) * np.array(sizes) / sum(sizes)
    assert (np.abs(got - share * np.array(sizes)) <= allowed).all()


def test_the_only_row_of_a_class_trains(plain):
    examples = with_tests([30, 30, 1])
    for seed in range(20):
        split = draw_split(examples, plain, seed, ORIGIN)
        assert part_sizes(examples, split, "train")["2"] == 1


def test_a_seed_repeats_its_split_and_another_draws_another(plain):
    examples = with_tests([40, 40])
    splits = [draw_split(examples, plain, seed, ORIGIN)["part"].tolist() for seed in (0, 0, 1, 2)]
    assert splits[0] == splits[1]
    assert len({tuple(split) for split in splits}) == 3


def test_every_row_besides_the_test_set_validates_for_some_seed(plain):
    examples = with_tests([20, 20])
    parts = np.array([draw_split(examples, plain, seed, ORIGIN)["part"] for seed in range(60)])
    drawn = (parts == "validation").mean(axis=0)[examples["split"] == "train"]
    assert drawn.min() > 0 and drawn.max() < 0.6 and drawn.mean() == pytest.approx(0.2)


def test_an_official_validation_set_is_kept(plain):
    examples = pd.concat([with_tests([20, 20]), rows([5, 5], "validation")], ignore_index=True)
    split = draw_split(examples, plain, 3, ORIGIN)
    assert (split["part"] == examples["split"]).all()


def test_unlabelled_rows_stay_unlabelled(plain):
    examples = pd.concat([with_tests([20, 20]), rows([5], "unlabelled").assign(label="")], ignore_index=True)
    split = draw_split(examples, plain, 3, ORIGIN)
    assert ((split["part"] == "unlabelled") == (examples["split"] == "unlabelled")).all()


@pytest.mark.parametrize("long_tail", [(None, None), (8, 16)])
def test_labels_of_test_rows_decide_nothing(plain, long_tail):
    chosen = replace(plain, long_tail_ratio=long_tail[0], long_tail_largest=long_tail[1])
    examples = with_tests([40, 40, 40])
    poisoned = examples.assign(label=examples["label"].mask(examples["split"] == "test", "0"))
    for seed in range(5):
        assert draw_split(examples, chosen, seed, ORIGIN).equals(draw_split(poisoned, chosen, seed, ORIGIN))


def test_labels_decide_nothing_about_which_rows_test():
    examples = rows([30, 30])
    poisoned = examples.assign(label=examples["label"].to_numpy()[::-1])
    assert with_test_rows(examples, 20, ORIGIN)["split"].equals(with_test_rows(poisoned, 20, ORIGIN)["split"])


def test_train_rows_keeps_so_many_training_rows_in_their_balance_and_no_others(plain):
    chosen = replace(plain, long_tail_ratio=None, long_tail_largest=None, train_rows=40)
    examples = pd.concat([with_tests([100, 50, 10, 1]), rows([30, 30], "validation")], ignore_index=True)
    drawn = [draw_split(examples, chosen, seed, ORIGIN) for seed in range(5)]
    for split in drawn:
        kept = examples.loc[split.index]
        assert (kept["example_id"] == split["example_id"]).all()
        sizes = kept.loc[split["part"] == "train", "label"].value_counts()
        assert sizes.sum() == 40 and sizes["3"] == 1 and sizes["0"] / sizes["1"] == pytest.approx(2, rel=0.15)
        others = examples.index[examples["split"] != "train"]
        assert (split.loc[others, "part"] == examples.loc[others, "split"]).all() and len(split) == 40 + len(others)
        assert (split["adapts"] == (split["part"] == "train")).all()
    assert len({tuple(split.index) for split in drawn}) == 5
    few = draw_split(examples, replace(chosen, shots=4), 0, ORIGIN)
    assert part_sizes(examples.loc[few.index], few, "train").tolist()[:2] == [4, 4]
    assert of_phase_1(few, plain).equals(of_phase_1(drawn[0], plain))
    with pytest.raises(UserError, match=r"got 161 rows for training, expected at least 162 \(train_rows\)"):
        draw_split(examples, replace(chosen, train_rows=162), 0, ORIGIN)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_long_tail_sizes_fall_geometrically(plain, classes):
    chosen = replace(plain, long_tail_ratio=16, long_tail_largest=112)
    examples = with_tests([160] * classes)
    split = draw_split(examples, chosen, 0, ORIGIN)
    sizes = np.sort(part_sizes(examples, split, "train"))[::-1]
    assert sizes[0] == 112 and sizes[0] / sizes[-1] == pytest.approx(16)
    assert np.allclose(sizes[:-1] / sizes[1:], 16 ** (1 / (classes - 1)), rtol=0.02)
    # What is cut serves phase 1, and validation is drawn before the cut, in natural balance.
    assert part_sizes(examples, split, "validation").tolist() == [32] * classes
    assert (split["part"] == "unlabelled").sum() == classes * 128 - sizes.sum()
    assert (part_sizes(examples, split, "test") == 10).all()


def test_the_seed_draws_which_class_is_large(plain):
    chosen = replace(plain, long_tail_ratio=16, long_tail_largest=112)
    examples = with_tests([160] * 3)
    orders = set()
    for seed in range(40):
        sizes = part_sizes(examples, draw_split(examples, chosen, seed, ORIGIN), "train")
        orders.add(tuple(sizes.sort_values().index))
    assert len(orders) == 6


def test_the_long_tail_draws_no_other_validation_rows(plain):
    examples = with_tests([160] * 3)
    chosen = replace(plain, long_tail_ratio=16, long_tail_largest=112)
    whole, tailed = (draw_split(examples, settings, 0, ORIGIN)["part"] for settings in (plain, chosen))
    assert ((whole == "validation") == (tailed == "validation")).all()


def test_long_tail_of_a_single_row(plain, capsys):
    chosen = replace(plain, long_tail_ratio=16, long_tail_largest=16)
    examples = with_tests([50] * 3)
    split = draw_split(examples, chosen, 0, ORIGIN)
    assert sorted(part_sizes(examples, split, "train")) == [1, 4, 16]
    assert capsys.readouterr().err.count("warning: ") == 1


@pytest.mark.parametrize(("size", "said"), [(1, "has a single training example"), (0, "has no training example")])
def test_a_class_with_too_few_training_examples_is_named_in_a_warning(plain, capsys, size, said):
    examples = with_tests([30, 30, size])
    split = draw_split(examples, plain, 0, ORIGIN)
    assert part_sizes(examples, split, "train")["2"] == size
    warned = capsys.readouterr().err
    assert warned.startswith(f"warning: {ORIGIN}: class '2' {said}") and warned.count("\n") == 1


def test_no_warning_where_every_class_has_two_training_examples(plain, capsys):
    draw_split(with_tests([30, 3]), plain, 0, ORIGIN)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("examples", "changes", "said"),
    [
        (rows([9, 9]), {}, "got no test rows, expected a test split or test_rows in the data set's definition"),
        (rows([9, 9], "test"), {}, "got 0 rows besides the test set, expected enough for validation_share 0.2"),
        (with_tests([1, 1]), {}, "got 2 rows besides the test set, expected enough for validation_share 0.2"),
        (with_tests([1, 1]), {"validation_share": 0.9}, "got 2 rows besides the test set, expected enough for"),
        (with_tests([9, 0]), {}, "got 1 classes in the training part of seed 2, expected at least two"),
        (
            pd.concat([rows([9, 9], "validation"), rows([9, 9], "test")], ignore_index=True),
            {},
            "got 0 classes in the training part of seed 2, expected at least two",
        ),
        (
            with_tests([20, 10]),
            {"long_tail_ratio": 2, "long_tail_largest": 40},
            "class '1': got 8 rows for training, expected at least 40 (long_tail_largest)",
        ),
    ],
)
def test_too_few_rows_are_refused(plain, examples, changes, said):
    with pytest.raises(UserError) as refusal:
        draw_split(examples, replace(plain, **changes), 2, ORIGIN)
    assert str(refusal.value).startswith(f"{ORIGIN}: {said}")


@settings(deadline=None)
@given(sizes=class_sizes, folds=st.integers(2, 6))
def test_folds_cover_all_rows_once_and_spread_each_class(plain, sizes, folds):
    examples = rows(sizes)
    assume(len(examples) >= 4 * folds and sorted(sizes)[-2] > 3 * folds)
    folded = replace(plain, folds=folds, validation_share=0.2)
    tests = [draw_split(examples, folded, seed, ORIGIN)["part"] == "test" for seed in range(folds)]
    assert (sum(test.astype(int) for test in tests) == 1).all()
    counts = [test.sum() for test in tests]
    assert max(counts) - min(counts) <= 1
    for number, size in enumerate(sizes):
        of_class = [(test & (examples["label"] == str(number))).sum() for test in tests]
        assert max(of_class) - min(of_class) <= 1 and sum(of_class) == size


def test_what_a_fold_leaves_is_cut_as_any_training_set(plain):
    examples = rows([40, 40, 20])
    split = draw_split(examples, replace(plain, folds=5, validation_share=0.2), 3, ORIGIN)
    assert split["part"].value_counts().to_dict() == {"train": 64, "test": 20, "validation": 16}
    assert (split["adapts"] == (split["part"] == "train")).all()


def test_released_code_sees_all_rows_of_a_set_without_test_rows_in_phases_1_and_2(plain):
    released = {"validation_cut": False, "selection_split": "test", "rows_of_phases_1_2": "all_without_test_set"}
    split = draw_split(rows([40, 40, 20]), replace(plain, folds=5, **released), 0, ORIGIN)
    assert split["part"].value_counts().to_dict() == {"train": 80, "test": 20}
    assert split["adapts"].all()
    # Where there is a test set, its rows are left alone.
    with_own = draw_split(with_tests([40, 40]), replace(plain, **released), 0, ORIGIN)
    assert (with_own["adapts"] == (with_own["part"] == "train")).all() and (with_own["part"] == "test").any()


def test_rows_that_choose_the_epoch_must_exist(plain):
    with pytest.raises(UserError, match="got no validation rows, expected some to choose the best epoch by"):
        draw_split(with_tests([40, 40]), replace(plain, validation_cut=False), 0, ORIGIN)


def test_rows_need_not_exist_where_none_choose(plain):
    chosen = replace(plain, validation_cut=False, selection_split="none")
    assert set(draw_split(with_tests([40, 40]), chosen, 0, ORIGIN)["part"]) == {"train", "test"}


@settings(deadline=None)
@given(sizes=st.lists(st.integers(3, 60), min_size=2, max_size=6), seed=seeds)
def test_shots_are_so_many_a_class_or_all_within_those_of_more_shots(plain, sizes, seed):
    examples = with_tests(sizes)
    assume(round(0.2 * sum(sizes)) > 0)
    whole = draw_split(examples, plain, seed, ORIGIN)
    before, available = set(), part_sizes(examples, whole, "train")
    assume((available > 0).sum() > 1)
    for shots in (1, 4, 8, 100):
        split = draw_split(examples, replace(plain, shots=shots), seed, ORIGIN)
        assert part_sizes(examples, split, "train").tolist() == available.clip(upper=shots).tolist()
        kept = set(split.index[split["part"] == "train"])
        assert before <= kept and (split["adapts"] == (split["part"] == "train")).all()
        # Test and validation rows are those of the whole part, and what loses its label stays as unlabelled.
        for part in ("test", "validation"):
            assert ((split["part"] == part) == (whole["part"] == part)).all()
        assert ((split["part"] == "unlabelled") == ((whole["part"] == "train") & ~split.index.isin(kept))).all()
        before = kept
    assert split.equals(whole)


def test_another_seed_draws_other_shots(plain):
    examples, chosen = with_tests([40, 40]), replace(plain, shots=4, validation_cut=False, selection_split="none")
    parts = [draw_split(examples, chosen, seed, ORIGIN)["part"] for seed in range(60)]
    drawn = np.mean([part == "train" for part in parts], axis=0)[examples["split"] == "train"]
    assert drawn.min() > 0 and drawn.max() < 0.4 and drawn.mean() == pytest.approx(0.1)


def test_phase_1_is_told_the_same_of_any_number_of_labels(plain):
    examples = pd.concat([with_tests([30, 20]), rows([7, 7], "unlabelled", 50)], ignore_index=True)
    cuts = [{}, {"shots": 2}, {"shots": 8}, {"long_tail_ratio": 2, "long_tail_largest": 8}]
    told = []
    for cut in cuts:
        chosen = replace(plain, **cut)
        split = draw_split(examples, chosen, 0, ORIGIN)
        told.append(of_phase_1(split, chosen))
        assert of_phase_1(split, replace(chosen, phase_1_knows_labels=True)).equals(split)
    assert all(of_cut.equals(told[0]) for of_cut in told) and not told[0]["adapts"].any()
    assert told[0]["part"].value_counts().to_dict() == {"unlabelled": 54, "test": 20, "validation": 10}


def test_phase_1_keeps_the_labels_of_rows_that_are_no_training_rows(plain):
    released = {"rows_of_phases_1_2": "all_without_test_set", "folds": 5}
    split = draw_split(rows([40, 40, 20]), replace(plain, **released), 0, ORIGIN)
    told = of_phase_1(split, plain)
    assert (told["adapts"] == (split["part"] != "train")).all()
    assert (told["adapts"] | (told["part"] == "unlabelled")).equals(split["adapts"])
