"""What the first card of a study's page says beside the claim's verdict."""

from published_project import copy_params, put_back
from test_overview import lead
from test_page import Page

from threephase.report.finished import read_finished
from threephase.report.page import render_page
from threephase.study.read_params import load_study


def finished_here(root, monkeypatch, name):
    """A published study, put back below the working directory."""
    monkeypatch.chdir(root)
    copy_params(root)
    put_back(name, root)
    return read_finished(load_study(name))


def rendered(finished):
    return render_page(finished, texts=False, with_costs=False)


def test_it_tells_the_ordinary_recipe_too(tmp_path, monkeypatch):
    text = Page(rendered(finished_here(tmp_path, monkeypatch, "snips_l6"))).text
    card = text[text.index("The paper claims:") : text.index("Percent on")]
    main = lead("snips_l6", "claims", "three_phase", "ft")
    recipe = lead("snips_l6", "differences", "three_phase_ordinary", "ft_ordinary")
    assert f"{main} points of accuracy, Three phases minus Fine-tuning" in card
    pair = "Three phases, ordinary recipe minus Fine-tuning, ordinary recipe"
    assert f"{recipe} points of accuracy, {pair} (encoder trained, learning rate chosen on the validation rows)" in card


def test_a_study_of_few_labels_opens_with_what_it_runs_and_leads_to_the_page_of_labels(tmp_path, monkeypatch):
    page = Page(rendered(finished_here(tmp_path, monkeypatch, "snips2_labels_8")))
    card = page.text[page.text.index("This study asks:") : page.text.index("Percent on")]
    assert "How well does each method classify with 8 labels a class?" in card
    assert lead("snips2_labels_8", "differences", "three_phase_ordinary", "ft_ordinary") in card
    assert "(encoder trained, learning rate fixed beforehand)" in card and "does not run" not in card
    assert "the encoder is trained too, and the learning rate is fixed beforehand" in page.text
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert "../../../reports/published/labels/index.html" in links


def test_it_says_where_three_phases_may_have_learned_nothing(tmp_path, monkeypatch):
    finished = finished_here(tmp_path, monkeypatch, "snips_l6")
    caveat = "“Three phases” is not shown to beat always naming the commonest class."
    assert caveat not in rendered(finished)
    table = finished.differences
    table.loc[(table["variant"] == "three_phase") & (table["other"] == "majority"), "ci_low"] = -1.0
    assert caveat in rendered(finished)


def test_a_study_of_a_single_switch_says_so_and_heads_only_claims_that_it_tests(tmp_path, monkeypatch):
    html = rendered(finished_here(tmp_path, monkeypatch, "snips_pooling"))
    how = "except for how token vectors become a sentence vector (pooling: native_with_normalization), 5 folds"
    assert f"all-MiniLM-L6-v2, by the paper’s text, {how}" in Page(html).text
    assert "It is no further evidence for or against the claim." in html
    claims = html[html.index('<section id="claims">') : html.index('<section id="mistakes">')]
    assert "Running phases 1 and 2" in claims and "Each phase contributes" not in claims
