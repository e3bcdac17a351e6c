"""The columns of a table that nobody names: found where there is one way to see them, else refused in one line."""

import json
from pathlib import Path

import pandas as pd
import pytest

from commands import add_study
from threephase.base.errors import UserError
from threephase.project import new_source

ROWS = [(f"{word} number {n}", label) for n in range(20) for word, label in (("fine", "good"), ("bad", "poor"))]
NAMES = ["the review", "topic"]
FRAME = pd.DataFrame(ROWS, columns=NAMES)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(*words: str) -> tuple[dict, list[str], list[str]]:
    return new_source.source_of(add_study.parser().parse_args(["mine", *words]))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]])
def test_of_a_table_of_two_the_one_with_few_values_is_the_label(separator, names):
    FRAME[names].to_csv("a.csv", sep=separator, index=False)
    source, texts, labels = found("--file", "a.csv")
    assert (texts, labels, source["separator"], source["header"]) == (["the review"], ["topic"], separator, True)
    said = new_source.how_read(source, texts, labels)
    assert said.startswith("Read with text 'the review', label 'topic', encoding 'utf-8', ")


def test_whatever_the_table_is_written_in():
    FRAME.to_parquet("a.parquet")
    FRAME.to_json("a.jsonl", orient="records", lines=True)
    FRAME.to_csv("train.csv", index=False)
    FRAME.to_csv("test.csv", index=False, sep=",", quoting=1)
    Path("lists.json").write_text(json.dumps(ROWS))
    for words in ("a.parquet", "a.jsonl", "train=train.csv --file test=test.csv"):
        assert found("--file", *words.split())[1:] == (["the review"], ["topic"])
    assert found("--file", "lists.json")[1:] == (["1"], ["2"])


def test_a_column_of_splits_is_neither_and_a_file_without_header_has_numbers():
    FRAME.assign(part=["train", "test"] * 20).to_csv("a.csv", index=False)
    assert found("--file", "a.csv", "--split-column", "part")[1:] == (["the review"], ["topic"])
    FRAME.to_csv("b.csv", index=False, header=False)
    assert found("--file", "b.csv", "--no-header")[1:] == (["1"], ["2"])


REMEDY = ", expected one of texts and one of labels; name them: TEXT=... LABEL=... of make, --text-column and "


@pytest.mark.parametrize(
    ("frame", "header", "columns"),
    [
        (FRAME.assign(id=range(40)), True, "the review, topic, id"),
        (FRAME.assign(stars=3), True, "the review, topic, stars"),
        (FRAME[["topic"]], True, "topic"),
        (FRAME.assign(topic=range(40)), True, "the review, topic"),
        (FRAME, False, "fine number 0, good"),
    ],
)
def test_a_doubt_is_refused_with_the_columns_that_there_are(frame, header, columns):
    frame.to_csv("a.csv", index=False, header=header)
    with pytest.raises(UserError) as refused:
        found("--file", "a.csv")
    assert str(refused.value) == f"a.csv: got columns {columns}{REMEDY}--label-column"


def test_one_of_both_is_not_completed():
    FRAME.to_csv("a.csv", index=False)
    with pytest.raises(UserError, match=r"^LABEL= \(--label-column\): expected the column's name, or its number"):
        found("--file", "a.csv", "--text-column", "the review")
