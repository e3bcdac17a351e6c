"""Every table in reports/published/ is what the predictions beside it give."""

import json

import pytest
from published_project import make_published_project
from tiny_project import REPOSITORY

from stages.common import paths
from stages.common.analysis.cells import cells
from stages.common.analysis.results import read_frame
from stages.common.config import load_paper, load_study
from stages.common.costs import PHASE_OF_STAGE
from stages.common.published import check_tables
from stages.common.schema import read_yaml

PUBLISHED = sorted(folder.name for folder in (REPOSITORY / paths.published("x").parent).iterdir() if folder.is_dir())


@pytest.fixture(scope="module", params=PUBLISHED)
def published(request, tmp_path_factory):
    """A project with a published benchmark's params and predictions, and nothing else of its runs."""
    name, root = request.param, tmp_path_factory.mktemp("published") / "project"
    folder = make_published_project(root, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
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
    trained = {(one["encoder"], one["variant"], one["seed"]) for one in reports if one["phase"] == "classifier"}
    assert trained == {(*cell, seed) for cell in cells(study) for seed in study.benchmark.seeds}
    assert {one["stage"] for one in reports} <= set(PHASE_OF_STAGE)


def test_no_report_says_where_on_a_machine_the_data_lay(published):
    _, folder = published
    reports = [json.loads(line) for line in (folder / "run_reports.jsonl").read_text(encoding="utf-8").splitlines()]
    origins = {one[key] for one in reports for key in ("data_from", "encoder_from") if one[key]}
    assert origins and not any("/" in origin or "\\" in origin for origin in origins)


def test_the_params_are_those_of_the_benchmark(published):
    """But for more seeds than the benchmark has, as the default study has few to be quick."""
    study, folder = published
    own = read_yaml(REPOSITORY / paths.benchmark_params(study.benchmark.name))
    kept = read_yaml(folder / "params.yaml")
    assert set(own.pop("seeds")) <= set(kept.pop("seeds")) and kept == own
