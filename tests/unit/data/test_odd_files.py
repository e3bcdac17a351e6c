"""Odd, wrong and damaged data files: read as they were written, or refused in one short line."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from tests.chaos import data
from threephase.base.errors import UserError
from threephase.data.table_reader import read_parts
from threephase.project.new_source import source_of
from threephase.study.read_params import load_study
from threephase.study.source_params import DataSource

ROWS = "".join(f"fine {n},x\ncafé {n},y\n" for n in range(20))


def test_no_file_is_read_as_other_rows_or_ends_in_a_traceback(tmp_path, monkeypatch):
    default = load_study()
    monkeypatch.chdir(tmp_path)
    outcomes = [data.trial(f"suite/{number}", default) for number in range(150)]
    assert [told for _, outcome, told, _ in outcomes if outcome not in data.GOOD] == []
    # None of the kinds of outcome is missing, and right files are read.
    counts = [sum(outcome == kind for _, outcome, _, _ in outcomes) for kind in data.GOOD]
    assert counts[0] > 20 and counts[1] > 50 and counts[2] > 5
    right = [outcome for kind, outcome, _, _ in outcomes if kind == "a right file"]
    assert right.count("same rows") >= 0.95 * len(right)


@pytest.mark.parametrize(
    ("name", "content", "words", "said"),
    [
        ("a.csv", f"text,label\n{ROWS}text,label\n{ROWS}".encode(), "--text-column text --label-column label",
         "a.csv: row 41: got the header again, expected a row; remove it"),
        ("a.csv", f"text,label\n{ROWS}text,label\n".encode(), "--text-column 1 --label-column 2",
         "a.csv: row 41: got the header again, expected a row; remove it"),
        ("a.csv", f"text,label\n{ROWS}".encode() + b"caf\xe9,x\n", "--text-column text --label-column label",
         "a.csv: line 42: is not UTF-8, as the rest is; mend it, or name the encoding of all (--encoding)"),
        ("a.csv", f"text,label\n{ROWS}".encode() + b"caf\xe9,x\n" * 99, "--text-column text --label-column label",
         "a.csv: line 42: is not UTF-8, as other lines are; bring all to one encoding, or name that of all, such as"),
        ("a.csv", f"text,label\n{ROWS}".encode("utf-16-le"), "--text-column 1 --label-column 2",
         "a.csv: got a NUL in every few bytes, as UTF-16 has them, expected a text in UTF-8; name its encoding, such "
         "as --encoding utf-16-le, or save it anew"),
        ("a.jsonl", b'{"text": "a", "label": "x"}\n{"text": "b", "text": "c", "label": "y"}\n',
         "--text-column text --label-column label",
         "a.jsonl: line 2: got JSON that can't be read (the key 'text' twice in one row), expected rows; mend or"),
        ("a.json", b'[{"text": ' + b"[" * 90_000 + b"]" * 90_000 + b"}]", "--text-column text --label-column label",
         "a.json: got JSON that nests too deep, expected rows of texts and numbers"),
        ("a.json", b'[{"text": ' + b"9" * 5000 + b"}]", "--text-column text --label-column label",
         "a.json: got JSON that can't be read (Exceeds the limit (4300 digits) for integer string conversion: value"),
        ("a.csv.gz", gzip.compress(b"a", mtime=0)[:10] + b"\xff" * 9, "--text-column 1 --label-column 2",
         "a.csv.gz: can't be unpacked: Error -3 while decompressing data: invalid block type"),
    ],
)  # fmt: skip
def test_what_would_be_read_as_other_rows_is_refused(tmp_path, monkeypatch, name, content, words, said):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(UserError) as refused:
        source, *_ = source_of(data.parser().parse_args(["mine", f"--file={name}", *words.split()]))
        list(read_parts(Path(name), DataSource(**source)))
    assert str(refused.value).startswith(said)


def test_a_number_beyond_all_numbers_is_no_text(tmp_path, monkeypatch):
    default = load_study()
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text("".join(f'{{"text": {n}e{400 * (n == 3)}, "label": "x"}}\n' for n in range(9)))
    with pytest.raises(UserError, match="^a.jsonl: row 4: text: got a number beyond all that a computer holds, expect"):
        data.read(["--file=a.jsonl", "--text-column=text", "--label-column=label"], default)


def test_columns_of_a_folder_of_tables_go_by_number(tmp_path, monkeypatch):
    default = load_study()
    monkeypatch.chdir(tmp_path)
    Path("all").mkdir()
    for split in ("train", "test"):
        rows = [(f"{split} {n}", "xy"[n % 2]) for n in range(20)]
        pd.DataFrame(rows, columns=["body", "topic"]).to_parquet(f"all/{split}.parquet")
    examples = data.read(["--file=all", "--text-column=1", "--label-column=2"], default)
    assert examples["split"].value_counts().to_dict() == {"train": 20, "test": 20}
