"""New texts: read and checked as the study's are, and written with their columns, label and probabilities."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_kept_classifier import LABELS, NEW, described, of_words

from threephase.base.errors import UserError
from threephase.phases.kept_classifier import WORDS, Description
from threephase.phases.new_texts import NewTexts, stdin_texts, texts_of, write_predictions


def given(file: Path, description: Description) -> list[str]:
    """The texts of a file."""
    return [text for _, text in texts_of(file, description).rows]


def test_predictions_stand_beside_their_rows_in_any_block(tmp_path, monkeypatch, capsys):
    kept, expected = of_words(tmp_path / "kept")
    texts = [NEW[0], "", *NEW[1:], ""]
    written = []
    for block in (1, 2, 1000):
        monkeypatch.setattr("threephase.phases.new_texts.BLOCK", block)
        output = io.StringIO()
        write_predictions(kept, NewTexts([], (([], text) for text in texts)), output)
        written.append(output.getvalue())
        assert capsys.readouterr().err == "warning: rows without a text, which got no label: 2, the first is row 2\n"
    assert len(set(written)) == 1
    (tmp_path / "out.csv").write_text(written[0], encoding="utf-8")
    table = np.genfromtxt(tmp_path / "out.csv", delimiter=",", skip_header=1, usecols=0)
    assert table.tolist() == list(range(1, len(texts) + 1))
    assert written[0].splitlines()[2] == "2,,,,"
    assert written[0].splitlines()[1].endswith(",".join(f"{value:.6f}" for value in expected[0].astype(np.float32)))


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "xlsx"])
def test_an_empty_row_of_a_file_does_not_move_the_rows_below_it(tmp_path, kind, capsys):
    kept, _ = of_words(tmp_path / "kept")
    file, texts = tmp_path / f"new.{kind}", [f"plum {number}" for number in range(10)]
    rows = [*texts[:5], None, *texts[5:]]
    if kind == "jsonl":
        lines = [json.dumps({"text": text, "place": 1}) if text else "" for text in rows]
    else:
        separator = "," if kind == "csv" else "\t"
        lines = [f"text{separator}place", *(f"{text}{separator}1" if text else "" for text in rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if kind == "xlsx":
        pytest.importorskip("openpyxl")
        pd.DataFrame({"text": rows, "place": [text and 1 for text in rows]}).to_excel(file, index=False)
    assert given(file, kept.described) == [text or "" for text in rows]
    output = io.StringIO()
    write_predictions(kept, texts_of(file, kept.described), output)
    found = [line.split(",")[:4] for line in output.getvalue().splitlines()[1:]]
    expected = [[str(row), text or "", "1" if text else ""] for row, text in enumerate(rows, start=1)]
    assert [line[:3] for line in found] == expected
    assert [row for row, *_, label in found if not label] == ["6"]
    assert capsys.readouterr().err == "warning: rows without a text, which got no label: 1, the first is row 6\n"


def test_the_input_s_columns_stand_before_the_label_under_names_of_their_own(tmp_path):
    kept, _ = of_words(tmp_path / "kept")
    file = tmp_path / "new.csv"
    file.write_text('id,label,text,row,input_row,id\n007,x,"plum, ""ripe""\nred",9,8,0\n', encoding="utf-8")
    output = io.StringIO(newline="")
    write_predictions(kept, texts_of(file, kept.described), output)
    names, line = csv.reader(io.StringIO(output.getvalue(), newline=""))
    assert names[:8] == ["row", "id", "input_label", "text", "input_input_row", "input_row", "id", "label"]
    assert line[:7] == ["1", "007", "x", 'plum, "ripe"\nred', "9", "8", "0"] and line[7] in LABELS
    assert names[8:] == [f"probability_{label}" for label in sorted(LABELS)]


def test_cells_of_every_kind_are_written_as_they_are(tmp_path):
    others = {"id": pd.array([2**60 + 1, None], "Int64"), "parts": [["p", "q"], None], "share": [0.5, 2.0]}
    pd.DataFrame({"text": ["a", "b"]} | others).to_parquet(tmp_path / "new.parquet")
    columns, rows = texts_of(tmp_path / "new.parquet", described(WORDS))
    assert columns == ["text", "id", "parts", "share"]
    assert list(rows) == [(["a", "1152921504606846977", "['p', 'q']", "0.5"], "a"), (["b", "", "", "2"], "b")]


def test_lines_of_the_standard_input_are_read_one_by_one_and_kept_as_they_are():
    stream = io.TextIOWrapper(io.BytesIO("a  plum \n\nüb\n".encode()), encoding="ascii")
    columns, rows = stdin_texts(stream, described(WORDS))
    assert (columns, list(rows)) == (["text"], [(["a  plum "], "a plum"), ([""], ""), (["üb"], "üb")])


def test_a_file_of_one_column_has_the_texts_of_a_study_by_number(tmp_path):
    file, numbered = tmp_path / "new.csv", described(WORDS, text_columns=["2"], separator=",", header=False)
    file.write_text("plum\niron\n", encoding="utf-8")
    assert given(file, numbered) == ["plum", "iron"]
    file.write_text("x,plum\ny,iron\n", encoding="utf-8")
    assert given(file, numbered) == ["plum", "iron"]
    (tmp_path / "new.json").write_text('[["plum"], ["iron"]]')
    assert given(tmp_path / "new.json", numbered) == ["plum", "iron"]
    file.write_text("plum\niron\n", encoding="utf-8")
    for columns in (["text"], ["2", "3"]):
        with pytest.raises(UserError, match=f"new.csv: got columns 1, expected '{columns[0]}' among them"):
            texts_of(file, described(WORDS, text_columns=columns, separator=",", header=False))


def test_a_refused_file_names_no_option_that_predict_lacks(tmp_path):
    lines, splits = tmp_path / "new.csv", tmp_path / "new.json"
    lines.write_text("plum;x, y\n" * 9)
    splits.write_text('{"a": [{"text": "a"}], "b": [{"text": "b"}]}')
    for file, columns, said in (
        (lines, ["1"], r"\(separated by ',' or ';'\), expected one; name the sign in a first line, such as sep=;"),
        (splits, ["text"], "got rows under a, b, expected one list of rows, or one a split; leave one"),
        (tmp_path, ["text"], "no such file"),
    ):
        with pytest.raises(UserError, match=said) as refused:
            texts_of(file, described(WORDS, text_columns=columns, header=columns != ["1"]))
        # Options of another command stand in parentheses with its name.
        assert "--" not in re.sub(r"\([^()]*add_study[^()]*\)", "", str(refused.value))
    lines.write_text("sep=;\n" + lines.read_text())
    assert given(lines, described(WORDS, text_columns=["1"], header=False)) == ["plum"] * 9


def test_a_table_gives_the_study_s_texts(tmp_path):
    file = tmp_path / "new.csv"
    file.write_text('title,body\n"a  <b>bold</b>\nplum", and more \n,only\n', encoding="utf-8")
    description = described(WORDS, text_columns=["title", "body"], strip_tags=True)
    assert given(file, description) == ["a bold plum and more", "only"]
    (tmp_path / "one.csv").write_text('text\nplum\n"iron, cold"\n', encoding="utf-8")
    assert given(tmp_path / "one.csv", described(WORDS)) == ["plum", "iron, cold"]
    with pytest.raises(UserError, match=r"new.csv: got columns title, body, expected 'text' among them"):
        texts_of(file, described(WORDS))
    for name in ("missing.csv", "new.doc"):
        with pytest.raises(UserError, match=r"no such file|expected"):
            texts_of(tmp_path / name, description)


def test_texts_of_several_lines_and_a_file_of_one_row_are_texts(tmp_path):
    file, numbered = tmp_path / "new.csv", described(WORDS, text_columns=["1"])
    file.write_text('text\n"one\ntwo\nthree"\n"a, b\nc, d"\n', encoding="utf-8")
    assert given(file, described(WORDS)) == ["one two three", "a, b c, d"]
    file.write_text("plum;x\n", encoding="utf-8")
    assert given(file, numbered) == ["plum"]
    for content in ("", "text\n"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match="new.csv: got 0 rows, expected some$"):
            texts_of(file, described(WORDS))


def test_new_texts_are_read_and_checked_as_the_study_s_are(tmp_path):
    file, odd, kept = tmp_path / "new.csv", tmp_path / "new.json", described(WORDS)
    file.write_text("text,text\na one,b one\na two,b two\n", encoding="utf-8")
    with pytest.raises(UserError, match="new.csv: got the column 'text' twice, expected it once"):
        texts_of(file, kept)
    file.write_text("Great phone, love it\nBad service, no\n", encoding="utf-8")
    plain = described(WORDS, text_columns=["1"], separator="\t", quote="", header=False)
    assert given(file, plain) == ["Great phone, love it", "Bad service, no"]
    with pytest.raises(
        UserError, match=r"new.csv: got columns Great .*, expected 'text' among them \(separated by ';'"
    ):
        texts_of(file, described(WORDS, separator=";"))
    for cell in ('{"a": 1}', '["l", "m"]'):
        odd.write_text(f'[{{"text": "a"}}, {{"text": {cell}}}]', encoding="utf-8")
        with pytest.raises(UserError, match="new.json: row 2: text: got .*, expected a text or a number"):
            texts_of(odd, kept)
    odd.write_text('[{"text": 3.0}, {"text": null}]', encoding="utf-8")
    assert given(odd, kept) == ["3", ""]
    odd.write_text('{"train": [{"text": "a"}], "test": [{"text": "b"}]}', encoding="utf-8")
    with pytest.raises(UserError, match="new.json: got rows of train, test, expected one list of rows"):
        texts_of(odd, kept)
    pd.DataFrame({"text": pd.Series(["a", None], dtype="string")}).to_parquet(tmp_path / "new.parquet")
    assert given(tmp_path / "new.parquet", kept) == ["a", ""]
