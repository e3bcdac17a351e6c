"""The pages in a real browser: what a reader sees, with a mouse, by keyboard, narrow and dark.

It needs Chromium, so that it is a step of its own: ``make page-test``.
"""

import pytest
from browser import CONTRASTS, EVERY_LOOK, EVERY_PAGE, LINES, NARROW, OPEN, WIDE, WITH_NUMBERS
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.ui import WebDriverWait

from threephase.base import paths
from threephase.results.results import read_results
from threephase.results.tables import format_number

CELL = "cell=snips_l6/minilm_l6-three_phase/accuracy"
COMMAND = "dvc --cd studies/snips_l6 repro summarize_cell@minilm_l6-three_phase"
(SUMMARY,) = (
    line
    for line in read_results(paths.published("snips_l6") / "results.csv").itertuples()
    if (line.encoder, line.variant, line.metric) == ("minilm_l6", "three_phase", "accuracy")
)
MEAN = format_number(SUMMARY.mean)


@EVERY_PAGE
def test_nothing_is_asked_for_but_the_page_and_nothing_is_complained_of(browser, pages, name):
    browser.open(pages[name])
    assert browser.find("h1").is_displayed()
    assert browser.messages() == []
    asked = {address for address in browser.requests() if not address.startswith("data:") and address != "about:blank"}
    assert asked == {pages[name].as_uri()}


@EVERY_PAGE
@EVERY_LOOK
def test_no_rule_of_accessibility_is_broken_and_the_page_never_scrolls_sideways(browser, pages, name, width, scheme):
    browser.look(width, scheme)
    browser.open(pages[name])
    assert browser.overflow() <= 0
    assert browser.violations() == []


@WITH_NUMBERS
@EVERY_LOOK
def test_what_lies_behind_a_number_is_as_accessible(browser, pages, name, width, scheme):
    browser.look(width, scheme)
    browser.open(pages[name])
    browser.run("document.querySelector('button.cell').click()")
    assert browser.all(OPEN)
    assert browser.overflow() <= 0
    assert browser.violations() == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_page_of_costs_is_as_accessible_and_leads_back(browser, pages, width):
    browser.look(width)
    browser.open(pages["costs"])
    assert browser.messages() == [] and browser.violations() == [] and browser.overflow() <= 0
    browser.find(".kicker a").click()
    assert browser.driver.current_url == pages["study"].as_uri()


@WITH_NUMBERS
def test_no_text_of_the_data_runs(browser, pages, name):
    browser.open(pages[name])
    browser.unfold()
    assert browser.run("return window.injected") is None
    assert len(browser.all("script")) == 1
    assert not browser.all("[onload], [onerror], [onclick]")


def test_a_title_sorts_its_column_and_says_so(browser, pages):
    browser.open(pages["overview"], "#cells")
    table = "#cells table"
    column = 2  # accuracy
    button = browser.all(f"{table} thead th button")[column]
    for order, largest_first in (("descending", True), ("ascending", False)):
        button.send_keys(Keys.ENTER)
        head = browser.all(f"{table} thead th")[column]
        assert head.get_attribute("aria-sort") == order
        assert browser.find("#said").get_attribute("textContent").endswith(f"Accuracy, {order}")
        cells = browser.all(f"{table} tbody tr > :nth-child({column + 1})")
        values = [float(cell.get_attribute("data-sort")) for cell in cells]
        assert len(values) > 20 and values == sorted(values, reverse=largest_first)
    assert len(browser.all(f"{table} [aria-sort]")) == 1


def test_filters_leave_what_fits_and_say_how_much(browser, pages):
    browser.open(pages["overview"])
    rows = browser.all("table.filterable > tbody > tr")

    def shown():
        return [row for row in rows if not row.get_property("hidden")]

    count = browser.find(".filters .count")
    assert count.get_attribute("aria-live") == "polite" and count.text == f"{len(rows)} of {len(rows)} rows"
    Select(browser.find("[data-filter=protocol]")).select_by_value("released")
    Select(browser.find("[data-filter=dataset]")).select_by_value("snips")
    assert {row.get_attribute("data-protocol") for row in shown()} == {"released"}
    assert {row.get_attribute("data-dataset") for row in shown()} == {"snips"}
    assert 0 < len(shown()) < len(rows) and count.text == f"{len(shown())} of {len(rows)} rows"
    browser.find("[data-reset]").click()
    assert len(shown()) == len(rows)
    assert Select(browser.find("[data-filter=protocol]")).first_selected_option.text == "all"


@pytest.mark.parametrize("name", ["overview", "study"])
def test_a_number_opens_by_keyboard_and_escape_leads_back(browser, pages, name):
    browser.open(pages[name])
    browser.unfold()
    cell = browser.find(f"[id='{CELL}']")
    browser.run("arguments[0].focus()", cell)
    browser.press(Keys.ENTER)
    panel = browser.find(OPEN)
    assert panel.get_attribute("role") == "dialog" and browser.focused.text == "Close"
    assert COMMAND in panel.text and MEAN in panel.text
    assert {one.get_attribute("data-metric") for one in panel.find_elements("css selector", ".chosen")} == {"accuracy"}
    assert browser.driver.current_url.endswith(f"#{CELL}")
    browser.press(Keys.ESCAPE)
    assert not browser.all(OPEN) and browser.focused == cell
    # The browser tells the page of the closed panel a moment after it.
    WebDriverWait(browser.driver, 5).until(lambda driver: "#" not in driver.current_url)


def test_the_command_behind_a_number_is_copied(browser, pages):
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.protocol("Browser.grantPermissions", permissions=permissions)
    browser.open(pages["overview"], f"#{CELL}")
    button = browser.find(f"{OPEN} .copy")
    button.click()
    # The clipboard answers later than the click returns.
    WebDriverWait(browser.driver, 5, poll_frequency=0.05).until(lambda _: button.text == "Copied")
    assert browser.find("#said").get_attribute("textContent") == "Copied"
    done = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(String(error)))"
    assert browser.driver.execute_async_script(done) == COMMAND


@pytest.mark.parametrize("name", ["overview", "study"])
def test_an_address_leads_to_its_number(browser, pages, name):
    browser.open(pages[name], "#" + CELL.replace("accuracy", "macro_f1"))
    cell = browser.find(f"[id='{CELL.replace('accuracy', 'macro_f1')}']")
    assert browser.find(OPEN).get_attribute("id") == "details=snips_l6/minilm_l6-three_phase"
    box = browser.run("const box = arguments[0].getBoundingClientRect(); return [box.top, box.bottom]", cell)
    assert 0 <= box[0] < box[1] <= 900
    # The link beside another metric is the address of that one.
    browser.find(f"{OPEN} th[data-metric=accuracy] a").click()
    assert browser.driver.current_url.endswith(f"#{CELL}")
    chosen = browser.find(OPEN).find_elements("css selector", ".chosen")
    assert {one.get_attribute("data-metric") for one in chosen} == {"accuracy"}
    browser.press(Keys.ESCAPE)
    assert not browser.all(OPEN)


def test_an_address_leads_to_a_number_that_is_filtered_and_folded_away(browser, pages):
    browser.open(pages["overview"])
    Select(browser.find("[data-filter=protocol]")).select_by_value("released")
    browser.run("for (const one of document.querySelectorAll('details.grid')) one.open = false")
    browser.run("location.hash = arguments[0]", CELL)
    assert browser.find(f"[id='{CELL}']").is_displayed() and browser.all(OPEN)


@pytest.mark.parametrize("name", ["overview", "study", "own", "labels"])
def test_the_contents_stay_in_sight_and_lead_to_what_is_folded(browser, pages, name):
    for width in (WIDE, NARROW):
        browser.look(width)
        browser.open(pages[name])
        for link in browser.all("nav a"):
            link.click()
            place = browser.find(link.get_attribute("hash"))
            assert place.is_displayed(), link.get_attribute("hash")
            box = browser.run("const box = arguments[0].getBoundingClientRect(); return [box.top, box.bottom]", link)
            assert 0 <= box[0] < box[1] <= 900, (width, link.text)


def test_precision_and_recall_stand_behind_a_switch(browser, pages):
    browser.open(pages["study"])
    extra = browser.all("#results .extra")
    assert len(extra) > 20 and not [one for one in extra if one.is_displayed()]
    browser.find(".more-columns").click()
    assert all(one.is_displayed() for one in extra)
    assert browser.violations() == []


@EVERY_PAGE
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_leaves_its_box(browser, pages, name, width):
    browser.look(width)
    browser.open(pages[name])
    assert browser.overflowing() == []


@WITH_NUMBERS
def test_the_scale_of_what_is_drawn_stays_in_sight_on_a_telephone(browser, pages, name):
    browser.look(NARROW)
    browser.open(pages[name])
    browser.unfold()
    for drawing in browser.all("table:has(tbody .strip)"):
        assert drawing.find_element("css selector", "thead .axis").is_displayed()
    for text in browser.all("thead .axis text"):
        assert not text.is_displayed() or float(text.value_of_css_property("font-size").removesuffix("px")) >= 12


@EVERY_PAGE
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_number_breaks_within_its_interval(browser, pages, name, width):
    browser.look(width)
    browser.open(pages[name])
    browser.unfold()
    whole = browser.all(".whole")
    assert bool(whole) == (name != "hostile")  # it has two seeds, so no interval
    assert {browser.run(LINES, one) for one in whole} <= {0, 1}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_number_of_a_confusion_matrix_can_be_read(browser, pages, scheme):
    browser.look(scheme=scheme)
    browser.open(pages["own"])
    contrasts = browser.run(CONTRASTS)
    assert len(contrasts) > 20 and min(contrasts) >= 4.5


@pytest.mark.parametrize(("name", "places"), [("own", "#mistakes .panel"), ("hostile", "#mistakes .panel")])
def test_pictures_beside_each_other_end_together(browser, pages, name, places):
    browser.open(pages[name])
    bottoms = "return [...document.querySelectorAll(arguments[0])].map((one) => one.getBoundingClientRect().bottom)"
    first = browser.run(bottoms, places)[:3]
    assert len(first) == 3 and max(first) - min(first) < 1


@pytest.mark.parametrize(
    ("name", "width", "place"),
    [
        *((name, width, "#answer") for name in ("overview", "study", "labels") for width in (WIDE, NARROW)),
        # On a telephone how it was chosen may stand below.
        ("own", WIDE, "#answer"),
        ("own", NARROW, "#answer p:nth-of-type(3)"),
    ],
)
def test_the_first_screen_has_the_answer(browser, pages, name, width, place):
    browser.look(width)
    browser.open(pages[name])
    bottom = "return arguments[0].getBoundingClientRect().bottom"
    assert browser.run(bottom, browser.find(place)) <= 900


def test_an_address_of_no_cell_is_said(browser, pages):
    browser.open(pages["overview"], "#cell=snips_l6/no-such/accuracy")
    said = "No such cell on this page: snips_l6/no-such/accuracy"
    assert browser.find("#said").get_attribute("textContent") == said and not browser.all(OPEN)
    assert browser.messages() == []


@pytest.mark.parametrize(
    ("name", "stops", "kinds"),
    [("overview", 30, {"a", "button", "div"}), ("study", 30, {"a", "button", "div"}), ("labels", 15, {"a", "div"})],
)
def test_every_stop_of_the_keyboard_is_a_control_that_shows_the_focus(browser, pages, name, stops, kinds):
    browser.open(pages[name])
    seen = []
    for _ in range(60):
        browser.press(Keys.TAB)
        if browser.focused.tag_name == "body":  # behind the last one
            break
        look = "const style = getComputedStyle(arguments[0]); return style.outlineStyle + ' ' + style.outlineWidth"
        assert browser.run(look, browser.focused) == "solid 3px"
        seen.append(browser.focused.tag_name)
        scrolls = browser.focused.get_attribute("role") == "region"
        assert seen[-1] in ("a", "button", "select", "input", "summary") or scrolls
    assert len(seen) > stops
    assert kinds <= set(seen)
