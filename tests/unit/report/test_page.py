"""The report page of a made-up study: complete, self-contained, safe against hostile names, honest in its words."""

import base64
import hashlib
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from synthetic_study import HOSTILE_CLASS, HOSTILE_TEXTS, HOSTILE_TITLES, make_study

from commands import render_costs
from stages import render_figures, render_report
from threephase.base import paths
from threephase.base.files import write_table
from threephase.report.answer import study_answer
from threephase.report.finished import read_finished
from threephase.report.page import render_page
from threephase.report.rows import rows_of
from threephase.results import costs
from threephase.results.results import read_results
from threephase.results.tables import format_interval, format_number

VOID = {"meta", "link", "img", "br", "input", "hr"}


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
        assert f"{format_number(line.mean)} {format_interval(line.ci_low, line.ci_high)}" in page.text
        assert line.command in page.text
    for claim in claims.itertuples():
        assert claim.text in page.text
        assert format_interval(claim.ci_low, claim.ci_high) in page.text
    assert all(study.title(row.variant) in page.text for row in rows_of(study))


def test_page_is_self_contained_small_and_has_every_figure(study, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["render_figures"])
    render_figures.main()
    html = render(monkeypatch)
    page = Page(html)
    loaded = [
        attributes.get(name) for _, attributes in page.tags for name in ("src", "href", "srcset", "data", "action")
    ]
    outside = {target for target in loaded if target is not None and not target.startswith(("data:", "#"))}
    assert outside == {"studies.html", "studies.html#audit", "costs.html"}
    assert not re.search(r"@import|url\(|https?://|fetch\(|XMLHttpRequest", html)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 7
    assert all(image["alt"] for image in images)
    assert len(html.encode()) < 5_000_000


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
    (paths.splits(Path(), 1) / "class_counts.csv").unlink()
    results, _ = tables()
    write_table(paths.results(Path()), results[results["variant"] != "joint"])
    page = Page(render(monkeypatch))
    assert "Class counts of this seed: not recorded." in page.text
    assert "Figure variants: not recorded." in page.text
    assert "Missing: Joint phases 1 and 2." in page.text


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


def answer(study, results, claims):
    return " ".join(study_answer(study, results, claims))


def with_mean(results, variant, mean):
    chosen = (results["variant"] == variant) & (results["metric"] == "macro_f1")
    results = results.copy()
    results.loc[chosen, ["mean", "ci_low", "ci_high"]] = [mean, mean - 1, mean + 1]
    return results


def test_answer_names_best_variant_with_paired_interval_and_verdict(study):
    results, claims = tables()
    claims.loc[0, ["difference", "ci_low", "ci_high", "verdict"]] = [2.0, -1.0, 5.0, "undecided"]
    text = answer(study, with_mean(results, "three_phase", 97.0), claims)
    assert "“Three phases” has the highest mean Macro F1 of the 7 trained variants: 97.0% [96.0, 98.0]; being" in text
    assert "+2.0 points, paired interval [-1.0, 5.0]; the verdict on the claim that it is better: undecided" in text
    assert "With so few seeds the order is not settled." in text
    assert "cover: test rows only. With 2 seeds, fewer than 3, they leave out what another seed would change" in text


def test_answer_claims_no_paired_interval_that_was_not_computed(study):
    results, claims = tables()
    text = answer(study, with_mean(results, "cl_ft", 98.0), claims)
    assert "“CL + FT” has the highest mean" in text
    assert "no claim names this pair, so it has no paired interval" in text


def test_answer_admits_that_nothing_beats_fine_tuning_or_a_baseline(study):
    results, claims = tables()
    text = answer(study, with_mean(with_mean(results, "ft", 97.0), "tfidf_logistic", 98.5), claims)
    assert "No variant has a higher mean than plain fine-tuning." in text
    assert "TF-IDF + logistic regression, reaches 98.5% [97.5, 99.5]: 1.5 points above the best variant's mean" in text


def test_answer_tells_variants_and_a_baseline_that_are_level(study):
    results, claims = tables()
    for variant in ("tfidf_logistic", *study.shared.variants):
        results = with_mean(results, variant, 99.0)
    text = answer(study, results, claims)
    assert "of the 7 trained variants: 99.0% [98.0, 100.0], the same as Joint phases 1 and 2" in text
    assert "reaches 99.0% [98.0, 100.0]: level with the best variant's mean, and above the mean of none." in text


def test_answer_without_any_result(study):
    results, claims = tables()
    text = answer(study, results.iloc[:0], claims)
    assert text.startswith("No variant of all-MiniLM-L6-v2 has been run yet. Missing: Three phases,")


def test_paper_columns_show_where_the_paper_has_the_cell(study, monkeypatch):
    results, _ = tables()
    results[["paper", "delta"]] = pd.NA
    results["verdict"] = results["verdict"].astype(object)
    results.loc[0, ["paper", "delta", "verdict"]] = [98.25, -1.5, "undecided"]
    write_table(paths.results(Path()), results)
    assert "paper 98.25 (-1.5) undecided" in Page(render(monkeypatch)).text
