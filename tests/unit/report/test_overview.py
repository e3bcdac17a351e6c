"""The page over all studies and the tables beside it, from what git keeps and from a made-up study."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from published_project import REPOSITORY, copy_params, put_back
from read_tables import read_latex, read_markdown
from small_project import change
from synthetic_study import HOSTILE_TEXTS, make_study
from test_page import Page, one_line

from commands import render_index
from stages import render_report
from threephase.base import paths
from threephase.base.errors import UserError
from threephase.paper.numbers import MEASURED_TABLES, read_numbers
from threephase.report import readme
from threephase.results.results import read_results
from threephase.results.tables import format_difference, format_interval, format_number
from threephase.study.read_params import load_study

NAMES = ("snips_l6", "snips_released_l6")
ITEM = {
    "id": "granularity", "title": "An accuracy is k of n", "question": "Is each a fraction?", "method": "Counting.",
    "finding": "19 of 57 are not.", "outcome": "finding", "columns": ["Cell", "Printed"], "rows": [["snips", "99.92"]],
    "code": "threephase/audit/granularity.py", "falsify": "Another n.", "data": "paper/tables.csv",
}  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A project with two published studies, put back where runs leave them; never changed."""
    root = tmp_path_factory.mktemp("kept") / "project"
    with pytest.MonkeyPatch.context() as patch:
        root.mkdir()
        patch.chdir(root)
        copy_params(root)
        for name in NAMES:
            put_back(name, root)
    return root


@pytest.fixture
def project(kept, monkeypatch):
    monkeypatch.chdir(kept)
    return kept


def render(monkeypatch, *arguments):
    """The page and both forms of its tables, as ``page``, ``md`` and ``tex``."""
    monkeypatch.setattr(sys, "argv", ["render_index", *arguments])
    render_index.main()
    page, tables = (paths.PUBLISHED_STUDIES, "tables") if arguments else (paths.ALL_STUDIES, "studies")
    files = {"page": page} | {ending: page.with_name(f"{tables}.{ending}") for ending in ("md", "tex")}
    return {name: file.read_text(encoding="utf-8") for name, file in files.items()}


def test_where_all_studies_are_of_few_labels_there_is_no_page_over_all(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    copy_params(tmp_path)
    put_back("bbc_labels_8", tmp_path)
    monkeypatch.setattr(sys, "argv", ["render_index"])
    render_index.main()
    assert "has none of few labels" in capsys.readouterr().out and not paths.ALL_STUDIES.exists()


def lead(name: str, table: str, variant: str, other: str) -> str:
    """The published difference of two variants with its interval, as pages write it."""
    rows = read_results(REPOSITORY / paths.published(name) / f"{table}.csv")
    (row,) = rows[(rows["variant"] == variant) & (rows["other"] == other)].itertuples()
    return format_difference(row.difference, row.ci_low, row.ci_high)


def test_the_papers_tables_have_what_was_run_and_one_line_tells_the_rest(project, monkeypatch):
    files = render(monkeypatch)
    html = files["page"]
    numbers = read_numbers()
    measured = numbers[numbers["table"].isin(MEASURED_TABLES) & (numbers["encoder"] != "cited")]
    grids = html[html.index('<section id="paper">') : html.index('<section id="cells">')]
    # What the stand-in ran of snips in each protocol: 3, 7, 6 and 3 numbers of the four tables.
    assert len(re.findall(r"paper \d+\.\d\d", grids)) == 38 and "missing" not in grids
    assert Page(html).text.count("not comparable") >= 38
    line = re.search(
        r"(\d+) numbers of the paper were not run; .*? make plan .* ([\d,]+) hours of one GPU", Page(html).text
    )
    assert int(line[1]) == 2 * len(measured) and int(line[2]) > 10
    # The tables beside the page have every number, once a protocol.
    assert files["md"].count("| missing ") == 4 * len(measured)


def test_page_holds_every_result_and_claim_of_every_study(project, monkeypatch):
    files = render(monkeypatch)
    page = Page(files["page"])
    for name in NAMES:
        folder = paths.reports(paths.STUDIES / name)
        results, claims = (read_results(folder / f"{table}.csv") for table in ("results", "claims"))
        for line in results.itertuples():
            assert f"{format_number(line.mean)} {format_interval(line.ci_low, line.ci_high)}" in page.text
            assert f"{format_number(line.mean)} {format_interval(line.ci_low, line.ci_high)}" in files["md"]
            assert line.command in page.text
        for claim in claims.dropna(subset=["difference"]).itertuples():
            stated = format_difference(claim.difference, claim.ci_low, claim.ci_high)
            assert stated in page.text and stated in files["md"] and stated in files["tex"]


def test_addresses_are_unique_and_lead_somewhere(project, monkeypatch):
    page = Page(render(monkeypatch)["page"])
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert "cell=snips_l6/minilm_l6-three_phase/accuracy" in ids
    outside = {link for link in links if not link.startswith("#")}
    assert outside == {f"../studies/{name}/reports/index.html" for name in NAMES} | {"studies.md", "studies.tex"}
    opened = {attributes["popovertarget"] for _, attributes in page.tags if "popovertarget" in attributes}
    assert opened <= set(ids)


def test_links_lead_from_every_page_to_every_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path, "[0, 1, 2]")
    for file in (*REPOSITORY.glob("data/*.yaml"), *REPOSITORY.glob("studies/snips*/params.yaml")):
        kept = tmp_path / file.relative_to(REPOSITORY)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, kept)
    put_back("snips_l6", tmp_path)
    render(monkeypatch)
    pages = [paths.ALL_STUDIES]
    for name in ("bbc", "snips_l6"):
        monkeypatch.setattr(sys, "argv", ["render_report", "--study", name])
        render_report.main()
        pages.append(paths.reports(load_study(name).folder) / "index.html")
    linked = {}
    for page in pages:
        links = (attributes["href"] for tag, attributes in Page(page.read_text(encoding="utf-8")).tags if tag == "a")
        outside = {link.partition("#")[0] for link in links if not link.startswith("#")}
        linked[page] = {Path(os.path.normpath(page.parent / link)) for link in outside}
    tables = {paths.ALL_STUDIES.with_suffix(ending) for ending in (".md", ".tex")}
    costs = {page: page.with_name("costs.html") for page in pages[1:]}
    assert linked[pages[0]] == {*pages[1:], *tables}
    assert all(linked[page] == {pages[0], costs[page], paths.PUBLISHED_STUDIES} for page in pages[1:])
    assert all(file.is_file() for file in {*pages, *tables})


def test_the_answer_counts_verdicts_and_names_the_stand_in(project, monkeypatch):
    text = Page(render(monkeypatch)["page"]).text
    first = lead("snips_l6", "claims", "three_phase", "ft").partition(" ")[0]
    start = "Three phases against plain fine-tuning: By main settings: ahead in 1 of 1 "
    assert f"{start}(snips_l6 {first}). By the ordinary recipe: " in text
    lower = lead("snips_l6", "differences", "three_phase", "embedding_logistic").partition(" ")[0]
    assert f"untouched vectors. By main settings: behind in 1 of 1 (snips_l6 {lower})." in text
    # Under released the test rows train and choose, so that no answer counts it.
    assert "snips_released_l6" not in text[text.index(start) : text.index("Studies Right of zero")]
    assert "The paper has not been repeated with its own encoder and data yet; 38 of its numbers stand beside" in text


def test_a_study_of_a_single_switch_stands_in_the_audit_and_among_no_claims(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy_params(tmp_path)
    for name in ("snips_l6", "snips_pooling"):
        put_back(name, tmp_path)
    files = render(monkeypatch)
    html = files["page"]
    told = html[html.index('<section id="claims">') : html.index('<section id="paper">')]
    assert "snips_l6" in told and "snips_pooling" not in told
    folded = html[html.index("<summary>Studies in which a single switch differs") : html.index('<section id="claims">')]
    assert "are no further evidence for or against a claim" in folded
    assert lead("snips_pooling", "claims", "three_phase", "ft") in folded
    assert lead("snips_pooling", "claims", "three_phase", "joint") not in Page(html).text


def test_the_readme_and_the_tables_that_git_keeps_are_those_of_the_published_studies(tmp_path, monkeypatch):
    copy_params(tmp_path)
    shutil.copytree(REPOSITORY / paths.PUBLISHED, tmp_path / paths.PUBLISHED)
    monkeypatch.chdir(tmp_path)
    files = render(monkeypatch, "--published")
    assert "Studies of few labels, named" in files["page"] and "Not here: studies of few labels" in files["md"]
    tables = (paths.PUBLISHED / "tables.md", paths.PUBLISHED / "tables.tex")
    for file in (paths.README, readme.FINDINGS, readme.PICTURE, *tables):
        assert file.read_bytes() == (REPOSITORY / file).read_bytes(), (
            f"{file}: run python -m commands.render_index --published"
        )


def test_published_studies_are_read_from_their_own_params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy_params(tmp_path)
    folder = paths.published("snips_l6")
    shutil.copytree(REPOSITORY / folder, folder)
    page = Page(render(monkeypatch, "--published")["page"])
    assert "1 study published. The tables as" in page.text
    trainings = len((folder / "run_reports.jsonl").read_text(encoding="utf-8").splitlines())
    assert f"{trainings} of {trainings}" in page.text
    change(tmp_path, str(folder / "params.yaml"), {"protocol": "gone"})
    with pytest.raises(UserError, match="^reports/published/snips_l6/params.yaml: protocol: got 'gone', expected one"):
        render(monkeypatch, "--published")
    change(tmp_path, str(folder / "params.yaml"), {"protocol": "described", "encoders": ["gone"]})
    with pytest.raises(UserError, match="^reports/published/snips_l6/params.yaml: encoders: got 'gone', expected"):
        render(monkeypatch, "--published")


def test_no_results_are_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy_params(tmp_path)
    with pytest.raises(UserError, match="^reports: got no study with results, expected at least one; run: make"):
        render(monkeypatch)
    assert not paths.REPORTS.exists()


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_study(tmp_path, "[0, 1, 2]")


def test_the_audit_is_shown_or_its_command(made_up, monkeypatch):
    assert "The audit was not made yet; dvc repro" in Page(render(monkeypatch)["page"]).text
    switch = ITEM | {"id": "switches", "columns": ["Switch", "Difference"], "rows": [["head_activation", "+1.5"]]}
    hostile = ITEM | {"id": "hostile", "title": "<script>alert(1)</script>", "outcome": "passes"}
    (paths.PAPER_REPORTS).mkdir(parents=True)
    (paths.PAPER_REPORTS / "audit.json").write_text(json.dumps([ITEM, switch, hostile]), encoding="utf-8")
    html = render(monkeypatch)["page"]
    text = Page(html).text
    for value in ITEM.values():
        assert isinstance(value, list) or value in text
    assert "99.92" in text and "<script>alert(1)</script>" in text and html.count("<script") == 1
    deviation = text[text.index("What stands between the head's two layers") :]
    assert "relu / none +1.5" in deviation[:120]
    assert "not measured" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"items": []}, "got dict, expected a list of items"),
        ([ITEM | {"outcome": "good"}], r"\[0\].outcome: got 'good', expected one of: finding, passes, undecided"),
        ([ITEM | {"rows": [["snips"]]}], r"\[0\].rows\[0\]: got 1, expected one text for each of the 2 columns"),
        ([{"id": "x"}], r"\[0\].title: the key is missing, expected a text"),
    ],
)
def test_a_malformed_audit_is_refused(made_up, monkeypatch, content, said):
    paths.PAPER_REPORTS.mkdir(parents=True)
    (paths.PAPER_REPORTS / "audit.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=f"^reports/paper/audit.json: {said}"):
        render(monkeypatch)


def test_tests_of_a_claim_are_shown_where_they_were_computed(made_up, monkeypatch):
    file = paths.results(Path()).with_name("claims.csv")
    claims = pd.read_csv(file, keep_default_na=False)
    claims["verdict"] = "undecided"
    claims.assign(p_value=0.0004, mcnemar_p=0.0312, detectable=4.24).to_csv(file, index=False)
    files = render(monkeypatch)
    for text in (Page(files["page"]).text, files["md"].replace("\\", "")):
        assert "p by McNemar" in text and "< 0.001" in text and "0.031" in text
        assert "A lead of 4.2 points would be found in 80% of such studies." in text


def test_a_familys_verdicts_and_adjusted_p_values_are_shown(project, monkeypatch):
    text = Page(render(monkeypatch)["page"]).text
    claims = section(text, "Three phases (denoising", "The imbalance correction")
    for protocol in ("by the paper’s text", "by the authors’ code"):
        assert f"supported over all {protocol}, all-MiniLM-L6-v2, 1 data set" in claims
    assert "p by Holm" in claims and "Not in a family" not in text


def test_a_study_that_repeats_anothers_comparisons_is_no_part_of_the_family(made_up, monkeypatch):
    add = pd.read_csv(paths.results(Path()).with_name("claims.csv"), keep_default_na=False).assign(p_value=0.01)
    again = paths.STUDIES / "bbc_again"
    again.mkdir(parents=True)
    seeds = made_up.params.seeds
    paths.study_params(again).write_text(f"base: bbc\nseeds: {seeds}\n", encoding="utf-8")
    for folder in (Path(), again):
        target = paths.reports(folder)
        target.mkdir(exist_ok=True)
        for table in ("results", "runs", "differences"):
            (target / f"{table}.csv").write_bytes(paths.results(Path()).with_name(f"{table}.csv").read_bytes())
        add.to_csv(target / "claims.csv", index=False)
    text = Page(render(monkeypatch)["page"]).text
    assert "or have no p-values: bbc_again." in text
    first = section(text, "Three phases (denoising", "The imbalance correction")
    # Six comparisons of one family with the same p-value of 0.01: adjusted for bbc, absent for the other.
    assert "p 0.010, p by Holm 0.060, p by McNemar 0.400" in first and "p 0.010, p by McNemar 0.400" in first


def section(text, start, end):
    """What stands under the last heading that is ``start`` before ``end``."""
    begin = text.rindex(start)
    return text[begin : text.index(end, begin)]


def test_hostile_texts_come_out_literally_in_all_three_formats(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path, hostile=True)
    files = render(monkeypatch)
    page = Page(files["page"])
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    markdown, latex = read_markdown(files["md"]), read_latex(files["tex"])
    for key, text in HOSTILE_TEXTS.items():
        expected = one_line(text)
        assert expected in page.text, key
        assert any(expected in one_line(cell) for cell in markdown), key
        assert any(expected in one_line(cell) for cell in latex), key
