"""A benchmark under another name, with another encoder or protocol."""

import shutil

import pytest
from small_project import change, contents, error_line, run_stage
from tiny_project import REPOSITORY

from stages.common.config import load_study
from stages.common.schema import read_yaml


@pytest.fixture
def project(tmp_path, monkeypatch):
    """All params files of the repository, and its pipelines."""
    for file in ("params.yaml", "benchmarks/pipeline.yaml", *REPOSITORY.glob("*/*/params.yaml")):
        target = tmp_path / (REPOSITORY / file).relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / file, target)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_another_encoder_takes_the_settings_of_the_one_it_replaces(project):
    result = run_stage(project, "copy_benchmark", "sst5_minilm", "sst5_l6", "--encoder", "minilm_l6")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("dvc repro benchmarks/sst5_l6/dvc.yaml\n")
    source, copy = load_study("sst5_minilm").benchmark, load_study("sst5_l6").benchmark
    assert (
        copy.run_encoders == copy.run_representations == ["minilm_l6"]
        and not copy.reproduces_paper
        and copy.protocol == source.protocol
    )
    assert copy.hyperparameters["minilm_l6"] == source.hyperparameters["minilm_l12"]
    assert copy.run_variants == source.run_variants and copy.seeds == source.seeds
    folder = project / "benchmarks/sst5_l6"
    assert (folder / "dvc.yaml").read_bytes() == (project / "benchmarks/pipeline.yaml").read_bytes()
    assert (folder / "params.yaml").read_text().startswith("# A copy of sst5_minilm under")


def test_what_is_not_drawn_is_not_drawn_in_a_copy(project):
    change(project, "benchmarks/sst5_minilm/params.yaml", {"run_representations": []})
    assert run_stage(project, "copy_benchmark", "sst5_minilm", "sst5_l6", "--encoder", "minilm_l6").returncode == 0
    assert load_study("sst5_l6").benchmark.run_representations == []


def test_another_protocol_is_that_of_the_root_params(project):
    described = read_yaml(project / "params.yaml")["protocols"]["described"]
    change(project, "params.yaml", {"protocols.mine": described | {"head_activation": "none"}})
    assert run_stage(project, "copy_benchmark", "snips_l6", "snips_mine", "--protocol", "mine").returncode == 0
    source, copy = load_study("snips_l6"), load_study("snips_mine")
    assert copy.protocol.head_activation == "none" and source.protocol.head_activation == "relu"
    assert source.benchmark.reproduces_paper and not copy.benchmark.reproduces_paper
    assert copy.benchmark.hyperparameters == source.benchmark.hyperparameters


@pytest.mark.parametrize(
    ("variants", "encoders"),
    [
        (["three_phase", "joint", "ft", "majority"], {"dae_ft", "three_phase", "joint"}),
        (["three_phase_ordinary"], {"dae_ft", "three_phase"}),
        (["no_imbalance", "three_phase"], {"dae_ft", "three_phase", "no_imbalance"}),
        (["joint"], {"joint"}),
        (["ft", "tfidf_logistic"], set()),
    ],
)
def test_fewer_variants_train_the_encoders_that_they_start_from(project, variants, encoders):
    words = ("snips_l6", "snips_few", "--protocol", "pooling", "--variants", *variants)
    assert run_stage(project, "copy_benchmark", *words).returncode == 0
    alone = run_stage(project, "copy_benchmark", "snips_l6", "snips_one", "--variants", "no_imbalance")
    assert alone.returncode == 0 and "three_phase" in load_study("snips_one").benchmark.run_variants.summarize_cell
    copy = load_study("snips_few")  # which holds the lists together
    lists = copy.benchmark.run_variants
    assert {*lists.summarize_cell, *lists.summarize_cell_without_encoder} == {*variants}
    assert {*lists.trained(), *lists.train_baselines, *lists.train_baselines_on_embeddings} == {*variants}
    made = (lists.train_dae, lists.train_contrastive, lists.train_contrastive_ablation, lists.train_joint)
    assert {variant for listed in made for variant in listed} == encoders
    assert copy.benchmark.run_representations == [] and copy.benchmark.protocol == "pooling"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["snipz", "mine"], "benchmarks: benchmark: got 'snipz', expected one of: "),
        (
            ["snips_l6", "mine", "--variants", "f"],
            "benchmarks/snips_l6/params.yaml: run_variants: got 'f', expected one",
        ),
        (["snips_l6", "mine", "--encoder", "bert"], "params.yaml: encoders: got 'bert', expected one of: minilm_l6"),
        (["snips_l6", "mine", "--protocol", "text"], "params.yaml: protocols: got 'text', expected one of: described"),
        (["snips_l6", "snips"], "name: got 'snips', for which data/snips exists; expected another name"),
        (["snips_l6", "my study"], "name: got 'my study', expected a letter, then letters, digits or _"),
    ],
)
def test_what_cannot_be_copied_is_refused(project, words, said):
    before = contents(project)
    assert error_line(run_stage(project, "copy_benchmark", *words)).startswith(said)
    assert contents(project) == before


def test_a_benchmark_of_several_encoders_has_none_to_replace(project):
    settings = read_yaml(project / "benchmarks/bbc/params.yaml")["hyperparameters"]["minilm_l6"]
    values = {"run_encoders": ["minilm_l6", "minilm_l12"], "hyperparameters.minilm_l12": settings}
    change(project, "benchmarks/bbc/params.yaml", values)
    result = run_stage(project, "copy_benchmark", "bbc", "mine", "--encoder", "roberta_base")
    assert error_line(result).startswith(
        "benchmarks/bbc/params.yaml: run_encoders: got minilm_l6, minilm_l12, expected"
    )
