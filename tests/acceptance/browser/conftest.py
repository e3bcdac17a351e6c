"""Chromium with pages to look at: of published studies, of all of them, of own texts, a hostile one, and of labels."""

import sys
from pathlib import Path

import pytest
from browser import PAGES, Browser
from label_columns import publish_columns
from own_study import make_own_study
from published_project import copy_params, put_back
from synthetic_study import make_study

from commands import render_costs, render_index, render_labels
from stages import render_report

PUBLISHED = ("snips_l6", "snips_released_l6")
COSTS = "published/studies/snips_l6/reports/costs.html"


def rendered(patch: pytest.MonkeyPatch, stage, *arguments: str) -> None:
    patch.setattr(sys, "argv", [stage.__name__, *arguments])
    stage.main()


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> dict[str, Path]:
    """The pages by the names of ``PAGES``, each beside what it links to."""
    root = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("published", "hostile", "own", "labels"):
            (root / name).mkdir()
        patch.chdir(root / "published")
        copy_params(root / "published")
        for name in PUBLISHED:
            put_back(name, root / "published")
            rendered(patch, render_report, "--study", name)
            rendered(patch, render_costs, "--study", name)
        rendered(patch, render_index)
        patch.chdir(root / "hostile")
        make_study(root / "hostile", hostile=True)
        rendered(patch, render_report)
        rendered(patch, render_index)
        patch.chdir(root / "own")
        make_own_study(root / "own")
        rendered(patch, render_report)
        rendered(patch, render_costs)
        patch.chdir(root / "labels")
        publish_columns(root / "labels", {8: {}, 64: {}, None: {}})
        rendered(patch, render_labels)
    return {name: root / file for name, file in {**PAGES, "costs": COSTS}.items()}


@pytest.fixture(scope="session")
def chromium():
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium):
    """The browser as it is at the start: light, wide, with scripts, nothing logged."""
    chromium.reset()
    return chromium
