"""What counts as a class of a user's own data: what is declared, one label a cell, and names instead of numbers."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_new_source import BY_NAME, ROWS, SOURCES, added, pairs, refusal, table

from threephase.data.table_reader import read_parts
from threephase.project import new_study
from threephase.study.source_params import DataSource


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_missing_names_are_classes_where_named():
    Path("a.csv").write_text(table(rows=[*ROWS, *[(f"more {i}", "None") for i in range(9)]]))
    _, examples = added(f"--file a.csv {BY_NAME} --class None")
    assert examples["label"].value_counts().to_dict() == {"x": 20, "y": 20, "None": 9}


def test_a_class_of_two_words_that_are_classes_too_is_one_where_named():
    rows = [*ROWS, *[(f"more {i}", "x y") for i in range(9)]]
    Path("a.csv").write_text(table(rows=rows))
    assert "row 41: label: got several labels ('x y'), expected one" in refusal(f"--file a.csv {BY_NAME}")
    assert pairs(added(f"--file a.csv {BY_NAME}", "--class", "x y")[1]) == rows
    Path("a.csv").write_text(table(rows=[*rows, ("last", "y x")]))
    said = refusal(f"--file a.csv {BY_NAME}", "--class", "x y")
    assert said.startswith("a.csv: row 50: label: got several labels ('y x'), expected one")


def test_a_refusal_of_several_labels_is_short_whatever_the_names_are():
    folder, column = Path("f" * 200), "c" * 100
    folder.mkdir()
    (folder / "a.csv").write_text(table(rows=[*ROWS, *[("t", "x y " * 99)] * 9999], columns=("text", column)))
    said = refusal(f"--file {folder}/a.csv --text-column text --label-column {column}")
    assert said.startswith("...") and "f/a.csv: row 41: ccc" in said
    assert said.endswith(" (--class, or class_names) (9998 more like it: 42, 43, 44, 45, ...)")


def test_numbers_of_classes_in_parquet_are_their_names_unless_the_numbers_are_declared():
    datasets = pytest.importorskip("datasets")
    classes = datasets.ClassLabel(names=["plum", "iron"])
    features = datasets.Features({"text": datasets.Value("string"), "label": classes, "id": datasets.Value("int64")})
    columns = {"text": [text for text, _ in ROWS], "label": ["xy".index(label) for _, label in ROWS]}
    large = [2**60 + 1, *[None] * (len(ROWS) - 1)]
    datasets.Dataset.from_dict(columns | {"id": large}, features=features).to_parquet("a.parquet")
    source, examples = added(f"--file a.parquet {BY_NAME}")
    assert examples["label"].tolist() == [classes.names[number] for number in columns["label"]]
    for declared in ({"0": "bad", "1": "good"}, {"plum": "bad", "iron": "good"}):
        definition = new_study.dataset_definition("mine", source, ["text"], ["label"]) | {"class_names": declared}
        found = new_study.read_examples("mine", definition, SOURCES)[2]
        assert found["label"].tolist() == [["bad", "good"][number] for number in columns["label"]]
    _, _, rows = next(read_parts(Path("a.parquet"), DataSource()))
    assert rows["id"].iloc[0] == 2**60 + 1
    # Arrow keeps the names where the column of labels is taken out, as of texts to label.
    given = pq.read_table("a.parquet")
    pq.write_table(given.select(["text"]).replace_schema_metadata(given.schema.metadata), "b.parquet")
    _, _, rows = next(read_parts(Path("b.parquet"), DataSource()))
    assert rows["text"].tolist() == columns["text"]
