"""A real browser without a window, driven through its own protocol; nothing of it outlives the session."""

import itertools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PAGES = {
    "overview": "published/reports/studies.html",
    "study": "published/studies/snips_l6/reports/index.html",
    "own": "own/reports/index.html",
    "hostile": "hostile/reports/index.html",
    "hostile_overview": "hostile/reports/studies.html",
    "labels": "labels/reports/published/labels/index.html",
}
EVERY_PAGE = pytest.mark.parametrize("name", PAGES)
WITH_NUMBERS = pytest.mark.parametrize("name", [name for name in PAGES if name != "labels"])  # whose details open
AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDE, NARROW = 1440, 390  # pixels
PAPER = 690  # of A4 within its margins
HEIGHT = 900
EVERY_LOOK = pytest.mark.parametrize(("width", "scheme"), [*itertools.product((WIDE, NARROW), ("light", "dark"))])
OPEN = ".details:popover-open"


# What is cut off or laid over its neighbour: boxes whose content is wider than they are, whatever leaves the window
# outside of the regions that scroll by themselves, and texts of drawings that leave their drawing.
OVERFLOWING = """
for (const folded of document.querySelectorAll("main details")) folded.open = true;
const found = [];
const add = (why, place) => {
  found.push(`${why}: ${place.tagName} ${place.getAttribute("class") ?? ""} ${place.textContent.trim().slice(0, 40)}`);
};
const seen = (place) => place.checkVisibility() && !place.closest(".unseen");
for (const place of [...document.querySelectorAll("header *, main, main *:not(svg *)")].filter(seen)) {
  const box = place.getBoundingClientRect(), style = getComputedStyle(place);
  const outside = box.left < -1 || box.right > innerWidth + 1;
  if (outside && !place.closest(".scroll")) add("leaves the window", place);
  const fixed = style.display !== "inline" && style.overflowX === "visible" && place.clientWidth > 0;
  if (fixed && place.scrollWidth > place.clientWidth + 1) add("wider than its box", place);
}
for (const text of [...document.querySelectorAll("main svg text")].filter(seen)) {
  const box = text.getBoundingClientRect(), around = text.ownerSVGElement.getBoundingClientRect();
  if (box.left < around.left - 8 || box.right > around.right + 8) add("leaves its drawing", text);
}
return found.slice(0, 5);
"""


# On how many lines the text of a place stands; the boxes of a block tell only of the block.
LINES = """
const range = document.createRange();
range.selectNodeContents(arguments[0]);
return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size;
"""


# The contrast of each number of a confusion matrix with its field, which is drawn with some opacity over the page.
CONTRASTS = """
const parts = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
const linear = (part) => part <= 10 ? part / 3295 : ((part / 255 + 0.055) / 1.055) ** 2.4;
const light = (parts) => parts.map(linear)
  .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
const ground = parts(getComputedStyle(document.body).backgroundColor);
return [...document.querySelectorAll(".field + .share")].map((text) => {
  const field = getComputedStyle(text.previousElementSibling), share = Number(field.fillOpacity);
  const under = parts(field.fill).map((part, place) => share * part + (1 - share) * ground[place]);
  const [dark, bright] = [light(under), light(parts(getComputedStyle(text).fill))].sort((one, other) => one - other);
  return (bright + 0.05) / (dark + 0.05);
});
"""


class Browser:
    """Chromium with a profile of its own in a temporary folder."""

    def __enter__(self) -> "Browser":
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        options = Options()
        options.binary_location = shutil.which("chromium")
        for switch in (*SWITCHES, f"--user-data-dir={self.profile}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(120)
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def protocol(self, command: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)

    def reset(self) -> None:
        self.look()
        self.protocol("Emulation.setScriptExecutionDisabled", value=False)
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def look(self, width: int = WIDE, scheme: str = "light", media: str = "screen") -> None:
        """Set the width of the window, light or dark, screen or print."""
        size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self.protocol("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.protocol("Emulation.setEmulatedMedia", media=media, features=features)

    def open(self, page: Path, address: str = "") -> None:
        """Load a page anew, at an address within it."""
        self.driver.get("about:blank")
        self.driver.get(page.as_uri() + address)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def unfold(self) -> None:
        """Open whatever is folded away, as a reader does: each summary, from the top."""
        while folded := [one for one in self.all("main details:not([open]) > summary") if one.is_displayed()]:
            folded[0].send_keys(Keys.ENTER)

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    @property
    def focused(self) -> Any:
        return self.driver.switch_to.active_element

    def messages(self) -> list[str]:
        """What was written to the console since the last reset or call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses of everything that was asked for since the last reset or call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [event["request"]["url"] for event in sent]

    def violations(self) -> list[str]:
        """What the rules of axe-core find on the page as it is, a line a rule with the first places."""
        self.run(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; axe.run().then((all) => done(all.violations))"
        )
        return [f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]

    def overflowing(self) -> list[str]:
        """The first places that are cut off or leave their box, with everything that is folded away opened."""
        return self.run(OVERFLOWING)

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return self.run("const page = document.documentElement; return page.scrollWidth - page.clientWidth")
