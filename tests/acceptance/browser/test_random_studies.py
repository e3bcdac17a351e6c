"""The pages of 200 studies drawn at random: whatever their names and numbers, nothing leaves its box."""

import pytest
from browser import NARROW, WIDE
from random_study import random_study
from synthetic_study import make_study

from threephase.report.page import render_page


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("study")
        patch.chdir(root)
        yield make_study(root)


def refuse_what_leaves_its_box(browser, finished, page):
    page.write_text(render_page(finished, texts=False, with_costs=False), encoding="utf-8")
    for width in (WIDE, NARROW):
        browser.look(width)
        browser.open(page)
        assert browser.overflow() <= 0, (page.name, width)
        assert browser.overflowing() == [], (page.name, width)


@pytest.mark.parametrize("tens", range(20))
def test_nothing_leaves_its_box(browser, base, tmp_path, tens):
    for number in range(10 * tens, 10 * tens + 10):
        finished = random_study(base, number, tmp_path / str(number))
        refuse_what_leaves_its_box(browser, finished, tmp_path / f"{number}.html")


@pytest.mark.parametrize("tens", range(5))
def test_nothing_leaves_its_box_on_the_page_of_own_texts(browser, base, tmp_path, tens):
    for number in range(10 * tens, 10 * tens + 10):
        finished = random_study(base, number, tmp_path / str(number), own=True)
        refuse_what_leaves_its_box(browser, finished, tmp_path / f"{number}.html")


def test_the_check_finds_what_is_cut_off(browser, tmp_path):
    page = tmp_path / "page.html"
    wide = '<main><div style="width: 50px"><p style="width: 90px">wide</p></div></main>'
    page.write_text(wide, encoding="utf-8")
    browser.open(page)
    assert browser.overflowing() == ["wider than its box: DIV  wide"]
