"""How many labels each method needs: the page, the table, the figure and README's line, from made-up columns."""

import html
import json
import re
import shutil
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from label_columns import BASELINES, METHODS, labels_here, publish_columns
from test_page import Page

from commands import render_labels
from threephase.base import paths
from threephase.base.errors import UserError
from threephase.report.labels_page import PICTURE, TABLE, readme_part
from threephase.report.labels_page import render_labels as render
from threephase.results.label_curves import sign_of
from threephase.results.tables import format_number
from threephase.study.label_params import UNTRAINED

# Few labels: the classifier on untouched vectors is ahead; many: three phases are.
FEW, MANY = (
    {"embedding_logistic": 0.95, "three_phase_ordinary": 0.6},
    {"three_phase_ordinary": 0.98, "ft_ordinary": 0.9},
)
SIMPLE, THREE = "Embeddings + logistic regression", "Three phases, ordinary recipe"
INTERVAL = re.compile(r"([+-]\d+\.\d) \[(-?\d+\.\d), (-?\d+\.\d)\]")


@pytest.fixture
def columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    publish_columns(tmp_path, {8: FEW, 16: {}, 64: MANY})


def run(monkeypatch) -> dict[str, str]:
    monkeypatch.setattr(sys, "argv", ["render_labels"])
    render_labels.main()
    files = {"page": paths.PUBLISHED_LABELS, "figure": PICTURE, "readme": paths.README}
    return {name: file.read_text(encoding="utf-8") for name, file in files.items()}


def test_the_answer_comes_first_and_readme_says_the_same(columns, monkeypatch):
    written, labels = run(monkeypatch), labels_here()
    page = Page(written["page"])
    said = labels.sentences()
    assert said[0].startswith(f"My reviews: with 8 labels a class use “{SIMPLE}”; with ")
    assert said[0].endswith(f"64 labels a class use “{THREE}”.")
    answer = page.text[page.text.index("It depends on how many labels") :]
    assert " ".join([*said, "Of what was named beforehand:", labels.tested()]) in answer
    told = {point.shots: point.told_briefly for point in labels.points}
    assert (
        f"On bbc with 8 labels a class use “{SIMPLE}” ({told[8]}). On bbc with 64 labels a class use “{THREE}” "
        f"({told[64]}). Validation rows chose the method; their labels are not counted." in written["readme"]
    )
    point = labels.points[0]
    behind, alike = (len([one for _, one in point.against if sign_of(one) == sign]) for sign in (-1, 0))
    assert all(f"{number} of {len(point.against)} others" in point.told_briefly for number in (behind, alike) if number)
    assert readme_part(labels) in written["readme"] and "(reports/published/labels/table.csv)" in written["readme"]
    assert "## What to distrust" in written["readme"]


def test_a_crossing_is_told_between_the_columns_that_show_it(columns, monkeypatch):
    by_pair = {line.pair: line for line in labels_here().crossed()}
    assert len(by_pair) == 3
    told = by_pair[f"{THREE} minus {SIMPLE}"]
    assert [sign_of(interval) for _, interval in told.band] == [-1, 0, 1]
    assert told.told == f"“{THREE}” overtakes between 8 and 64"
    assert f"My reviews, {told.pair}: {told.told}." in Page(run(monkeypatch)["page"]).text


def test_the_family_is_held_against_all_24_comparisons(columns, monkeypatch):
    labels = labels_here()
    frame = labels.family
    assert len(frame) == 6 and set(frame["shots"]) == {8, 64}
    assert frame["p_holm"].min() == pytest.approx(min(1, 24 * frame["p_value"].min()))
    page = Page(run(monkeypatch)["page"]).text
    assert "24 comparisons were named before any run." in page and " of 6 published comparisons " in page
    named = ["snips2_labels_8", "sst5_labels", "banking77_labels_64", "bbc_labels_4", "bbc_labels"]
    assert set(named) <= set(labels.missing) and "bbc_labels_8" not in labels.missing and len(labels.missing) == 21
    assert f"Not published yet: {', '.join(labels.missing)}." in page


def test_the_table_has_every_method_of_every_column(columns, monkeypatch):
    page, table = Page(run(monkeypatch)["page"]).text, pd.read_csv(TABLE)
    assert len(table) == 3 * len(METHODS) and table.groupby("labels_a_class")["to_use"].sum().tolist() == [1, 1, 1]
    assert not table.loc[table["method"] == "majority", ["to_use", "may_be_best"]].any(axis=None)
    assert table.loc[table["to_use"] & (table["labels_a_class"] == 8), "may_be_best"].tolist() == [True]
    for row in table.itertuples():
        assert format_number(row.mean) in page and 0 <= row.ci_low <= row.mean <= row.ci_high <= 100
    # The study's own table has a simple interval of the same cell: a wider one is of another kind.
    simple = pd.read_csv(paths.published("bbc_labels_8") / "results.csv")
    simple = simple[simple["metric"] == "macro_f1"].set_index("variant").loc["three_phase_ordinary"]
    wide = table[table["labels_a_class"] == 8].set_index("method").loc["three_phase_ordinary"]
    assert wide["ci_low"] < simple["ci_low"] < simple["ci_high"] < wide["ci_high"]
    assert wide["ci_kind"] == f"{simple['ci_kind']}, simultaneous over the column"
    # A training of the made-up study takes 9.5 seconds: three phases are three of them.
    seconds = table.set_index("method")["seconds_a_seed"]
    assert set(seconds["three_phase_ordinary"]) == {28.5} and set(seconds["ft_ordinary"]) == {9.5}
    assert table["memory_mb"].notna().any() and set(table["labels"]) == {217}


def test_the_page_is_whole_and_fetches_nothing(columns, monkeypatch):
    written = run(monkeypatch)
    page = Page(written["page"])
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert len(set(ids)) == len(ids) and {link[1:] for link in links if link[0] == "#"} <= set(ids)
    assert {link for link in links if link[0] != "#"} == {"../index.html", "table.csv"} | {
        f"../bbc_labels_{shots}/index.html" for shots in (8, 16, 64)
    }
    assert "nan" not in page.text.lower().replace("finan", "") and "http" not in re.sub("<[^>]*>", "", written["page"])
    drawn = ElementTree.fromstring(written["figure"])
    assert drawn.tag.endswith("svg") and "My reviews, macro F1" in "".join(drawn.itertext())
    assert "polygon" in written["figure"] and "nan" not in written["figure"]


def test_phase_1_costs_the_same_in_a_column_that_took_it_from_the_cache(columns):
    file = paths.published("bbc_labels_64") / "run_reports.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["variant"] != "dae"]
    assert len(kept) == len(lines) - 3
    file.write_text("".join(kept), encoding="utf-8")
    assert [point.seconds["three_phase_ordinary"] for point in labels_here().points] == [28.5] * 3


def test_validation_rows_that_choose_more_are_named(columns, monkeypatch):
    text = "In these columns validation rows also chose epochs or settings, and are not counted: "
    assert f"{text}bbc_labels_8, bbc_labels_16, bbc_labels_64." in Page(run(monkeypatch)["page"]).text


def test_what_trains_nothing_has_a_table_of_its_own_and_moves_nothing_else(columns, monkeypatch, tmp_path):
    before, numbers = run(monkeypatch), TABLE.read_bytes()
    assert "Without training" not in before["page"]
    publish_columns(tmp_path, {8: {"embedding_logistic": 0.97}, 64: {}}, range(5), UNTRAINED)
    after, page = run(monkeypatch), Page(run(monkeypatch)["page"])
    told = page.text[page.text.index("Without training, over 5 seeds") : page.text.index("How it was made Columns")]
    points = labels_here().untrained
    assert [point.shots for point in points] == [8, 64]
    for point in points:
        assert {method.row.variant for method in point.answer.methods} == set(BASELINES)
        assert all(point.score(method) in told for method in point.answer.methods)
        assert all(f"“{method.title}”" in told for method in point.may_be_best)
    assert [method.title for method in points[0].may_be_best] == [SIMPLE]
    assert "../bbc_untrained_8/index.html" in {attributes.get("href") for _, attributes in page.tags}
    assert TABLE.read_bytes() == numbers and (after["figure"], after["readme"]) == (before["figure"], before["readme"])
    assert "3 seeds · scores in percent" in page.text and labels_here().sentences()[0] in page.text


@pytest.mark.parametrize("number", range(6))
def test_no_sentence_contradicts_its_interval(tmp_path, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(number)
    seeds = range([2, 3, 5][number % 3])
    publish_columns(tmp_path, {
        shots: {name: random.uniform(0.5, 0.95) for name in METHODS if name != "majority"} for shots in (4, 8, None)
    }, seeds)  # fmt: skip
    labels = labels_here()
    page = html.unescape(render(labels))
    rows = re.findall(r"<tr>(.*?)</tr>", page[page.index('id="use"') : page.index('id="curves"')], re.DOTALL)[1:]
    assert len(rows) == 3
    for row, point in zip(rows, labels.points, strict=True):
        told = Page(f"<p>{row}</p>").text
        next_best = point.against[0][0].title
        if len(seeds) < 3:
            assert not INTERVAL.search(told) and not point.of_sign(1) and len(point.may_be_best) == len(METHODS) - 1
            continue
        _, low, high = map(float, INTERVAL.search(told).groups())
        alike, better = (point.of_sign(sign) for sign in (0, -1))
        assert (low > 0) <= (next_best not in [method.title for method in alike + better])
        assert (high < 0) <= (next_best in [method.title for method in better])
        assert ("ahead of every other method" in told) == all(interval.low > 0 for _, interval in point.against)
        # What the one to use is ahead of is not among those that may be the best.
        assert not {method.title for method in point.of_sign(1)} & {method.title for method in point.may_be_best}
        assert (point.answer.chosen in point.may_be_best) or better
    clear = sum("ahead of every other method" in row for row in rows)
    assert labels.sentences()[-1] == f"In {clear} of 3 columns the method to use is ahead of every other one."


def test_a_column_whose_study_has_another_number_of_labels_is_refused(columns):
    paths.published("bbc_labels_16").rename(paths.published("bbc_labels_32"))
    with pytest.raises(UserError, match="bbc_labels_32/params.yaml: got dataset bbc, shots 16, expected bbc, 32, as "):
        labels_here()


def test_without_a_published_column_the_command_says_what_to_type(columns):
    shutil.rmtree(paths.PUBLISHED)
    with pytest.raises(UserError, match="got no column of .*; run: make repro STUDY=bbc_labels_4 && make publish"):
        labels_here()
