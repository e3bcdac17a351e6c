"""The report page of a made-up study: complete, self-contained, safe against hostile names, honest in its words."""

import base64
import hashlib
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from synthetic_study import HOSTILE_CLASS, HOSTILE_TEXTS, HOSTILE_TITLES, make_study

from commands import render_costs
from stages import render_report
from threephase.base import paths
from threephase.base.files import write_table
from threephase.report.finished import read_finished
from threephase.report.page import render_page
from threephase.report.rows import rows_of
from threephase.results import costs
from threephase.results.results import read_results
from threephase.results.tables import format_interval, format_number, format_signed
from threephase.scores.statistics import SEEDS_AND_ROWS

VOID = {"meta", "link", "img", "br", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Checks that tags are closed in order; collects tags with attributes, and text outside of script and style."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(html)
        assert self.open == [], "unclosed tags"
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            # A word that may break behind an underscore is still one word.
            if self.words and self.words[-1].endswith("_") and self.tags[-1][0] == "wbr":
                self.words[-1] += data
            else:
                self.words.append(data)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_study(tmp_path)


def render(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["render_report"])
    render_report.main()
    return (paths.REPORTS / "index.html").read_text(encoding="utf-8")


def costs_page(monkeypatch):
    """The page of the costs, a finished study's own command."""
    monkeypatch.setattr(sys, "argv", ["render_costs"])
    render_costs.main()
    return Page((paths.REPORTS / "costs.html").read_text(encoding="utf-8"))


def one_line(text):
    return " ".join(text.split())


def tables():
    source = paths.results(Path())
    return read_results(source), read_results(source.with_name("claims.csv"))


def test_page_holds_every_result_claim_and_command(study, monkeypatch):
    page, (results, claims) = Page(render(monkeypatch)), tables()
    for line in results.itertuples():
        assert format_number(line.mean) in page.text and format_interval(line.ci_low, line.ci_high) in page.text
        assert line.command in page.text
    for claim in claims.itertuples():
        assert claim.text in page.text
        # Two seeds: their differences instead of an interval.
        assert f"{format_signed(claim.difference)} (seeds {claim.by_seed})" in page.text
    assert all(study.title(row.variant) in page.text for row in rows_of(study))


def test_page_is_self_contained_small_and_has_every_figure(study, monkeypatch):
    html = render(monkeypatch)
    page = Page(html)
    loaded = [
        attributes.get(name) for _, attributes in page.tags for name in ("src", "href", "srcset", "data", "action")
    ]
    outside = {target for target in loaded if target is not None and not target.startswith(("data:", "#"))}
    assert outside == {"studies.html", "studies.html#audit", "published/index.html", "costs.html"}
    assert not re.search(r"@import|url\(|https?://|fetch\(|XMLHttpRequest", html)
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all("aria-label" in drawing or drawing.get("aria-hidden") == "true" for drawing in drawings)
    # Confusions of 8 variants; curves of phase 1, of 5 contrastive and 1 joint training, twice of 8 classifiers.
    assert sum(drawing.get("role") == "img" for drawing in drawings) == 8 + 1 + 5 + 1 + 2 * 8
    assert len(html.encode()) < 1_000_000


def test_anchors_exist_and_ids_are_unique(study, monkeypatch):
    page = Page(render(monkeypatch))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)
    opened = {attributes["popovertarget"] for tag, attributes in page.tags if "popovertarget" in attributes}
    assert opened and opened <= set(ids)


def test_hostile_class_name_is_text(study, monkeypatch):
    html = render(monkeypatch)
    assert HOSTILE_CLASS not in html
    assert HOSTILE_CLASS in Page(html).text
    assert sum(tag == "script" for tag, _ in Page(html).tags) == 1


def test_hostile_texts_of_the_params_are_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path, hostile=True)
    page = Page(render(monkeypatch))
    for text in (*HOSTILE_TEXTS.values(), *HOSTILE_TITLES.values()):
        assert one_line(text) in page.text
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)]


def test_only_the_pages_own_script_and_style_may_act(study, monkeypatch):
    html = render(monkeypatch)
    (policy,) = [attributes["content"] for tag, attributes in Page(html).tags if "http-equiv" in attributes]
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        checksum = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{checksum}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert not [attributes for _, attributes in Page(html).tags if "style" in attributes]


def behind_a_cell(html):
    """The text behind the cell of three_phase."""
    start = html.index('id="details=bbc/minilm_l6-three_phase"')
    return one_line(re.sub("<[^>]*>", " ", html[start : html.index("</section>", start)]))


def test_behind_a_cell_stand_its_seeds_and_command(study, monkeypatch):
    behind = behind_a_cell(render(monkeypatch))
    runs = read_results(paths.results(Path()).with_name("runs.csv"))
    own = runs[(runs["variant"] == "three_phase") & (runs["split"] == "test")]
    assert len(own) == 2 * 4
    for value in own["value"]:
        assert format_number(value) in behind
    assert "dvc repro summarize_cell@minilm_l6-three_phase" in behind
    # What differs between two runs with the same results is no part of a page that the lock holds.
    assert "9.5" not in behind and "A processor" not in behind


def test_behind_a_cell_of_a_published_page_stand_its_runs(study):
    behind = behind_a_cell(render_page(read_finished(study), texts=False, with_costs=True))
    # Phase 1 is shared with the variant that stops there; each training once a seed.
    for training in ("phase 1 of Denoising autoencoder", "phase 2", "phase 3"):
        assert all(f"{training} {seed} 9.5 cpu fp32" in behind for seed in study.params.seeds)


def test_page_is_the_same_again(study, monkeypatch):
    assert render(monkeypatch) == render(monkeypatch)


def test_what_is_missing_is_said(study, monkeypatch):
    for name in ("class_counts.csv", "curves.csv"):
        (paths.REPORTS / name).unlink()
    shutil.rmtree(paths.mistakes(paths.REPORTS))
    results, _ = tables()
    write_table(paths.results(Path()), results[results["variant"] != "joint"])
    page = Page(render(monkeypatch))
    for part in ("Class counts", "Learning curves", "Confusion matrices", "Disagreements"):
        assert f"{part}: not recorded." in page.text
    # An encoder and a classifier of each seed.
    assert "Not run yet: Joint phases 1 and 2 (4 trainings). make repro" in page.text


def test_the_page_of_the_costs_has_every_training(study, monkeypatch):
    page = costs_page(monkeypatch)
    # Seven variants with an encoder of their own, one without, three baselines.
    lines = len(costs.read_reports(study))
    assert lines == (7 * 2 + 1 + 3) * len(study.params.seeds)
    assert page.text.count("9.5 cpu fp32 42") == lines and f"all stages {lines} of {lines} " in page.text
    assert all(study.title(row.variant) in page.text for row in rows_of(study))
    loaded = {attributes.get(name) for _, attributes in page.tags for name in ("src", "href") if attributes.get(name)}
    assert {target for target in loaded if not target.startswith(("data:", "#"))} == {"index.html"}


def test_a_training_that_was_not_timed_here_says_so(study, monkeypatch):
    """dvc restores outputs without the run's report; a report of other outputs is that of an older run."""
    where = (Path(), "minilm_l6", "joint", 0)
    paths.run_report(*where, "encoder").unlink()
    history = paths.history(*where, "classifier")
    history.write_text(history.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    lines, page = len(costs.read_reports(study)), costs_page(monkeypatch)
    assert f"all stages {lines - 2} of {lines} " in page.text
    for phase in ("phases 1 and 2", "phase 3"):
        assert f"{phase} Joint phases 1 and 2 minilm_l6 0 {costs.FROM_CACHE} " in page.text
    for run in costs.read_reports(study):
        paths.run_report(Path(), run.encoder, run.variant, run.seed, run.phase).unlink(missing_ok=True)
    page = costs_page(monkeypatch)
    assert f"all stages 0 of {lines} {costs.NOT_RECORDED}" in page.text
    assert page.text.count(costs.FROM_CACHE) == lines + 1


def test_costs_are_summed_by_stage_and_in_all(study):
    lines = {line["stage"]: line for line in costs.costs(costs.read_reports(study))}
    assert lines["train_contrastive"]["runs"] == len(study.params.seeds)
    assert lines["train_contrastive"]["seconds"] == pytest.approx(2 * 9.5)
    assert lines["train_contrastive"]["sequences_per_second"] == pytest.approx(217.0)
    assert lines["all stages"]["updates"] == 42 * lines["all stages"]["runs"]
    assert lines["all stages"]["peak_memory_mb"] == 900.5


def test_runs_on_different_machines_are_told_apart(study):
    runs = costs.read_reports(study)
    runs[0].report["cpu_model"] = "Another processor"
    values = dict(costs.environment(runs))
    assert values["CPU"] == f"Another processor (1 run); A processor ({len(runs) - 1} runs)"
    assert values["torch"] == "2.13.0"
    assert values["GPU"] == "none"


def card(page):
    """The text of the first card."""
    return page.text[page.text.index("The paper claims:") : page.text.index("Percent on")]


def test_the_card_says_the_claim_its_verdict_and_why(study, monkeypatch):
    claims = tables()[1]
    values = {"difference": 2.0, "ci_low": -1.0, "ci_high": 5.0, "ci_kind": SEEDS_AND_ROWS, "verdict": "undecided"}
    claims.loc[claims["claim"] == "three_phases_beat_fine_tuning", list(values)] = list(values.values())
    write_table(paths.results(Path()).with_name("claims.csv"), claims)
    page = Page(render(monkeypatch))
    assert page.text.index("Three phases (denoising, contrastive, fine-tuning) beat") < page.text.index("Percent on")
    assert "undecided +2.0 [-1.0, 5.0] points of macro F1, Three phases minus Fine-tuning" in card(page)
    assert "The interval holds 0 as well as a lead of 1 point, so both remain possible." in card(page)


def test_two_seeds_give_no_verdict_and_no_interval(study, monkeypatch):
    page = Page(render(monkeypatch))
    assert "too few seeds" in card(page) and "Two seeds: no verdict." in card(page)
    assert "undecided" not in card(page) and "[" not in card(page)


def test_results_are_ordered_and_baselines_marked(study, monkeypatch):
    page = Page(render(monkeypatch))
    results = page.text[page.text.index("Percent on") : page.text.index("Differences in macro F1")]
    primary = tables()[0].query("metric == 'macro_f1'").sort_values("mean", ascending=False)
    order = [study.title(variant) for variant in primary["variant"]]
    places = [results.index(f"Details: Macro F1 of {title}") for title in order]
    assert places == sorted(places) and results.count(" baseline ") == 3


def test_nothing_was_run_yet(study, monkeypatch):
    write_table(paths.results(Path()), tables()[0].iloc[:0])
    page = Page(render(monkeypatch))
    assert "Nothing has been run yet." in page.text and "Not run yet: Three phases," in page.text


def test_paper_columns_show_where_the_paper_has_the_cell(study, monkeypatch):
    results, _ = tables()
    results[["paper", "delta"]] = pd.NA
    results["verdict"] = results["verdict"].astype(object)
    results.loc[0, ["paper", "delta", "verdict"]] = [98.25, -1.5, "undecided"]
    write_table(paths.results(Path()), results)
    assert "paper 98.25 (-1.5) undecided" in Page(render(monkeypatch)).text
