"""Users' files as they are: each kind is read as its writer meant it, or refused in one line that names the cause."""

import gzip
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from commands import add_study
from threephase.base.errors import UserError
from threephase.data import cleaning
from threephase.data.sources import read_source
from threephase.project import new_source, new_study
from threephase.study.schema import build
from threephase.study.source_params import Dataset, Sources

SOURCES = Sources(["folder", "hub", "python_package"], None, None)
ROWS = [(f"{word} number {i}", label) for i in range(20) for word, label in (("fine", "x"), ("bad", "y"))]
BY_NAME, BY_NUMBER = "--text-column text --label-column label", "--text-column 1 --label-column 2"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def added(words: str, *more: str) -> tuple[dict, pd.DataFrame]:
    """What add_study writes as ``source``, and the examples; read again by the written keys alone, as a stage does."""
    arguments = add_study.parser().parse_args(["mine", *words.split(), *more])
    source, texts, labels = new_source.source_of(arguments)
    definition = new_study.dataset_definition("mine", source, texts, labels)
    examples = new_study.read_examples("mine", definition, SOURCES, arguments.classes)[2]
    dataset = build(Dataset, {"name": "mine"} | json.loads(json.dumps(definition)), Path("data/mine.yaml"))
    rows, _ = read_source(dataset, SOURCES, Path("data/mine.yaml"))
    # What is read can be written, and is what the stages train on.
    rows.to_parquet("rows.parquet.tmp")
    again = cleaning.chosen(cleaning.clean(pd.read_parquet("rows.parquet.tmp"), dataset), dataset)
    pd.testing.assert_frame_equal(again, examples)
    return source, again


def refusal(words: str, *more: str) -> str:
    with pytest.raises(UserError) as refused:
        added(words, *more)
    assert "\n" not in str(refused.value) and len(str(refused.value)) <= 300, str(refused.value)
    return str(refused.value)


def table(separator: str = ",", header: bool = True, rows=ROWS, columns=("text", "label")) -> str:
    given = ([columns] if header else []) + list(rows)
    return "".join(separator.join(map(str, row)) + "\n" for row in given)


def pairs(examples: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(examples["text"], examples["label"], strict=True))


COMMAS = [(f"well, {text}", label) for text, label in ROWS]
SWAPPED = [(label, text) for text, label in COMMAS]


@pytest.mark.parametrize(
    ("name", "content", "words", "rows", "keys"),
    [
        ("a.csv", table(), BY_NAME, ROWS, {"separator": ",", "quote": '"', "encoding": "utf-8", "header": True}),
        ("a.csv", table(";", rows=SWAPPED, columns=("label", "text")), BY_NAME, COMMAS, {"separator": ";"}),
        ("a.csv", table(", "), BY_NAME, ROWS, {"separator": ","}),
        ("a.tsv", table("\t"), BY_NAME, ROWS, {"separator": "\t", "header": True}),
        ("a.txt", table("\t", header=False), BY_NUMBER, ROWS, {"separator": "\t", "header": False}),
        ("a.csv", table(";", header=False, rows=COMMAS), BY_NUMBER, COMMAS, {"separator": ";", "header": False}),
        ("a.csv", table("|"), BY_NUMBER, ROWS, {"separator": "|", "header": True}),
        ("a.csv", table("^"), f"{BY_NAME} --separator ^", ROWS, {"separator": "^"}),
        ("a.csv", "sep=;\n" + table(";", rows=COMMAS), BY_NAME, COMMAS, {"separator": ";"}),
        ("a.CSV", table(), BY_NAME, ROWS, {}),
        ("a.csv", table().replace("\n", "\r\n"), BY_NAME, ROWS, {}),
        ("a.csv", table().replace("\n", "\r"), BY_NAME, ROWS, {}),
        ("a.csv", table().replace("\n", "\n\n"), BY_NAME, ROWS, {}),
        ("a.txt", table("\t").replace("fine", '"fine'), BY_NAME, [(t.replace("fine", '"fine'), v) for t, v in ROWS],
         {"quote": ""}),
        ("a.csv", table().replace("fine number", "'fine, number").replace(",x", "',x"), f"{BY_NAME} --quote '",
         [(t.replace("fine", "fine,"), v) for t, v in ROWS], {"quote": "'"}),
        ("a.jsonl", "".join(json.dumps({"text": t, "label": v}) + "\n" for t, v in ROWS), BY_NAME, ROWS, {}),
        ("a.jsonl", "".join(json.dumps([t, v]) + "\n" for t, v in ROWS), BY_NUMBER, ROWS, {}),
        ("a.JSON", json.dumps([{"text": t, "label": v} for t, v in ROWS]), BY_NAME, ROWS, {}),
        ("a.json", json.dumps({"version": 1, "data": [{"text": t, "label": v} for t, v in ROWS]}), BY_NAME, ROWS, {}),
        ("a.json", json.dumps({"text": [t for t, _ in ROWS], "label": [v for _, v in ROWS]}), BY_NAME, ROWS, {}),
        ("a.json", pd.DataFrame(ROWS, columns=["text", "label"]).to_json(), BY_NAME, ROWS, {}),
    ],
)  # fmt: skip
def test_a_file_is_read_as_its_writer_meant_it(name, content, words, rows, keys):
    Path(name).write_text(content, encoding="utf-8", newline="")
    source, examples = added(f"--file {name} {words}")
    assert pairs(examples) == rows
    assert {key: source[key] for key in keys} == keys


def test_the_split_keyed_form_is_read_by_its_splits():
    splits = {"train": ROWS[:30], "val": ROWS[30:34], "test": ROWS[34:]}
    Path("a.json").write_text(json.dumps(splits))
    source, examples = added(f"--file a.json {BY_NUMBER}")
    assert source["splits"] == {"train": "train", "validation": "val", "test": "test"}
    assert examples["split"].value_counts().to_dict() == {"train": 30, "validation": 4, "test": 6}
    Path("a.json").write_text(json.dumps(splits | {"oos_val": ROWS[:2]}))
    assert "got rows under train, val, test, oos_val, expected one list" in refusal(f"--file a.json {BY_NUMBER}")
    words = f"--file a.json {BY_NUMBER} --split train=train --split test=test"
    assert added(words)[1]["split"].value_counts().to_dict() == {"train": 30, "test": 6}


def test_packed_files_parquet_and_excel():
    pytest.importorskip("openpyxl")
    Path("a.csv.gz").write_bytes(gzip.compress(table(";").encode()))
    with zipfile.ZipFile("b.zip", "w") as archive:
        archive.writestr("data/b.TSV", table("\t"))
        archive.writestr("__MACOSX/._b.TSV", "")
    frame = pd.DataFrame(ROWS, columns=["text", "label"])
    frame.to_parquet("c.parquet")
    frame.to_excel("d.xlsx", index=False)
    for name in ("a.csv.gz", "b.zip", "c.parquet", "d.xlsx"):
        for columns in (BY_NAME, BY_NUMBER):
            assert pairs(added(f"--file {name} {columns}")[1]) == ROWS, name
    frame.to_excel("e.xlsx", index=False, header=False)
    assert pairs(added(f"--file e.xlsx {BY_NUMBER} --no-header")[1]) == ROWS
    with zipfile.ZipFile("b.zip", "a") as archive:
        archive.writestr("more.csv", table())
    assert refusal(f"--file b.zip {BY_NAME}").startswith("b.zip: got 2 files in it (data/b.TSV, more.csv)")


def test_folders_of_texts_and_parallel_files():
    for number, (text, label) in enumerate(ROWS):
        file = Path("texts") / label / f"{number:02d}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    source, examples = added("--file texts")
    assert source["label_from"] == "folder" and sorted(pairs(examples)) == sorted(ROWS)
    Path("lines").mkdir()
    for label in "xy":
        Path(f"lines/{label}.txt").write_text("".join(f"{text}\n" for text, other in ROWS if other == label))
    source, examples = added("--file lines")
    assert source["label_from"] == "file" and sorted(pairs(examples)) == sorted(ROWS)
    Path("texts.txt").write_text("".join(f"{text}\n" for text, _ in ROWS))
    Path("labels.txt").write_text("".join(f"{label}\n" for _, label in ROWS))
    source, examples = added("--file texts.txt --labels labels.txt")
    assert source["label_files"] == "labels.txt" and pairs(examples) == ROWS
    Path("labels.txt").write_text("x\ny\n")
    said = refusal("--file texts.txt --labels labels.txt")
    assert said.startswith("labels.txt: got 2 lines, expected 40 as in texts.txt")


def test_hidden_files_of_a_folder_such_as_a_mac_adds_are_no_data():
    for number, (text, label) in enumerate(ROWS):
        for file in (Path("texts") / label / f"{number:02d}.txt", Path("texts/.hidden") / f"{number}.txt"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    Path("lines/.hidden").mkdir(parents=True)
    Path("tables").mkdir()
    for label in "xy":
        Path(f"lines/{label}.txt").write_text("".join(f"{text}\n" for text, other in ROWS if other == label))
        Path(f"tables/{label}.csv").write_text(table(rows=[row for row in ROWS if row[1] == label]))
    for folder in ("texts", "texts/x", "lines", "tables"):
        for name in (".DS_Store", "._x.csv"):
            Path(folder, name).write_bytes(b"\0\5Mac OS X\xff\xfe\x81")
    for words in ("texts", "lines", f"tables {BY_NAME}"):
        assert sorted(pairs(added(f"--file {words}")[1])) == sorted(ROWS), words


def test_encodings_are_found_or_asked_for():
    western = [(f"café {text}", label) for text, label in ROWS]
    for encoding, found in (("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("cp1252", "cp1252")):
        Path("a.csv").write_text(table(rows=western), encoding=encoding)
        source, examples = added(f"--file a.csv {BY_NAME}")
        assert (source["encoding"], pairs(examples)) == (found, western)
    russian = [(f"хорошая новость {i}" if i % 2 else f"плохая погода {i}", "xy"[i % 2]) for i in range(40)]
    Path("a.csv").write_text(table(rows=russian), encoding="cp1251")
    said = refusal(f"--file a.csv {BY_NAME}")
    assert said.startswith("a.csv: line 2: is not UTF-8, and no Western text; name its encoding, such as --encoding ")
    assert pairs(added(f"--file a.csv {BY_NAME} --encoding cp1251")[1]) == russian


SPELLINGS = [
    (f"{word} {i}", label) for i, label in enumerate(["1", "1.0", " 1 ", "0", "0.0", "１"] * 5) for word in "ab"
]
OPEN = 'fine 1,x\n"open,x\ngood 2,y\nend" here,x\nbad 3,y\n'
CLOSED = OPEN.replace('end" here,x', 'end",x')


def test_spellings_of_a_label_are_one_label(capsys):
    Path("a.csv").write_text(table(rows=SPELLINGS), encoding="utf-8")
    _, examples = added(f"--file a.csv {BY_NAME}")
    assert set(examples["label"]) == {"0", "1"}
    assert "warning: label: 5 spellings are read as 2 labels, such as '0' and '0.0' as '0'\n" in capsys.readouterr().err
    halves = {
        "train": [(t, v.strip()[0]) for t, v in SPELLINGS[:30]],
        "test": [(t, f"{v.strip()[0]}.0") for t, v in SPELLINGS[30:]],
    }
    for split, rows in halves.items():
        Path(f"{split}.csv").write_text(table(rows=rows), encoding="utf-8")
    _, examples = added(f"--file train=train.csv --file test=test.csv {BY_NAME}")
    assert set(examples["label"]) == {"0", "1"}
    accents = [
        (text, {"x": "é" if i % 4 else "e\u0301", "y": "zero\u200b" if i % 3 else "zero"}[label])
        for i, (text, label) in enumerate(ROWS)
    ]
    Path("a.csv").write_text(table(rows=accents), encoding="utf-8")
    assert set(added(f"--file a.csv {BY_NAME}")[1]["label"]) == {"é", "zero"}


@pytest.mark.parametrize("label", ["of 300 characters " + "n" * 282, "$", "<script>", "=1+1", "none", "a/b", "{{x}}"])
def test_odd_class_names_are_classes(label):
    rows = [(text, label if given == "x" else given) for text, given in ROWS]
    Path("a.csv").write_text(table(rows=rows))
    assert pairs(added(f"--file a.csv {BY_NAME}")[1]) == rows


def test_numbers_and_texts_are_labels_of_one_column():
    rows = [{"text": text, "label": 1 if label == "x" else "s"} for text, label in ROWS]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert set(added(f"--file a.jsonl {BY_NAME}")[1]["label"]) == {"1", "s"}


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        ("text,label\n" + OPEN, BY_NAME, 'a.csv: line 3: a quote (") opens a field that it doesn\'t close'),
        ("text,label\n" + CLOSED + table(header=False), BY_NAME, "a.csv: line 3: a quote opens here and takes in"),
        ("text,label\n\"open,x\n" + table(header=False), BY_NAME, 'a.csv: line 2: a quote (") opens a field that'),
        (table(rows=[*ROWS, ("a", "b", "x")]), BY_NAME, "a.csv: line 42: got 3 fields, expected 2 as in the first row"),
        (table(rows=[*ROWS, ("a",)]), BY_NAME, "a.csv: line 42: got 1 fields, expected 2 as in the first row"),
        (table(columns=("text", "text", "label"), rows=[("a", *row) for row in ROWS]), BY_NAME,
         "a.csv: got the column 'text' twice, expected it once"),
        (table(), BY_NAME.replace("label-column label", "label-column topic"),
         "a.csv: got columns text, label, expected 'topic' among them; of a file without header: --no-header"),
        ("one\ntwo\n", BY_NAME, "a.csv: got one field ('one'), expected several with , ; | or a tab between"),
        (table(";", header=False, rows=[("a;b", "x,1"), ("c;d", "y,2")] ), BY_NUMBER, "a.csv: got two ways to read it"),
        (table(rows=[*ROWS, ("\u200b", "x")]), BY_NAME, "a.csv: row 41: the text is empty"),
        (table(rows=[*ROWS, ("\0", "x")]), BY_NAME, "a.csv: row 41: the text is empty"),
        (table(rows=[*ROWS, ("a", "NaN")]), BY_NAME, "a.csv: row 41: label: got 'NaN', which stands for a missing"),
        (table(rows=[*ROWS, ("a", "None")]), BY_NAME, "a.csv: row 41: label: got 'None', which stands for a miss"),
        (table(rows=[*ROWS, ("a", "")]), BY_NAME, "a.csv: row 41: label: the label is missing"),
        (table(rows=[*ROWS, ("a", '"x\ny"')]), BY_NAME, "a.csv: row 41: label: got a line break in the label 'x\\ny'"),
        (table(rows=[*ROWS, ("a", "n" * 301)]), BY_NAME, "a.csv: row 41: label: got a label of 301 characters"),
        (table(rows=[*ROWS, ("t 1", '"4,27"'), ("t 2", 4)]), BY_NAME,
         "a.csv: row 41: label: got several labels ('4,27'), expected one; leave one, or declare all of it as one"),
        (table(rows=[*ROWS, ("t 1", "8 10 2"), ("t 2", 8), ("t 3", "2 8")]), BY_NAME,
         "a.csv: row 41: label: got several labels ('8 10 2'), expected one; leave one, or declare all of it as one "
         "class (--class, or class_names) (1 more like it: 43)"),
        (table(rows=[*ROWS, ("t 1", "x;y")]), f"{BY_NAME} --separator ,", "a.csv: row 41: label: got several labels"),
        (table(rows=[*ROWS, ("t 1", "\"['p', 'q']\"")]), BY_NAME, "a.csv: row 41: label: got several labels"),
        (table(columns=("text", "top", "leaf"), rows=[(f"{w} {i}", *levels) for i in range(20) for w, levels in
         (("u", ("a/b", "c")), ("v", ("a", "b/c")))]), "--text-column text --label-column top --label-column leaf",
         "a.csv: row 2: got levels 'a' + 'b/c' besides 'a/b' + 'c', which with / are one path; replace the /"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_in_one_line(content, words, said):
    Path("a.csv").write_text(content, encoding="utf-8")
    assert refusal(f"--file a.csv {words}").startswith(said)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"text": "a", "label": ["p", "q"]},
            "a.jsonl: row 41: label: got several labels (['p', 'q']), expected one",
        ),
        ({"text": "a", "label": {"p": 1}}, "a.jsonl: row 41: label: got {'p': 1} (dict), expected a text or a number"),
        ({"text": ["a"], "label": "p"}, "a.jsonl: row 41: text: got ['a'] (list), expected a text or a number"),
        ({"text": "a \ud800", "label": "x"}, "a.jsonl: row 41: text: got half a character (a lone surrogate)"),
        ({"text": "a", "label": None}, "a.jsonl: row 41: label: the label is missing"),
        ({"text": "a", "label": float("nan")}, "a.jsonl: row 41: label: the label is missing"),
    ],
)
def test_cells_of_json_that_are_no_text_are_refused(row, said):
    rows = [{"text": text, "label": label} for text, label in ROWS]
    Path("a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in [*rows, row]))
    assert refusal(f"--file a.jsonl {BY_NAME}").startswith(said)


def test_a_binary_column_and_other_kinds_of_file_are_refused():
    pd.DataFrame([(text.encode(), label) for text, label in ROWS], columns=["text", "label"]).to_parquet("a.parquet")
    said = refusal(f"--file a.parquet {BY_NAME}")
    assert said.startswith("a.parquet: row 1: text: got b'fine number 0' (bytes), expected a text or a number")
    for name, hint in (
        ("a.xls", "save it as .xlsx or CSV"),
        ("a.pkl", "to_parquet(...)"),
        ("a.docx", "save it as CSV"),
    ):
        Path(name).write_text("x")
        assert hint in refusal(f"--file {name} {BY_NAME}")


def test_empty_rows_are_passed_over_and_told(capsys):
    lines = table().splitlines()
    Path("a.csv").write_text("\n".join([*lines[:3], "", ",", *lines[3:]]) + "\n\n")
    assert pairs(added(f"--file a.csv {BY_NAME}")[1]) == ROWS
    told = "warning: a.csv: empty rows are passed over: 2\n"
    assert capsys.readouterr().err == 2 * told  # by add_study, and by the stage behind it


def test_an_ambiguous_quote_is_read_as_chosen():
    Path("a.csv").write_text("text,label\n" + CLOSED + table(header=False))
    assert len(added(f"--file a.csv {BY_NAME} --quote none")[1]) == 45
    assert len(added(f'--file a.csv {BY_NAME} --quote "')[1]) == 43
