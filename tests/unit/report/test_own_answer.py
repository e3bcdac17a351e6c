"""What to use on own texts: no sentence contradicts its interval, and page, table and summary say the same."""

import dataclasses
import html
import re

import pytest
from own_study import SHARES, make_own_study
from random_study import random_study
from synthetic_study import make_study

from threephase.report import keeping
from threephase.report.finished import read_finished
from threephase.report.judged import Judged
from threephase.report.own_answer import GUESSING, MOST_NAMES, Method, OwnAnswer, own_answer
from threephase.report.page import render_page
from threephase.report.rows import Row
from threephase.results.choice import Choice
from threephase.results.tables import format_difference
from threephase.scores.statistics import NOT_SUPPORTED, ROWS_ONLY, SAME_PREDICTIONS, SUPPORTED, TOO_FEW_SEEDS, UNDECIDED

INTERVAL = re.compile(r"\[(-?\d+\.\d), (-?\d+\.\d)\]")
AHEAD, BEHIND, ALIKE = "It is ahead of ", " is ahead of it by ", "can't be told apart from it"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("study")
        patch.chdir(root)
        yield make_study(root)


def plain(text: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", text)).split())


def chosen_by_hand(finished, answer) -> set:
    """The cells that the rule may choose, from the tables alone."""
    primary = finished.study.params.primary_metric
    runs = finished.runs[(finished.runs["split"] == "validation") & (finished.runs["metric"] == primary)]
    runs = runs[runs["variant"] != GUESSING]
    means = runs.groupby(["encoder", "variant"])["value"].mean()
    errors = runs.groupby(["encoder", "variant"])["value"].sem(ddof=1).fillna(0.0)
    updates = {(method.row.encoder, method.row.variant): method.updates for method in answer.methods}
    bests = means[means >= means.max() - 1e-9].index
    best = min(bests, key=updates.get)
    good = means[means >= means[best] - errors[best] - 1e-9]
    cheapest = min(updates[cell] for cell in good.index)
    return (
        {cell for cell in good.index if updates[cell] == cheapest}
        if cheapest <= updates[best] / 2
        else {cell for cell in bests if updates[cell] == updates[best]}
    )


def outcomes_by_hand(finished, chosen) -> dict[str, set]:
    """The other cells by what their intervals say, from differences.csv alone."""
    found = {"ahead": set(), "behind": set(), "alike": set(), "few": set()}
    for line in finished.differences.to_dict("records"):
        if chosen not in (line["variant"], line["other"]):
            continue
        other = line["other"] if chosen == line["variant"] else line["variant"]
        low, high = (line["ci_low"], line["ci_high"]) if other == line["other"] else (-line["ci_high"], -line["ci_low"])
        kind = "few" if line["ci_kind"] == ROWS_ONLY and low != high else "alike"
        if line["ci_kind"] == ROWS_ONLY and low == high != 0:
            kind = "few"
        if line["ci_kind"] != ROWS_ONLY and (low > 0 or high < 0):
            kind = "ahead" if low > 0 else "behind"
        found[kind].add(other)
    return found


def check(finished, page: str) -> OwnAnswer:
    """Hold an answer against the tables that it is made from, and the page against the answer."""
    answer = own_answer(finished)
    shown = plain(page[page.index('<section id="answer"') : page.index('<section id="results"')])
    for text in (answer.heading, *answer.sentences):
        assert " ".join(text.split()) in shown
    chosen = answer.chosen
    assert chosen.row.variant != GUESSING and ("no method is worth" in answer.heading) == answer.guessing_wins
    assert (chosen.row.encoder, chosen.row.variant) in chosen_by_hand(finished, answer)
    others = outcomes_by_hand(finished, chosen.row.variant)
    titles = {method.row.variant: method.title for method in answer.methods}
    for kind, words in (("ahead", AHEAD), ("behind", BEHIND), ("alike", ALIKE), ("few", "can't be told: ")):
        said = [sentence for sentence in answer.sentences if words in sentence]
        if not others[kind]:
            assert kind == "ahead" or not said, (kind, said)
            assert kind != "ahead" or not [sentence for sentence in said if sentence.startswith(AHEAD)]
            continue
        (sentence,) = [sentence for sentence in said if kind != "ahead" or sentence.startswith(AHEAD)]
        if len(others[kind]) <= MOST_NAMES and "every other method" not in sentence:
            assert all(titles[variant] in sentence for variant in others[kind])
        if kind in ("ahead", "behind"):
            low, high = map(float, INTERVAL.findall(sentence)[-1])
            assert 0 <= low <= high
    if len(finished.study.params.seeds) < 3:
        assert not others["ahead"] and not others["behind"] and not INTERVAL.search(" ".join(answer.sentences))
    else:
        assert not others["few"]
    return answer


@pytest.mark.parametrize("tens", range(20))
def test_no_sentence_contradicts_its_interval(base, tmp_path, tens):
    for number in range(10 * tens, 10 * tens + 10):
        finished = random_study(base, number, tmp_path / str(number), drawn=False, own=True)
        page = render_page(finished, texts=False, with_costs=False)
        answer = check(finished, page)
        results = page[page.index('<table class="results') : page.index('<section id="mistakes">')]
        rows = re.findall(r"<tr.*?</tr>", results[results.index("<tbody>") :], re.DOTALL)
        # A row a method in the same order, which says what the sentences say.
        assert len(rows) == len(answer.methods) == len(answer.table())
        for row, method in zip(rows, answer.methods, strict=True):
            text = plain(row)
            assert text.startswith(" ".join(method.title.split()))
            assert method is not answer.chosen or answer.role in text
            assert method.comparison is None or f"{method.difference} {method.said}" in text
            assert method.validated in text and method.trained in text
        for low, high in INTERVAL.findall(" ".join(method.stated for method in answer.methods)):
            assert 0 <= float(low) <= float(high) <= 100


def test_the_check_finds_a_sentence_that_contradicts_its_interval(base, tmp_path):
    studies = (random_study(base, number, tmp_path, drawn=False, own=True) for number in range(50))
    finished = next(one for one in studies if any(said.startswith(AHEAD) for said in own_answer(one).sentences))
    page = render_page(finished, texts=False, with_costs=False)
    check(finished, page)
    with pytest.raises(AssertionError):
        check(finished, page.replace("It is ahead of", "It is behind"))
    bounds = {"ci_low": -finished.differences["ci_high"], "ci_high": -finished.differences["ci_low"]}
    turned = finished.differences.assign(**bounds)
    with pytest.raises(AssertionError):
        check(dataclasses.replace(finished, differences=turned), page)


def test_an_own_page_asks_nothing_of_the_paper(base, tmp_path):
    finished = random_study(base, 3, tmp_path, own=True)
    page = render_page(finished, texts=False, with_costs=False)
    assert page.index("On your texts:") < page.index('<section id="results"')
    for words in ("The paper claims", "paper’s claim", 'id="claims"', 'id="deviations"', 'id="own"', "make verify"):
        assert words not in page
    targets = set(re.findall(r'href="#([^"]*)"', page)) - {""}
    assert targets <= set(re.findall(r'id="([^"]*)"', page))
    assert "The paper claims" in render_page(random_study(base, 3, tmp_path), texts=False, with_costs=False)


@pytest.mark.parametrize(
    ("units", "counted"), [("words", "words"), ("characters", "characters, and of runs of two and three")]
)
def test_what_tfidf_counts_is_said_by_the_study_s_own_units(base, tmp_path, units, counted):
    finished = random_study(base, 3, tmp_path, drawn=False, own=True)
    dataset = dataclasses.replace(finished.study.dataset, units=units)
    finished = dataclasses.replace(finished, study=dataclasses.replace(finished.study, dataset=dataset))
    (about,) = [method.about for method in own_answer(finished).methods if method.row.variant == "tfidf_logistic"]
    assert about == f"a linear classifier on counts of {counted}, without an encoder"
    assert about in plain(render_page(finished, texts=False, with_costs=False))


def comparison(low, high, verdict, difference=None, detectable=None) -> Judged:
    difference = (low + high) / 2 if difference is None else difference
    return Judged("", "", verdict, difference, low, high, (difference,) * 3, 1.0, 3, detectable, 0.8)


def method(title, mean, updates, compared=None, variant="") -> Method:
    row, validation = Row("e", variant or title, title), [mean, mean + 1, mean - 1]
    return Method(row, mean, mean - 2, mean + 2, validation, updates, compared)


def answer_of(base, methods, name, best=None, seeds=(0, 1, 2)) -> OwnAnswer:
    study = dataclasses.replace(base, params=dataclasses.replace(base.params, seeds=list(seeds)))
    choice = Choice(f"e-{name}", f"e-{best or name}")
    return OwnAnswer(study, sorted(methods, key=lambda method: -method.mean), choice, 120)


def test_methods_that_cant_be_told_apart_are_named_and_the_cheapest_said(base):
    methods = [
        method("A", 90.0, 0),
        method("B", 90.2, 500, comparison(-2.5, 3.0, UNDECIDED, detectable=4.2)),
        method("C", 89.9, 900, comparison(-8.0, 9.0, UNDECIDED, detectable=12.1)),
        method("D", 80.0, 300, comparison(-15.0, -5.0, NOT_SUPPORTED)),
        method("E", 70.0, 0, comparison(-28.0, -12.0, NOT_SUPPORTED)),
    ]
    answer = answer_of(base, methods, "A", "B")
    assert answer.heading == "On your texts: use A"
    assert answer.sentences == [
        "It reaches a macro F1 of 90.0% [88.0, 92.0], the mean of 3 seeds on 120 test rows, with its 95% interval.",
        "“B” and “C” can't be told apart from it on 120 test rows; “A” is the cheapest to train.",
        "A lead of 12.1 points would be found in 80% of such studies.",
        "It is ahead of “D” by +10.0 [5.0, 15.0] points, and of “E”.",
        "It trains no encoder.",
        "It was chosen on the validation rows: within one standard error of the best there, “B”, at 50% of its updates "
        "or fewer.",
    ]
    assert answer.table()["On test rows"].tolist() == [
        "can't be told apart", "the one to use", "can't be told apart", "behind", "behind",
    ]  # fmt: skip


def test_a_method_that_is_ahead_on_the_test_rows_is_said_to_be(base):
    methods = [method("A", 90.0, 1250), method("B", 93.0, 0, comparison(1.0, 5.0, SUPPORTED))]
    answer = answer_of(base, methods, "A")
    assert answer.sentences[1:] == [
        f"On the test rows “B” is ahead of it by {format_difference(3.0, 1.0, 5.0)} points.",
        "Its training takes about 1,250 updates (batches of texts) a seed.",
        "It was chosen on the validation rows: the best there, and none within one standard error of it takes 50% of "
        "its updates or fewer.",
    ]


def test_two_seeds_tell_of_no_lead(base):
    few = dataclasses.replace(comparison(1.0, 5.0, TOO_FEW_SEEDS), low=None, high=None)
    same = dataclasses.replace(comparison(0.0, 0.0, SAME_PREDICTIONS), low=None, high=None)
    first = dataclasses.replace(method("A", 90.0, 10), low=None, high=None)
    answer = answer_of(base, [first, method("B", 80.0, 0, few), method("C", 90.0, 10, same)], "A", seeds=(0, 1))
    assert answer.sentences[0] == "It reaches a macro F1 of 90.0%, the mean of 2 seeds on 120 test rows."
    assert answer.sentences[1].startswith("Whether it is ahead of “B” can't be told: that takes 3 seeds or more")
    assert answer.sentences[2] == "“C” can't be told apart from it on 120 test rows; none is cheaper to train."


def test_where_guessing_wins_the_page_says_so_and_the_best_of_the_others_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shares = dict.fromkeys(SHARES, 0.2) | {"tfidf_logistic": 0.5, "majority": 0.9}
    finished = read_finished(make_own_study(tmp_path, shares=shares))
    answer = own_answer(finished)
    assert answer.heading == "On your texts: no method is worth its training" and answer.guessing_wins
    assert answer.sentences[0].startswith("On the validation rows no method is ahead of always naming the commonest")
    assert answer.chosen.row.variant == "tfidf_logistic"
    assert answer.sentences[1] == (
        f"Of those that learn from the texts “{answer.chosen.title}” was chosen; a kept classifier is of this one."
    )
    (said,) = [method.said for method in answer.methods if method.row.variant == GUESSING]
    assert said == "ahead"
    assert "among these: " in answer.sentences[-1] and "the one to keep" in answer.table()["On test rows"].tolist()
    kept = keeping.reason(answer, answer.chosen, 0)
    assert kept.endswith(f" Only methods that learn from the texts are kept. {answer.sentences[-1]}")
    page = plain(render_page(finished, texts=False, with_costs=False))
    assert all(sentence in page for sentence in answer.sentences) and "the one to use" not in page


def test_without_validation_scores_nothing_is_chosen(base, tmp_path):
    guessing = method("Majority class", 30.0, 0, variant=GUESSING)
    answer = OwnAnswer(base, [guessing], None, 120)
    assert answer.heading == "On your texts: no method can be chosen" and "none" in answer.sentences[0]
    finished = random_study(base, 3, tmp_path, drawn=False, own=True)
    assert own_answer(finished).chosen
    by_test = dataclasses.replace(base.protocol, selection_split="test")
    shared = dataclasses.replace(finished.study.shared, protocols={base.params.protocol: by_test})
    finished = dataclasses.replace(finished, study=dataclasses.replace(finished.study, shared=shared))
    answer = own_answer(finished)
    assert answer.methods and answer.heading == "On your texts: no method can be chosen"
    assert answer.sentences[0] in plain(render_page(finished, texts=False, with_costs=False))
    assert OwnAnswer(base, [], None, 0).sentences == ["Nothing has been run yet."]
