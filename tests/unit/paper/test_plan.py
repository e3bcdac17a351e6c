"""The map of commands and its costs: every number of the paper has a command that dvc knows and that makes its cell."""

import functools
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from paper_project import make_paper_project, reproduction
from ruamel.yaml import YAML
from small_project import REPOSITORY, change, error_line, run_stage
from tiny_project import environment

from threephase.base import paths
from threephase.paper.numbers import DATA_TABLES, PROTOCOLS, Reproduction
from threephase.paper.plan import kind_of, plan, stages_of_dvc, summary, wanted_for
from threephase.paper.runs import stages_of


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The paper's project with its pipelines, in a repository that dvc takes."""
    root = make_paper_project(tmp_path_factory.mktemp("plan") / "project")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


@pytest.fixture(scope="module")
def planned(root):
    """The project's work, what each command needs, the plan, and the metrics that each stage leaves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name, value in environment(root).items():
            patch.setenv(name, value)
        from dvc.repo import Repo

        work, outputs = reproduction(), {}
        for name, study in work.studies.items():
            if study.params.reproduces_paper and study.folder != Path():
                with Repo(str(study.folder)) as repo:
                    outputs |= {(name, stage.name): {out.def_path for out in stage.outs} for stage in repo.index.stages}
        needed = stages_of_dvc(work.studies)
        return work, needed, plan(work, needed), outputs


@pytest.fixture(autouse=True)
def in_project(root, monkeypatch):
    monkeypatch.chdir(root)


def test_every_number_has_a_command_that_makes_its_cell(planned):
    work, needed, frame, outputs = planned
    assert len(frame) == 204
    for row in frame.to_dict("records"):
        for protocol in PROTOCOLS:
            typed = row[f"command_{protocol}"]
            _, wanted = wanted_for(work, row, protocol)
            assert {(name, stage) for name, stages in wanted.items() for stage in stages} <= needed(wanted), row
            if row["table"] in DATA_TABLES:
                assert typed == f"make table TABLE={row['table']}" and wanted[row["dataset"]] == ["prepare_data"]
                continue
            ((name, (stage,)),) = wanted.items()
            assert typed == f"dvc --cd studies/{name} repro {stage}"
            summary_file = paths.cell_summary(paths.REPORTS, row["encoder"], row["variant"])
            assert str(summary_file) in outputs[name, stage]
            params = work.studies[name].params
            assert (params.dataset, params.protocol) == (row["dataset"], protocol)


def test_a_command_runs_the_stages_of_its_variant(planned):
    frame = planned[2]
    row = frame[(frame["table"] == 4) & (frame["dataset"] == "sst2") & (frame["variant"] == "cl_ft")].iloc[0]
    kinds = dict(kind.split(":") for kind in row["stages_by_kind_described"].split())
    assert kinds == {
        "resolve_settings": "1", "fetch_data": "1", "prepare_data": "1", "fetch_encoder": "1", "split_data": "3",
        "train_contrastive_from_pretrained": "3", "train_classifier": "3", "summarize_cell": "1",
    }  # fmt: skip
    assert row["stages_described"] == sum(map(int, kinds.values()))


def test_the_sum_counts_what_several_numbers_share_once(planned):
    work, needed, frame, _ = planned
    sums = summary(work, needed, frame)
    described = sums[sums["protocol"] == "described"].set_index(["table", "encoder"])
    assert described.loc[("all", ""), "numbers"] == 204
    assert described["no command"].eq(0).all()
    assert described.loc[("all", ""), "sequence_updates"] < described["sequence_updates"].iloc[:-1].sum()
    assert described.loc[(3, "minilm_l12"), "sequence_updates"] == described.loc[(7, "minilm_l12"), "sequence_updates"]
    imdb = frame[frame["dataset"] == "imdb"].iloc[-1]
    assert described.loc[("all", ""), "sequence_updates"] > imdb["sequence_updates_described"] > 0


def test_a_study_that_is_not_there_leaves_its_numbers_without_a_command(planned):
    work, needed, frame, _ = planned
    studies = {name: study for name, study in work.studies.items() if name != "imdb"}
    less = plan(Reproduction(work.numbers, work.settings, work.shared, studies), needed)
    lost = less["command_described"] == ""
    assert set(less.loc[lost, "dataset"]) == {"imdb"}
    assert less.loc[lost, "stages_described"].eq(0).all() and (frame["command_described"] != "").all()


def test_what_a_table_needs_is_exactly_the_printed_cells_and_what_they_start_from(planned):
    work, needed, _, _ = planned

    def summaries(table, encoder, protocol):
        stages = needed(stages_of(work, table, encoder, protocol))
        return {(name, stage) for name, stage in stages if kind_of(work.studies[name], stage) == "summarize_cell"}

    assert summaries(3, "minilm_l12", "described") == {
        (name, f"summarize_cell_minilm_l12@minilm_l12-{variant}")
        for name in ("snips", "snips2", "sst2", "sst5", "ag_news")
        for variant in ("three_phase", "joint", "ft")
    }
    released = summaries(4, "roberta_base", "released")
    assert len(released) == 28 and {name for name, _ in released} == {
        "sst2_released", "sst5_released", "ag_news_released", "imdb_released",
    }  # fmt: skip
    assert len(summaries(4, "minilm_l6", "described")) == 14
    of_data = needed(stages_of(work, 1, "", ""))
    assert {stage for _, stage in of_data} == {"resolve_settings", "fetch_data", "prepare_data"}
    assert len(of_data) == 3 * 6


def test_the_repositorys_map_is_up_to_date_and_names_stages_that_exist(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    work = reproduction()
    written = pd.read_csv(paths.PAPER_COMMANDS, keep_default_na=False)
    pd.testing.assert_frame_equal(
        written, plan(work, stages_of_dvc(work.studies)), check_dtype=False, obj="run make plan"
    )
    assert len(written) == 204
    for protocol in PROTOCOLS:
        assert (written[f"stages_{protocol}"] > 0).all()
        for typed, row in zip(written[f"command_{protocol}"], written.to_dict("records"), strict=True):
            if row["table"] in DATA_TABLES:
                assert typed == f"make table TABLE={row['table']}"
            else:
                assert is_in_its_pipeline(typed, row["encoder"], row["variant"]), typed


def is_in_its_pipeline(typed: str, encoder: str, variant: str) -> bool:
    """Whether the stage of ``dvc --cd FOLDER repro STAGE`` stands in the dvc.yaml of the folder, for the cell."""
    dvc, option, folder, repro, stage = typed.split()
    assert (dvc, option, repro) == ("dvc", "--cd", "repro")
    block, _, item = stage.partition("@")
    matrix = pipeline_of(folder)["stages"][block]["matrix"]
    return encoder in matrix["encoder"] and variant in matrix["variant"] and item == f"{encoder}-{variant}"


@functools.cache
def pipeline_of(folder: str) -> dict:
    return YAML(typ="safe").load(REPOSITORY / folder / "dvc.yaml")


def test_a_params_file_without_a_source_of_its_costs_is_refused(tmp_path):
    root = make_paper_project(tmp_path / "project")
    change(root, "paper/params.yaml", {"costs.devices.gpu.source": ""})
    assert "paper/params.yaml: costs.devices.gpu.source: got ''" in error_line(run_stage(root, "plan_commands"))
    assert not (root / paths.PAPER_COMMANDS).exists()
