"""The other data set that a method's entry may name: which ones are refused before anything runs."""

import shutil
from pathlib import Path

import pytest
from small_project import REPOSITORY, SHARED, STUDY, change, error_line, make_project, run_stage

OTHER_DATASET = "data/newsgroups.yaml"


@pytest.fixture
def project(tmp_path) -> Path:
    """A small project whose study trains a method with the data set ``newsgroups``."""
    make_project(tmp_path)
    shutil.copyfile(REPOSITORY / OTHER_DATASET, tmp_path / OTHER_DATASET)
    change(tmp_path, STUDY, {"variants": ["co_finetuning"]})
    return tmp_path


def test_the_stage_of_the_data_comes_before_that_of_the_method(project):
    assert run_stage(project, "write_pipelines").returncode == 0
    assert run_stage(project, "resolve_settings").returncode == 0
    assert (project / "runs/settings/prepare_method_data-co_finetuning.json").is_file()
    pipeline = (project / "dvc.yaml").read_text(encoding="utf-8")
    made, read = "      - runs/method_data/${item.variant}.parquet\n", pipeline.index("  train_method_with_data:\n")
    assert pipeline.count(made) == 2 and pipeline.index(made) < read < pipeline.rindex(made)
    assert f"      - {OTHER_DATASET}\n" in pipeline[: pipeline.index("  fetch_data:\n")]


@pytest.mark.parametrize("data", ["nothing", "small"])
def test_a_data_set_that_is_unknown_or_the_studys_own_is_refused(project, data):
    change(project, SHARED, {"methods.co_finetuning.reads": ["pretrained", data]})
    said = f"{SHARED}: methods.co_finetuning.reads: got {data!r}, expected one of: pretrained, dae, noise, pairs, "
    for command in ("resolve_settings", "check_studies"):
        line = error_line(run_stage(project, command))
        assert line.startswith(said) and line.endswith(", newsgroups")


def test_two_other_data_sets_are_refused(project):
    shutil.copyfile(REPOSITORY / OTHER_DATASET, project / "data/others.yaml")
    change(project, SHARED, {"methods.co_finetuning.reads": ["pretrained", "newsgroups", "others"]})
    said = "methods.co_finetuning.reads: got ['newsgroups', 'others'], expected one data set at most"
    assert error_line(run_stage(project, "resolve_settings")) == f"{SHARED}: {said}"


def test_a_method_that_makes_a_head_alone_takes_no_other_data(project):
    change(project, SHARED, {"methods.linear_ft.reads": ["pretrained", "newsgroups"]})
    said = (
        "methods.linear_ft.reads: got ['pretrained', 'newsgroups'], expected its first alone, as the method makes no "
    )
    assert error_line(run_stage(project, "resolve_settings")) == f"{SHARED}: {said}encoder"
