"""The page, the summary and the costs of a finished study on a reader's own file."""

import html
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from own_study import FILE, SHARES, make_own_study

from commands import render_costs
from stages import render_report, render_summary
from threephase.base import paths
from threephase.report.finished import read_finished
from threephase.report.own_answer import own_answer


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_own_study(tmp_path)


def written(monkeypatch, stage, file: str) -> str:
    monkeypatch.setattr(sys, "argv", [stage.__name__])
    stage.main()
    return (paths.REPORTS / file).read_text(encoding="utf-8")


def one_line(text: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", text)).split())


def test_page_and_summary_begin_with_the_same_answer(study, monkeypatch):
    page, summary = (
        written(monkeypatch, render_report, "index.html"),
        written(monkeypatch, render_summary, "summary.txt"),
    )
    answer = own_answer(read_finished(study))
    lines = [answer.heading, *answer.sentences]
    assert len(lines) > 4 and answer.heading.startswith("On your texts: use ")
    assert one_line(page[page.index("<main>") :]).startswith(" ".join(lines))
    assert one_line(summary).startswith(" ".join(lines))
    assert max(map(len, summary.splitlines())) <= 100
    assert summary.rstrip().endswith("reports/index.html") and answer.legend in one_line(summary)
    # Every method stands in both, those with the highest score first.
    titles = [method.title for method in answer.methods]
    assert len(titles) == len(SHARES)
    table = summary[summary.index("\nMethod ") :]
    assert sorted(titles, key=lambda title: page.index(f"of {title}</span>")) == titles
    assert [line for line in one_line(table) if line] and all(title.split()[0] in table for title in titles)


def test_the_best_on_validation_rows_is_held_against_all_others_on_the_test_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = own_answer(read_finished(make_own_study(tmp_path, shares=SHARES | {"embedding_logistic": 0.95})))
    said = {method.row.variant: method.said for method in answer.methods}
    assert answer.heading == "On your texts: use Embeddings + logistic regression"
    assert said["tfidf_logistic"] == said["majority"] == "behind"
    assert "It trains no encoder." in answer.sentences
    runs = pd.read_csv(paths.REPORTS / "runs.csv").query("split == 'validation' and metric == 'macro_f1'")
    for method in answer.methods:
        own = runs.loc[runs["variant"] == method.row.variant, "value"]
        assert method.validation == pytest.approx(own.tolist()) and len(own) == 3


def test_classes_may_be_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_own_study(tmp_path, classes=["0", "1", "2.50"])
    page = written(monkeypatch, render_report, "index.html")
    assert ">2.50<" in page


def test_the_rows_are_called_by_file_and_number(study, monkeypatch):
    page = html.unescape(written(monkeypatch, render_report, "index.html"))
    listed = pd.read_csv(paths.mistakes(paths.REPORTS) / "disagreements.csv")["example_id"][:20]
    for example_id in listed:
        number = int(example_id.removeprefix("test-"))
        assert f"<bdi>{FILE} row {number + 1}</bdi><br><code>{example_id}</code>" in page


def test_the_same_results_give_the_same_page_whatever_the_trainings_took(study, monkeypatch):
    before = written(monkeypatch, render_report, "index.html"), written(monkeypatch, render_summary, "summary.txt")
    for report in Path("runs/reports").rglob("*.json"):
        report.unlink()
    after = written(monkeypatch, render_report, "index.html"), written(monkeypatch, render_summary, "summary.txt")
    assert before == after


def test_seconds_stand_on_the_page_of_the_costs_and_on_the_terminal(study, monkeypatch, capsys):
    page = one_line(written(monkeypatch, render_costs, "costs.html"))
    # Each training of the made-up study took 9.5 seconds: phases 1 to 3, and a baseline's only one.
    assert "Three phases, ordinary recipe 28.5" in page and "Fine-tuning, ordinary recipe 9.5" in page
    assert capsys.readouterr().out.startswith("Training CL + FT, ordinary recipe took 19 seconds a seed.\n")


def test_without_validation_rows_the_page_says_so(study, monkeypatch):
    runs = read_finished(study).runs
    runs[runs["split"] == "test"].to_csv(paths.REPORTS / "runs.csv", index=False)
    assert "On your texts: no method can be chosen" in written(monkeypatch, render_report, "index.html")
    assert written(monkeypatch, render_summary, "summary.txt").startswith("On your texts: no method can be chosen\n")
