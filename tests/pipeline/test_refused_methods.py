"""Methods that cannot be trained are refused in one line, before dvc starts."""

import shutil
from pathlib import Path

import pytest
from added_methods import block
from small_project import CODE, REPOSITORY, SHARED, STUDY, change, error_line, make_project, run_stage
from tiny_project import ENCODER

REFUSED_FILE = "threephase/methods/odd.py"


@pytest.fixture
def project(tmp_path) -> Path:
    """A small project whose code is a copy, with an entry of the file ``odd.py``, which a test writes."""
    make_project(tmp_path)
    for folder in CODE:
        (tmp_path / folder).unlink()
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    entry = {"title": "Odd", "file": "odd", "makes": ["encoder"], "reads": ["pretrained"], "recipe": None}
    change(tmp_path, SHARED, {"methods.odd": entry | {"settings": {}}})
    change(tmp_path, STUDY, {"variants": ["odd"], f"hyperparameters.{ENCODER}.lr_classifier": 1e-3})
    return tmp_path


GOOD = block("python")


@pytest.mark.parametrize(
    ("code", "settings", "said"),
    [
        (
            GOOD.replace("def train_encoder", "def train"),
            {},
            f"{REFUSED_FILE}: got no function train_encoder, expected train_encoder(run, encoder, tokenizer, settings)",
        ),
        (
            GOOD.replace("class Settings", "class Setings"),
            {},
            f"{REFUSED_FILE}: got no class Settings, expected a frozen dataclass of its settings",
        ),
        (
            GOOD + "f(:",
            {},
            f"{REFUSED_FILE}, line {len(GOOD.splitlines()) + 1}: invalid syntax; expected Python code",
        ),
        (
            GOOD.replace("Settings(Schedule)", "Settings"),
            {},
            f"{REFUSED_FILE}: Settings: got no Schedule, expected class Settings(Schedule)",
        ),
        (GOOD, {}, f"{SHARED}: methods.odd.settings.smoothing: the key is missing, expected a number"),
        (
            GOOD,
            {"smoothing": 1.0},
            f"{SHARED}: methods.odd.settings.smoothing: got 1.0, expected a number at least 0 and below 1",
        ),
        (GOOD, {"smoothing": "0.1"}, f"{SHARED}: methods.odd.settings.smoothing: got '0.1', expected a number"),
        (
            GOOD,
            {"smothing": 0.1},
            f"{SHARED}: methods.odd.settings.smothing: unknown key (did you mean 'smoothing'?), expected one of: lr, ",
        ),
        (
            GOOD,
            {"smoothing": 0.1, "lr": 0},
            f"{SHARED}: methods.odd.settings.lr: got 0, expected a number above 0 and below 1",
        ),
    ],
)
def test_a_method_that_cannot_be_trained_is_refused_before_dvc_starts(project, code, settings, said):
    (project / REFUSED_FILE).write_text(code, encoding="utf-8")
    change(project, SHARED, {"methods.odd.settings": settings})
    for command in ("resolve_settings", "check_studies"):
        assert error_line(run_stage(project, command)).startswith(said)


def test_a_method_that_makes_no_head_is_refused_where_the_entry_says_it_does(project):
    (project / REFUSED_FILE).write_text(GOOD, encoding="utf-8")
    change(project, SHARED, {"methods.odd.settings": {"smoothing": 0.1}, "methods.odd.makes": ["head"]})
    said = f"{REFUSED_FILE}: got no function initial_head, expected initial_head(run, encoder, tokenizer, settings)"
    assert error_line(run_stage(project, "resolve_settings")) == said


def test_a_method_that_fits_a_classifier_has_no_phase_3(project):
    (project / REFUSED_FILE).write_text(GOOD, encoding="utf-8")
    settings = {"methods.odd.settings": {"smoothing": 0.1}}
    for changed, given in (({"makes": ["classifier", "head"]}, "a head"), ({"makes": ["classifier"]}, "a recipe")):
        recipe = {"lr_classifier": [1e-4], "max_epochs_classifier": 1, "min_updates_classifier": 1}
        entry = {"recipe": recipe if given == "a recipe" else None} | changed
        change(project, SHARED, settings | {f"methods.odd.{key}": value for key, value in entry.items()})
        said = f"{SHARED}: methods.odd: got {given} beside a classifier, which replaces phase 3; expected one of both"
        assert error_line(run_stage(project, "resolve_settings")) == said
    change(project, SHARED, {"methods.odd.recipe": None})
    said = f"{REFUSED_FILE}: got no function fitted_classifier, expected fitted_classifier(run, encoder, tokenizer, "
    assert error_line(run_stage(project, "resolve_settings")) == said + "settings)"
