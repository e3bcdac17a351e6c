"""Every table in reports/published/ is what the predictions beside it give."""

import dataclasses
import json

import pandas as pd
import pytest
from published_project import make_published_project
from tiny_project import REPOSITORY

from threephase.base import paths
from threephase.results.prediction_checksums import checksums
from threephase.results.results import read_frame
from threephase.revisions.published import check_tables, params_text
from threephase.study.read_params import load_paper, load_published, load_study
from threephase.study.topology import cells, trainings

PUBLISHED = sorted(file.parent.name for file in (REPOSITORY / paths.PUBLISHED).glob(f"*/{paths.PARAMS}"))


@pytest.fixture(scope="module", params=PUBLISHED)
def published(request, tmp_path_factory):
    """A project with a published study's params and predictions, and nothing else of its runs."""
    name, root = request.param, tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        folder = make_published_project(root, name)
        yield load_study(name), folder


def test_results_runs_and_claims_are_those_of_the_predictions(published):
    study, folder = published
    check_tables(study, load_paper(), folder)


def test_every_cell_and_every_run_is_there(published):
    study, folder = published
    results = read_frame(folder / "results.csv")
    assert set(zip(results["encoder"], results["variant"], strict=True)) == set(cells(study))
    assert results["mean"].between(0, 100).all()
    reports = [json.loads(line) for line in (folder / "run_reports.jsonl").read_text(encoding="utf-8").splitlines()]
    trained = {
        (report["encoder"], report["variant"], report["seed"]) for report in reports if report["phase"] == "classifier"
    }
    assert trained == {(*cell, seed) for cell in cells(study) for seed in study.params.seeds}
    assert {report["stage"] for report in reports} <= {training.program for training in trainings(study)}
    reported = {(report["encoder"], report["variant"], report["phase"]) for report in reports}
    assert reported == {(training.encoder, training.variant, training.phase) for training in trainings(study)}


def test_no_report_says_where_on_a_machine_the_data_lay(published):
    _, folder = published
    reports = [json.loads(line) for line in (folder / "run_reports.jsonl").read_text(encoding="utf-8").splitlines()]
    origins = {report[key] for report in reports for key in ("data_from", "encoder_from") if report[key]}
    assert origins and not any("/" in origin or "\\" in origin for origin in origins)


def test_the_checksums_are_those_of_the_predictions(published):
    _, folder = published
    kept = pd.read_csv(folder / "checksums.csv")
    pd.testing.assert_frame_equal(kept, checksums(pd.read_parquet(folder / "predictions.parquet")), check_dtype=False)


def test_the_params_stand_alone_and_are_those_of_the_study(published, monkeypatch):
    """But for more seeds than the study has, as the default study has few to be quick."""
    study, folder = published
    text = (folder / paths.PARAMS).read_text(encoding="utf-8")
    assert text == params_text(study) and "base:" not in text
    monkeypatch.chdir(REPOSITORY)
    own, kept = load_study(study.params.name).params, load_published()[study.params.name].params
    assert set(own.seeds) <= set(kept.seeds)
    assert dataclasses.replace(kept, seeds=own.seeds) == own


def test_every_input_is_named_within_the_study(published):
    study, folder = published
    reports = [json.loads(line) for line in (folder / "run_reports.jsonl").read_text(encoding="utf-8").splitlines()]
    inputs = {file for report in reports for file in report["inputs"]}
    assert inputs and all(file.startswith("runs/") and study.params.name not in file for file in inputs)
