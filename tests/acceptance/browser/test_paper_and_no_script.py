"""The pages on paper, and in a browser that runs no script."""

import base64

import pytest
from browser import EVERY_PAGE, OPEN, PAPER, WITH_NUMBERS


@EVERY_PAGE
def test_paper_has_tables_and_no_cards(browser, pages, name):
    browser.look(PAPER, media="print")
    browser.open(pages[name])
    rows = browser.all("main tbody tr")
    shown = [row for row in rows if row.is_displayed()]
    assert shown and {row.value_of_css_property("display") for row in shown} == {"table-row"}
    assert browser.overflow() <= 0


@EVERY_PAGE
def test_a_printed_page_has_everything_folded_out_and_no_controls(browser, pages, name):
    browser.look(media="print")
    browser.open(pages[name])
    for selector in ("nav", ".filters", ".copy", ".plain", ".skip", ".details"):
        assert not [one for one in browser.all(selector) if one.is_displayed()], selector
    assert browser.find("#answer p").is_displayed()
    folded = browser.run("return document.querySelectorAll('main details:not([open])').length")
    printed = base64.b64decode(browser.protocol("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF-") and len(printed) > 50_000
    assert browser.run("return document.querySelectorAll('main details:not([open])').length") == folded


@EVERY_PAGE
def test_a_page_without_a_script_has_the_same_text(browser, pages, name):
    browser.open(pages[name])
    text = "return document.querySelector('main').textContent.replace(/\\s+/g, ' ')"
    with_script = browser.run(text)
    browser.protocol("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(pages[name])
    assert not [one for one in browser.all(".js") if one.is_displayed()]
    without = browser.find("main").get_property("textContent")
    assert len(" ".join(without.split())) == pytest.approx(len(with_script), rel=0.01)
    assert browser.messages() == []


@WITH_NUMBERS
def test_a_number_opens_without_a_script(browser, pages, name):
    browser.protocol("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(pages[name])
    browser.unfold()
    browser.find("button.cell").click()
    assert browser.find(OPEN).is_displayed()
    assert browser.messages() == []
