"""The map of commands and its costs: every number of the paper has a command that dvc knows and that makes its cell."""

import math
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_project import ROWS, make_paper_project
from small_project import REPOSITORY, change, error_line, run_stage
from test_contract import Parsed, parse
from tiny_project import environment

from stages.common import paths
from stages.common.config import load_datasets, load_paper, load_shared, load_studies
from stages.common.cost_model import (
    Cost,
    class_sizes,
    expected_pairs,
    is_shared,
    sequence_updates,
    stage_cost,
    total,
    training_rows,
)
from stages.common.errors import UserError
from stages.common.pairs import make_pairs
from stages.common.paper import DATA_TABLES, PROTOCOLS, Reproduction, read_numbers
from stages.common.paper_pipeline import pipeline
from stages.common.plan import kind_of, plan, stages_of_dvc, summary


def reproduction():
    return Reproduction(read_numbers(), load_paper(), load_shared(), load_studies())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The paper's project with its pipelines, in a repository that dvc takes."""
    root = make_paper_project(tmp_path_factory.mktemp("plan") / "project")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    for folder, file in ((".dvc", "config"), ("encoders", "dvc.yaml")):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / file).write_bytes((REPOSITORY / folder / file).read_bytes())
    assert run_stage(root, "write_paper_pipeline").returncode == 0
    return root


@pytest.fixture(scope="module")
def planned(root):
    """The project's work, what each command needs, the plan, and dvc's outputs by stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name, value in environment(root).items():
            patch.setenv(name, value)
        from dvc.repo import Repo

        with Repo(".") as repo:
            outputs = {stage.addressing: {str(out) for out in stage.outs} for stage in repo.index.stages}
        work, needed = reproduction(), stages_of_dvc()
        return work, needed, plan(work, needed), outputs


@pytest.fixture(autouse=True)
def in_project(root, monkeypatch):
    monkeypatch.chdir(root)


def test_every_number_has_a_command_that_makes_its_cell(planned):
    work, needed, frame, outputs = planned
    assert len(frame) == 204
    for row in frame.to_dict("records"):
        for protocol in PROTOCOLS:
            command = row[f"command_{protocol}"]
            target = command.removeprefix("dvc repro ")
            assert list(needed(command))[-1] == target, row
            if row["table"] in DATA_TABLES:
                assert f"reports/paper/table_{row['table']}.md" in outputs[target]
                continue
            benchmark = target.split("/")[1]
            assert str(paths.cell_summary(benchmark, row["encoder"], row["variant"])) in outputs[target]
            params = work.studies[benchmark].benchmark
            assert (params.dataset, params.protocol) == (row["dataset"], protocol)


def test_a_command_runs_the_stages_of_its_variant(planned):
    frame = planned[2]
    row = frame[(frame["table"] == 4) & (frame["dataset"] == "sst2") & (frame["variant"] == "cl_ft")].iloc[0]
    kinds = dict(kind.split(":") for kind in row["stages_by_kind_described"].split())
    assert kinds == {
        "fetch_data": "1", "prepare_data": "1", "fetch_encoder": "1", "split_data": "3",
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
    one = frame[frame["dataset"] == "imdb"].iloc[-1]
    assert described.loc[("all", ""), "sequence_updates"] > one["sequence_updates_described"] > 0


def test_a_benchmark_that_is_not_there_leaves_its_numbers_without_a_command(planned):
    work, needed, frame, _ = planned
    studies = {name: study for name, study in work.studies.items() if name != "imdb"}
    less = plan(Reproduction(work.numbers, work.settings, work.shared, studies), needed)
    lost = less["command_described"] == ""
    assert set(less.loc[lost, "dataset"]) == {"imdb"}
    assert less.loc[lost, "stages_described"].eq(0).all() and (frame["command_described"] != "").all()


def test_the_paper_pipeline_depends_on_exactly_the_printed_cells(planned):
    work, needed, _, _ = planned
    cells = {address for address in needed("paper/dvc.yaml:table_3@minilm_l12") if kind_of(address) == "summarize_cell"}
    datasets = ["snips", "snips2", "sst2_other", "sst5_other", "ag_news_other"]
    assert cells == {
        f"benchmarks/{name}/dvc.yaml:summarize_cell@minilm_l12-{variant}"
        for name in datasets
        for variant in ("three_phase", "joint", "ft")
    }
    released = needed("paper/dvc.yaml:table_4_released@roberta_base")
    assert sum(kind_of(address) == "summarize_cell" for address in released) == 28
    assert not any(address.startswith("benchmarks/imdb/") for address in released)
    assert sum(kind_of(address) == "summarize_cell" for address in needed("paper/dvc.yaml:table_4@minilm_l6")) == 14
    assert {kind_of(address) for address in needed("paper/dvc.yaml:table_1")} == {
        "fetch_data", "prepare_data", "compare_with_paper_1", "table_1",
    }  # fmt: skip


def test_the_paper_pipeline_takes_every_command_line(planned, monkeypatch):
    work, needed, _, outputs = planned
    stages = [address for address in outputs if address.startswith("paper/")]
    assert len(stages) == 2 * (len(DATA_TABLES) + 4 * 2 * 2 + 4)
    for address in stages:
        with pytest.raises(Parsed):
            parse(needed(address)[address], monkeypatch)


def test_the_paper_pipeline_is_made_from_the_params_files(root):
    assert (root / paths.PAPER_PIPELINE).read_text(encoding="utf-8") == pipeline(reproduction(), load_datasets())


def test_the_repositorys_pipeline_and_map_are_up_to_date(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    work = reproduction()
    assert paths.PAPER_PIPELINE.read_text(encoding="utf-8") == pipeline(work, load_datasets()), "run make pipelines"
    written = pd.read_csv(paths.PAPER_COMMANDS, keep_default_na=False)
    pd.testing.assert_frame_equal(written, plan(work, stages_of_dvc()), check_dtype=False, obj="run make plan")
    for protocol in PROTOCOLS:
        assert (written[f"command_{protocol}"] != "").all() and (written[f"stages_{protocol}"] > 0).all()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(6, 60), min_size=2, max_size=6), st.integers(1, 6), st.integers(0, 99))
def test_expected_pairs_are_near_what_is_drawn(sizes, epochs, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    drawn = [
        len(make_pairs(np.arange(len(labels)), labels[:, None], epochs, len(sizes), np.random.default_rng([seed, one])))
        for one in range(20)
    ]
    expected = expected_pairs(sizes, epochs, len(sizes))
    # The scarcer kind of a draw is scarcer than on average, and small sets scatter.
    assert np.mean(drawn) == pytest.approx(expected, rel=0.1, abs=4 * math.sqrt(expected) + 2)


def test_updates_by_hand():
    study = load_studies()["snips"]
    settings = study.benchmark.hyperparameters["minilm_l12"]
    train = 328 - 65 - round(0.2 * 263)
    assert training_rows(study) == (train, train)
    assert sum(class_sizes(study).values()) == pytest.approx(train, abs=5)
    assert sequence_updates(study, "train_dae", "minilm_l12", "dae_ft") == (
        train * settings.epochs_dae / settings.batch_size, 2 * train * settings.epochs_dae,
    )  # fmt: skip
    assert sequence_updates(study, "train_classifier", "minilm_l12", "dae_ft") == (70 * train / 16, 70 * train)
    _, pairs = sequence_updates(study, "train_contrastive", "minilm_l12", "three_phase")
    assert pairs == pytest.approx(2 * expected_pairs(class_sizes(study).values(), settings.epochs_contrastive, 10))
    steps, joint = sequence_updates(study, "train_joint", "minilm_l12", "joint")
    assert joint == pytest.approx(4 * settings.batch_size * steps)
    assert joint >= 2 * pairs


def test_variants_share_their_training_where_no_setting_enlarges_a_class(tmp_path, monkeypatch):
    root = make_paper_project(tmp_path / "project")
    # About 118, 90 and 2 of 210 training rows: the smallest class is enlarged by both bounds, differently.
    change(root, "data/snips/params.yaml", {"expected.labels": {"a": 185, "b": 140, "c": 3}})
    # About 8130, 3147 and 1807 rows: the smaller two are enlarged by the extra setting only.
    change(root, "data/snips2/params.yaml", {"expected.labels": {"a": 9000, "b": 3484, "c": 2000}})
    monkeypatch.chdir(root)
    shared = {
        name: [
            variant for variant in study.benchmark.run_variants.train_contrastive_ablation if is_shared(study, variant)
        ]
        for name, study in load_studies().items()
        if name in ("snips", "snips2", "sst2")
    }
    assert shared == {"snips": [], "snips2": ["no_imbalance"], "sst2": ["extra_imbalance", "no_imbalance"]}
    study = load_studies()["snips2"]
    for stage in ("train_contrastive", "train_classifier"):
        ablation = f"{stage}_ablation"
        assert sequence_updates(study, ablation, "minilm_l12", "no_imbalance") == (0, 0)
        normal = sequence_updates(study, stage, "minilm_l12", "three_phase")[0]
        assert sequence_updates(study, ablation, "minilm_l12", "extra_imbalance")[0] >= normal > 0
    assert not is_shared(study, "cl_ft") and sequence_updates(study, "train_classifier", "minilm_l12", "cl_ft")[0] > 0


def test_unlabelled_texts_count_in_phase_1_alone():
    study = load_studies()["sst2"]
    train, labelled = training_rows(study)
    assert train == labelled == round(0.8 * ROWS["sst2"]["train"])
    _, texts = sequence_updates(study, "train_dae", "roberta_base", "dae_ft")
    assert texts == 2 * (train + 1821) * study.benchmark.hyperparameters["roberta_base"].epochs_dae


def test_a_cost_is_the_slower_of_updates_and_tokens():
    study, costs = load_studies()["snips2"], load_paper().costs
    short, long = (stage_cost(study, "train_dae", "minilm_l12", "", words, costs) for words in (0.001, 1000))
    updates, texts = sequence_updates(study, "train_dae", "minilm_l12", "")
    assert short.gpu_minutes == pytest.approx(updates / costs.devices["gpu"].updates_per_second / 60)
    size = costs.encoders["minilm_l12"]
    # Every text is encoded and decoded; the vocabulary's weights act once.
    weights = size.layer_weights_million + size.vocabulary_weights_million / 2
    work = 6 * texts * 1000 * costs.tokens_per_word * weights / 1e6
    assert long.cpu_hours == pytest.approx(work / costs.devices["cpu"].teraflops / 3600)
    assert long.disk_mb == costs.encoders["minilm_l12"].file_mb
    assert stage_cost(study, "summarize_cell", "minilm_l12", "ft", 9, costs) == Cost()
    assert total([short, long]).disk_mb == 2 * long.disk_mb


def test_the_plans_processor_is_the_one_of_the_published_measurement():
    """The benchmark's rates on short texts are those that the plan expects of the same work."""
    table = pd.read_csv(REPOSITORY / "reports/performance/engine.csv").query("data == 'snips2'")
    measured = table.groupby("phase")["ours_examples_per_s"].median()
    costs, words = load_paper().costs, paper_words("snips2")
    size, cpu = costs.encoders["minilm_l6"], costs.devices["cpu"]
    layers, vocabulary = size.layer_weights_million, size.vocabulary_weights_million
    weights = {"dae": 2 * layers + vocabulary, "contrastive": 2 * layers, "classifier": layers}
    for phase, millions in weights.items():
        expected = cpu.teraflops * 1e6 / (6 * words * costs.tokens_per_word * millions)
        assert expected == pytest.approx(measured[phase], rel=0.25), phase


def paper_words(dataset: str) -> float:
    numbers = read_numbers()
    chosen = (numbers["dataset"] == dataset) & (numbers["metric"] == "average_words")
    return float(numbers.loc[chosen, "value"].iloc[0])


@pytest.mark.parametrize("key", ["rows_by_split", "labels"])
def test_rows_that_are_not_stated_are_named(tmp_path, monkeypatch, key):
    monkeypatch.chdir(make_paper_project(tmp_path / "project"))
    change(tmp_path / "project", "data/snips/params.yaml", {f"expected.{key}": None})
    with pytest.raises(UserError, match=f"data/snips/params.yaml: expected.{key}: the key is missing"):
        sequence_updates(load_studies()["snips"], "train_joint", "minilm_l12", "joint")


def test_a_params_file_without_a_source_of_its_costs_is_refused(tmp_path):
    root = make_paper_project(tmp_path / "project")
    change(root, "paper/params.yaml", {"costs.devices.gpu.source": ""})
    assert "paper/params.yaml: costs.devices.gpu.source: got ''" in error_line(run_stage(root, "plan_commands"))
    assert not (root / paths.PAPER_COMMANDS).exists()
