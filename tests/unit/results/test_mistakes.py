"""Confusions and disagreements: counted by hand on few rows, drawn for every trained variant, shown on the page."""

import html
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_study import HOSTILE_TEXT, LABELS, TEST_ROWS, make_study

from stages import render_report
from threephase.base import paths
from threephase.base.files import write_table
from threephase.report.finished import read_finished
from threephase.report.mistake_pictures import MOST_CHARACTERS, MOST_ROWS, mistakes_context
from threephase.report.rows import rows_of
from threephase.results import mistakes


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_study(tmp_path)


def predicted(**by_variant):
    """Predictions of the rows a, b, c with labels x, x, y: by variant a text of predicted classes a seed."""
    rows = [
        {"encoder": "e", "variant": variant, "seed": seed, "example_id": name, "label": label, "predicted": said}
        for variant, seeds in by_variant.items()
        for seed, answers in enumerate(seeds)
        for name, label, said in zip("abc", "xxy", answers, strict=True)
    ]
    return pd.DataFrame(rows)


def test_confusions_are_summed_over_seeds_and_divided_by_the_labels_rows():
    frame = mistakes.confusion_frame(predicted(one=["xyy", "xxx"]), ["x", "y", "z"])
    by_pair = frame.set_index(["label", "predicted"])
    assert list(frame.columns) == mistakes.CONFUSION_COLUMNS and len(frame) == 9
    assert by_pair.loc[("x", "x"), ["rows", "percent"]].tolist() == [3, 75.0]
    assert by_pair.loc[("x", "y"), ["rows", "percent"]].tolist() == [1, 25.0]
    assert by_pair.loc[("y", "x"), ["rows", "percent"]].tolist() == [1, 50.0]
    # No test row has the label z: no share of nothing.
    assert by_pair.loc["z", "rows"].eq(0).all() and by_pair.loc["z", "percent"].isna().all()


def test_the_diagonal_gives_the_accuracy(study):
    predictions, classes = mistakes.trained_predictions(study)
    frame = mistakes.confusion_frame(predictions, classes)
    right = frame[frame["label"] == frame["predicted"]].groupby("variant")["rows"].sum()
    expected = (predictions["label"] == predictions["predicted"]).groupby(predictions["variant"]).sum()
    assert right.to_dict() == expected.to_dict() and classes == sorted(LABELS)
    assert set(frame["variant"]) == set(study.params.trained())
    assert frame.groupby("variant")["rows"].sum().eq(TEST_ROWS * len(study.params.seeds)).all()


def test_rows_are_ordered_by_spread_then_by_distinct_predictions_then_by_id():
    # Row a: 100 and 0 percent right, two classes; b: 50 and 50; c: 100 and 0, three classes.
    frame = mistakes.disagreements_frame(predicted(one=["xxy", "xyy"], two=["yxz", "yyx"]))
    assert frame["example_id"].tolist() == ["c", "a"]
    assert frame["spread"].tolist() == [50.0, 50.0] and frame["distinct_predictions"].tolist() == [3, 2]
    assert frame[["correct_one", "correct_two"]].to_numpy().tolist() == [[100.0, 0.0], [100.0, 0.0]]
    assert frame["label"].tolist() == ["y", "x"]
    assert np.std([100, 0]) == 50


def test_variants_that_agree_have_no_disagreement_and_one_alone_neither():
    assert mistakes.disagreements_frame(predicted(one=["xyy"], two=["xyy"])).empty
    assert mistakes.disagreements_frame(predicted(one=["xyy"])).empty


def test_a_study_without_trained_variants_has_empty_tables(study):
    empty = mistakes.trained_predictions(study)[0].iloc[:0]
    assert list(mistakes.confusion_frame(empty, []).columns) == mistakes.CONFUSION_COLUMNS
    assert list(mistakes.disagreements_frame(empty).columns) == mistakes.DISAGREEMENT_COLUMNS


def confusion(study, frame=None):
    """What the page draws of confusions, with another table than the study's own if given."""
    if frame is not None:
        write_table(paths.mistakes(paths.REPORTS) / "confusion.csv", frame)
    return mistakes_context(read_finished(study), texts=False)["confusion"]


def own_confusions(study):
    return mistakes.confusion_frame(*mistakes.trained_predictions(study))


def test_every_trained_variant_has_a_panel_with_its_numbers(study):
    frame, drawn = own_confusions(study), confusion(study)
    trained = [row for row in rows_of(study) if row.variant in study.params.trained()]
    assert [panel["title"] for panel in drawn["panels"]] == [row.label for row in trained]
    assert drawn["classes"] == sorted(LABELS)
    for panel, row in zip(drawn["panels"], trained, strict=True):
        shares = frame.loc[(frame["variant"] == row.variant) & (frame["percent"] >= 0.5), "percent"]
        assert [field["number"] for field in panel["fields"]] == [f"{share:.0f}" for share in shares]
        assert [field["opacity"] for field in panel["fields"]] == [round(share / 100, 2) for share in shares]


def test_a_variant_without_predictions_shows_as_missing(study):
    drawn = confusion(study, own_confusions(study).query("variant != 'joint'"))
    assert [panel["title"] for panel in drawn["panels"] if panel["fields"] is None] == ["Joint phases 1 and 2"]


@pytest.mark.parametrize("number", [2, 10, 11, 40])
def test_class_names_of_any_kind_and_number_are_listed_as_they_are(study, number):
    names = ["NA", "n" * 10_000, *(f"class {number:02d}" for number in range(number - 2))]
    pairs = pd.MultiIndex.from_product([names, names], names=["label", "predicted"]).to_frame(index=False)
    drawn = confusion(study, pairs.assign(encoder="minilm_l6", variant="three_phase", rows=1, percent=100 / number))
    assert drawn["classes"] == names
    fields = drawn["panels"][0]["fields"]
    assert len(fields) == number**2 and all(bool(field["number"]) == (number <= 10) for field in fields)
    assert [tick for tick, _ in drawn["ticks"]] == list(range(1, number + 1, 1 if number <= 10 else 5))


def test_the_page_shows_the_first_rows_with_texts_cut(study):
    (table,) = mistakes_context(read_finished(study), texts=True)["disagreements"]
    frame = pd.read_csv(paths.mistakes(paths.REPORTS) / "disagreements.csv")
    assert [row["example_id"] for row in table["rows"]] == frame["example_id"].tolist()[:MOST_ROWS]
    assert table["listed"] == len(frame) > MOST_ROWS
    texts = pd.read_parquet(paths.examples(Path())).set_index("example_id")["text"]
    for row in table["rows"]:
        assert row["text"] == texts[row["example_id"]][:MOST_CHARACTERS].rstrip() + " …"
    shares = frame.filter(like="correct_").iloc[0]
    said = {title: share for share, titles in table["rows"][0]["right"] for title in titles}
    assert said == {study.title(name.removeprefix("correct_")): f"{share:.0f}" for name, share in shares.items()}


def test_without_texts_the_data_set_is_not_even_read(study):
    paths.examples(Path()).unlink()
    context = mistakes_context(read_finished(study), texts=False)
    assert "alert(2)" not in json.dumps(context, default=str)
    assert len(context["disagreements"][0]["rows"]) == MOST_ROWS


def test_texts_stand_on_the_page_as_text(study, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["render_report"])
    render_report.main()
    page = (paths.REPORTS / "index.html").read_text(encoding="utf-8")
    assert page.count("<script>") == 1 and "alert(2)" in page
    # What turns the reading direction ends with its cell.
    start = html.escape(HOSTILE_TEXT[:40])
    assert len(re.findall(rf"<bdi>\d+ {re.escape(start)}[^<]*…</bdi>", page)) == MOST_ROWS
