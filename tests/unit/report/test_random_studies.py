"""The page of 200 studies drawn at random: no sentence contradicts its interval, no percentage leaves 0 to 100."""

import html
import re

import pytest
from random_study import random_study
from synthetic_study import make_study

from threephase.report.answer import BY_ORDINARY
from threephase.report.page import render_page
from threephase.scores.statistics import NOT_RUN, NOT_SUPPORTED, SAME_PREDICTIONS, SUPPORTED, TOO_FEW_SEEDS, UNDECIDED

MARGIN = 1.0
# A chip, the difference as stated, and in the card the sentence beside it; the table of claims has none.
CHIP, WHY = r'<span class="badge [^"]*">(?P<chip>.*?)</span>', r"(?P<why>.*?)"
CARD = rf'<p>{CHIP} <strong class="difference">(?P<stated>.*?)</strong>.*?</p>.*?<p>{WHY}</p>\n</div>'
ROW = rf'<td class="number"><b>(?P<stated>.*?)</b></td>\n<td>{CHIP}{WHY}</td>'
INTERVAL = re.compile(r"\[(-?\d+\.\d), (-?\d+\.\d)\]")
# By the words of a sentence: what the numbers beside it must be, up to their rounding.
HOLDS = {
    "lies above 0": lambda low, high: low >= 0,
    "lies below 0": lambda low, high: high <= 0,
    "lies below 1 point": lambda low, high: low <= 0 <= high <= MARGIN,
    "holds 0 as well as a lead of 1 point": lambda low, high: low <= 0 and high >= MARGIN,
    "the same answer": lambda low, high: low == high == 0,
}
WORDS = {
    SUPPORTED: {"lies above 0"},
    NOT_SUPPORTED: {"lies below 0", "lies below 1 point"},
    UNDECIDED: {"holds 0 as well as a lead of 1 point"},
    SAME_PREDICTIONS: {"the same answer"},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("study")
        patch.chdir(root)
        yield make_study(root)


def check_sentences(page: str, seeds: int) -> int:
    """Hold every chip against its interval and its sentence; how many there are."""
    found = [match for pattern in (CARD, ROW) for match in re.finditer(pattern, page, re.DOTALL)]
    for match in found:
        chip, stated, why = (html.unescape(match[name]) for name in ("chip", "stated", "why"))
        interval = INTERVAL.search(stated)
        said = {words for words in HOLDS if words in why}
        if chip in (TOO_FEW_SEEDS, NOT_RUN):
            assert interval is None and not said and "undecided" not in why
            assert chip != TOO_FEW_SEEDS or seeds < 3
        elif interval is None:
            assert chip == SAME_PREDICTIONS and seeds < 3
        else:
            low, high = map(float, interval.groups())
            assert said <= WORDS[chip] and len(said) == (match.re.pattern == CARD), (chip, why)
            assert any(HOLDS[words](low, high) for words in said or WORDS[chip]), (chip, stated, why)
    return len(found)


@pytest.mark.parametrize("tens", range(20))
def test_no_sentence_contradicts_its_interval(base, tmp_path, tens):
    for number in range(10 * tens, 10 * tens + 10):
        finished = random_study(base, number, tmp_path / str(number), drawn=False)
        page = render_page(finished, texts=False, with_costs=False)
        seeds = len(finished.study.params.seeds)
        run = finished.claims[finished.claims["verdict"] != NOT_RUN]
        recipe = finished.differences[["variant", "other"]].isin(BY_ORDINARY).all(axis=1)
        assert check_sentences(page, seeds) == len(run) + 1 + recipe.sum()
        results = page[page.index('<table class="results') : page.index('<section id="claims">')]
        for low, high in INTERVAL.findall(results):
            assert 0 <= float(low) <= float(high) <= 100
        assert (seeds > 2) == ('class="span"' in results)
        means = [
            float(mean) for mean in re.findall(r'<td class="number" data-label="Macro F1" data-sort="(.*?)"', results)
        ]
        assert means == sorted(means, reverse=True) and len(means) == len(finished.results) / 4
        assert "\N{MINUS SIGN}" not in page and "nan" not in re.sub("<[^>]*>", "", results).lower()


def test_the_check_finds_a_sentence_that_contradicts_its_interval(base, tmp_path):
    studies = (random_study(base, number, tmp_path, drawn=False) for number in range(500))
    pages = (render_page(finished, texts=False, with_costs=False) for finished in studies)
    page = next(page for page in pages if "holds 0 as well as" in page)
    with pytest.raises(AssertionError):
        check_sentences(page.replace("holds 0 as well as a lead of 1 point", "lies above 0"), 3)
    with pytest.raises(AssertionError):
        check_sentences(page.replace(">undecided<", ">too few seeds<"), 3)
