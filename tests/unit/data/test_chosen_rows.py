"""Which rows a definition keeps: stratified test rows, contradicting labels, a sample; in any order of the rows."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threephase.data import cleaning
from threephase.study.source_params import Dataset, DataSource

DATASET = Dataset("small", "Small", DataSource(files="rows.csv"), ["text"], ["label"], True, None)


def frame(*rows: tuple[str, str], split: str = "train") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["text", "label"]).assign(split=split)


def of_sizes(sizes: list[int]) -> pd.DataFrame:
    return frame(
        *((f"text {label} {row}", f"class {label}") for label, size in enumerate(sizes) for row in range(size))
    )


def by_text(examples: pd.DataFrame) -> dict[str, str]:
    return dict(zip(examples["text"], examples["split"], strict=True))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=8), st.integers(0, 99), st.data())
def test_each_class_of_two_rows_or_more_trains_and_tests_in_any_order_of_the_rows(sizes, seed, drawn):
    examples, small = of_sizes(sizes), sum(size > 1 for size in sizes)
    test_rows = drawn.draw(st.integers(max(2, small), max(2, small, len(examples) - len(sizes))))
    if test_rows > len(examples) - len(sizes):
        return  # no room for all of them
    tested = cleaning.with_test_rows(examples, test_rows, "rows.csv", stratified=True)
    assert (tested["split"] == "test").sum() == test_rows
    for _, rows in tested.groupby("label"):
        assert set(rows["split"]) == ({"train", "test"} if len(rows) > 1 else {"train"})
    shuffled = examples.sample(frac=1, random_state=seed)
    assert by_text(cleaning.with_test_rows(shuffled, test_rows, "rows.csv", stratified=True)) == by_text(tested)


def test_a_class_has_its_share_of_the_test_rows():
    tested = cleaning.with_test_rows(of_sizes([100, 50, 10, 2, 1]), 33, "rows.csv", stratified=True)
    assert tested.loc[tested["split"] == "test", "label"].value_counts().sort_index().tolist() == [20, 10, 2, 1]


def test_a_pilot_has_no_stratified_test_row_of_its_study():
    examples = of_sizes([30, 20, 4])
    study = by_text(cleaning.with_test_rows(examples, 10, "rows.csv", stratified=True))
    pilot = cleaning.with_test_rows(examples, 8, "rows.csv", withheld_rows=10, stratified=True)
    assert set(pilot["text"]) == {text for text, split in study.items() if split == "train"}


CONTRADICTION = frame(("same", "x"), ("same", "y"), ("other", "x"), ("same", "y"), ("tied", "x"), ("tied", "y"))


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        ("first", {"same": "x", "other": "x", "tied": "x"}),
        ("majority", {"same": "y", "other": "x", "tied": "x"}),
        ("drop", {"other": "x"}),
    ],
)
def test_a_text_with_different_labels_is_settled_as_asked(choice, kept, capsys):
    examples = cleaning.chosen(CONTRADICTION, replace(DATASET, contradicting_labels=choice))
    assert dict(zip(examples["text"], examples["label"], strict=True)) == kept and examples.index[0] == 0
    said = f"warning: 2 texts stand with different labels; {cleaning.KEPT[choice]}\n"
    assert capsys.readouterr().err == said


def test_unlabelled_copies_contradict_nothing():
    rows = pd.concat([frame(("same", "x")), frame(("same", ""), split="unlabelled")], ignore_index=True)
    for choice in ("first", "majority", "drop"):
        examples = cleaning.chosen(rows, replace(DATASET, contradicting_labels=choice))
        assert examples[["label", "split"]].values.tolist() == [["x", "train"]]


def test_a_sample_has_so_many_rows_and_keeps_the_shares_of_splits_and_classes():
    rows = pd.concat([of_sizes([600, 300]), of_sizes([60, 30]).assign(split="test")], ignore_index=True)
    rows["text"] += rows["split"]
    sample = cleaning.chosen(rows, replace(DATASET, sample_rows=99))
    counts = sample.groupby(["split", "label"]).size()
    assert len(sample) == 99 and counts.tolist() == pytest.approx([6, 3, 60, 30], abs=1)
    assert sample.index.tolist() == list(range(99))
    again = cleaning.chosen(rows.sample(frac=1, random_state=1), replace(DATASET, sample_rows=99))
    assert set(again["text"]) == set(sample["text"])
    assert len(cleaning.chosen(rows, replace(DATASET, sample_rows=5000))) == len(rows)


def test_what_asks_for_nothing_keeps_every_row():
    kept = cleaning.chosen(CONTRADICTION, replace(DATASET, deduplicate=False))
    assert kept.equals(CONTRADICTION)
