"""The params files as a whole: what they refer to exists, lists agree, and every refusal names file, key and value."""

import sys
from pathlib import Path

import pytest
from refused_params import REFUSED, REFUSED_TEXTS
from small_project import BENCHMARK, DATASET, REPOSITORY, change, make_project, run_stage

from stages import check_params
from stages.common import errors
from stages.common.config import load_dataset, load_shared, load_study
from stages.common.engine.switches import for_variant, selection_metric
from stages.common.errors import UserError
from stages.common.schema import read_yaml

IDS = [f"{Path(file).parent.parent.name or 'shared'}-{'-'.join(values)}" for file, values, _ in REFUSED]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_project(tmp_path)


def refusal_of_check_params(monkeypatch, capsys) -> str:
    """What `python -m stages.check_params` prints where it refuses."""
    monkeypatch.setattr(sys, "argv", ["check_params"])
    with pytest.raises(SystemExit) as end:
        errors.run_stage(check_params.main)
    printed = capsys.readouterr()
    assert end.value.code == 2 and printed.out == "" and printed.err.count("\n") == 1
    return printed.err.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize(("file", "values", "said"), REFUSED, ids=IDS)
def test_refused_by_every_stage_and_before_dvc_starts(project, monkeypatch, capsys, file, values, said):
    change(project, file, values)
    with pytest.raises(UserError) as refusal:
        load_study("small")
    assert str(refusal.value).startswith(f"{file}: {said}")
    assert refusal_of_check_params(monkeypatch, capsys).startswith(f"{file}: {said}")


@pytest.mark.parametrize(("file", "text", "said"), REFUSED_TEXTS)
def test_what_is_not_yaml_is_refused(project, monkeypatch, capsys, file, text, said):
    content = (project / file).read_text(encoding="utf-8")
    (project / file).write_text(content + text, encoding="utf-8")
    line = refusal_of_check_params(monkeypatch, capsys)
    assert line.startswith(f"{file}, line {len(content.splitlines()) + 1}: {said}")
    assert line and line.endswith("expected valid YAML 1.2 with each key once")


def test_check_params_looks_at_every_folder(project, monkeypatch, capsys):
    for file, copy in ((BENCHMARK, "benchmarks/zoo"), (DATASET, "data/zoo")):
        folder = project / copy
        folder.mkdir()
        for name in ("params.yaml", "dvc.yaml"):
            (folder / name).write_bytes((project / file).with_name(name).read_bytes())
        change(project, f"{copy}/params.yaml", {"name": "zoo"})
    assert run_stage(project, "check_params").returncode == 0
    change(project, "data/zoo/params.yaml", {"test_rows": 0})
    assert refusal_of_check_params(monkeypatch, capsys).startswith("data/zoo/params.yaml: test_rows: got 0")
    change(project, "data/zoo/params.yaml", {"test_rows": 2})
    change(project, "benchmarks/zoo/params.yaml", {"seeds": []})
    assert refusal_of_check_params(monkeypatch, capsys).startswith("benchmarks/zoo/params.yaml: seeds: got []")


@pytest.mark.parametrize("folder", ["data", "benchmarks"])
def test_check_params_refuses_a_pipeline_that_is_no_copy(project, monkeypatch, capsys, folder):
    copy = project / folder / "small/dvc.yaml"
    copy.write_text(copy.read_text(encoding="utf-8") + "# changed here only\n", encoding="utf-8")
    expected = f"{folder}/small/dvc.yaml: expected a copy of {folder}/pipeline.yaml; run make pipelines"
    assert refusal_of_check_params(monkeypatch, capsys) == expected
    copy.unlink()
    assert refusal_of_check_params(monkeypatch, capsys) == expected


def test_check_params_is_silent_where_nothing_is_wrong(project):
    result = run_stage(project, "check_params")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_learning_rate_as_dvc_writes_it_is_a_number(project):
    # `dvc exp run -S lr=2e-5` writes 2e-05, a text by YAML 1.1.
    file = project / BENCHMARK
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = ["    lr_dae: 2e-05" if "lr_dae:" in line else line for line in lines]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert load_study("small").benchmark.hyperparameters["minilm_l6"].lr_dae == 2e-5


def test_settings_by_variant(project):
    study = load_study("small")
    variants = study.benchmark.run_variants.trained()
    change(
        project, BENCHMARK, {"hyperparameters.minilm_l6.lr_classifier": dict.fromkeys(variants, 1e-4) | {"ft": 1e-3}}
    )
    settings = load_study("small").benchmark.hyperparameters["minilm_l6"]
    assert for_variant(settings, "lr_classifier", "ft") == 1e-3
    assert for_variant(settings, "lr_classifier", "joint") == 1e-4
    assert for_variant(settings, "max_epochs_classifier", "joint") == settings.max_epochs_classifier


def test_settings_of_an_encoder_that_does_not_exist(project):
    settings = read_yaml(project / BENCHMARK)["hyperparameters"]["minilm_l6"]
    change(project, BENCHMARK, {"hyperparameters.minilm": settings})
    with pytest.raises(UserError, match="hyperparameters: got 'minilm', expected one of: minilm_l6"):
        load_study("small")


@pytest.mark.parametrize(("ratio", "metric"), [(None, "accuracy"), (4, "macro_f1")])
def test_epochs_are_selected_by_macro_f1_where_the_training_part_is_long_tailed(project, ratio, metric):
    change(project, BENCHMARK, {"long_tail_ratio": ratio, "long_tail_largest": ratio})
    assert selection_metric(load_study("small").benchmark) == metric


def test_unknown_names_on_the_command_line_are_refused_with_those_that_exist(project):
    study = load_study("small")
    for call, said in (
        (lambda: load_study("smal"), "benchmarks: benchmark: got 'smal', expected one of: small"),
        (lambda: load_dataset("../small"), "data: dataset: got '../small', expected one of: small"),
        (
            lambda: study.check_cell("minilm", "ft", ("pretrained",)),
            "hyperparameters: got 'minilm', expected one of: m",
        ),
        (lambda: study.check_cell("minilm_l6", "ft", ("train_dae",)), "variants: got 'ft', expected one of: dae_ft"),
        (
            lambda: study.check_baseline("", "embedding_logistic"),
            "baselines: got 'embedding_logistic', expected one of",
        ),
        (
            lambda: study.check_baseline("minilm_l6", "majority"),
            "baselines: got 'majority', expected one of: embedding",
        ),
        (
            lambda: study.check_baseline("minilm", "embedding_logistic"),
            "encoders: got 'minilm', expected one of: minil",
        ),
    ):
        with pytest.raises(UserError) as refusal:
            call()
        assert said in str(refusal.value)


def test_params_of_the_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    shared = load_shared()
    assert shared.imbalance["normal"].max_ratio == 4 and shared.imbalance["extra"].max_ratio == 20
    for load, folder in ((load_dataset, "data"), (load_study, "benchmarks")):
        names = [file.parent.name for file in Path(folder).glob("*/params.yaml")]
        assert "bbc" in names
        for name in names:
            load(name)
