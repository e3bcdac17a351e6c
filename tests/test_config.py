"""The params files as a whole: what they refer to exists, lists agree, and every refusal names file, key and value."""

import sys
from pathlib import Path

import pytest
from small_project import BENCHMARK, DATASET, REPOSITORY, SHARED, change, make_project, run_stage

from stages import check_params
from stages.common import errors
from stages.common.config import load_dataset, load_shared, load_study
from stages.common.engine.switches import for_variant, selection_metric
from stages.common.errors import UserError
from stages.common.schema import read_yaml

FEW_CELLS = ["ft", "embedding_logistic"]
SETTINGS = "hyperparameters.minilm_l6"
# What is changed in which file, and what the refusal says after the file's name.
REFUSED = [
    (BENCHMARK, {"dataset": "smal"}, "dataset: got 'smal', expected one of: small"),
    (BENCHMARK, {"protocol": "describd"}, "protocol: got 'describd', expected one of: described"),
    (BENCHMARK, {"run_encoders": ["minilm"]}, "run_encoders: got 'minilm', expected one of: minilm_l6"),
    (
        BENCHMARK,
        {"run_representations": ["minilm_l12"]},
        "run_representations: got 'minilm_l12', expected one of: mini",
    ),
    (
        BENCHMARK,
        {
            f"run_variants.{stage}": []
            for stage in ("train_dae", "train_contrastive", "train_contrastive_from_pretrained", "train_joint")
        },
        "run_representations: got minilm_l6, expected [] where no stage trains an encoder",
    ),
    (BENCHMARK, {"run_representations": ...}, "run_representations: the key is missing, expected a list"),
    (BENCHMARK, {"hyperparameters": {}}, "hyperparameters: got 'minilm_l6', expected one of: (none)"),
    (BENCHMARK, {"name": "bbc"}, "name: got 'bbc', expected the folder's name 'small'"),
    (BENCHMARK, {"seedz": [0]}, "seedz: unknown key (did you mean 'seeds'?), expected one of: name, dataset"),
    (BENCHMARK, {"seeds": ...}, "seeds: the key is missing, expected a list, each entry a whole number"),
    (BENCHMARK, {"seeds": []}, "seeds: got [], expected a list of at least one entry, none of them twice"),
    (BENCHMARK, {"seeds": [0, 0]}, "seeds: got [0, 0], expected a list of at least one entry, none of them twice"),
    (BENCHMARK, {"seeds": 0}, "seeds: got 0, expected a list, each entry a whole number"),
    (BENCHMARK, {"seeds": [True]}, "seeds[0]: got true, expected a whole number"),
    (BENCHMARK, {"seeds": [0, -1]}, "seeds: got [0, -1], expected whole numbers of at least 0"),
    (BENCHMARK, {"validation_share": 1.0}, "validation_share: got 1.0, expected a number above 0 and below 1"),
    (BENCHMARK, {"validation_share": 0}, "validation_share: got 0, expected a number above 0 and below 1"),
    (BENCHMARK, {"primary_metric": "f1"}, "primary_metric: got 'f1', expected one of: 'accuracy', 'macro_f1'"),
    (BENCHMARK, {"long_tail_ratio": 0.5}, "long_tail_ratio: got 0.5, expected a number at least 1"),
    (BENCHMARK, {"long_tail_ratio": None}, "long_tail_largest: expected a number where long_tail_ratio is one"),
    (BENCHMARK, {"train_rows": 9}, "train_rows: got 9, expected null where long_tail_ratio is a number"),
    (BENCHMARK, {"long_tail_largest": 3}, "long_tail_largest: got 3, expected at least long_tail_ratio (4), so that"),
    (BENCHMARK, {"training": {}}, "training: the key also stands in params.yaml; expected it in one of the two"),
    (
        BENCHMARK,
        {f"{SETTINGS}.deletion_ratio": 1.0},
        f"{SETTINGS}.deletion_ratio: got 1.0, expected a number at least 0 and below 1",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.deletion_ratio": -0.1},
        f"{SETTINGS}.deletion_ratio: got -0.1, expected a number at least 0 and below 1",
    ),
    (BENCHMARK, {f"{SETTINGS}.lr_dae": "2e-5 "}, f"{SETTINGS}.lr_dae: got '2e-5 ', expected a number"),
    (BENCHMARK, {f"{SETTINGS}.lr_dae": float("nan")}, f"{SETTINGS}.lr_dae: got nan, expected a number"),
    (BENCHMARK, {f"{SETTINGS}.adam_eps": float("inf")}, f"{SETTINGS}.adam_eps: got inf, expected a number"),
    (BENCHMARK, {f"{SETTINGS}.freeze_encoder": "yes"}, f"{SETTINGS}.freeze_encoder: got 'yes', expected true or false"),
    (BENCHMARK, {f"{SETTINGS}.batch_size": 2.5}, f"{SETTINGS}.batch_size: got 2.5, expected a whole number"),
    (
        BENCHMARK,
        {f"{SETTINGS}.max_length": 2},
        f"{SETTINGS}.max_length: got 2, expected a whole number of at least 3, model or estimate",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.max_length": "short"},
        f"{SETTINGS}.max_length: got 'short', expected a whole number of at least 3, model or estimate",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.lr_classifier": {"ft": 1e-4}},
        f"{SETTINGS}.lr_classifier.three_phase: the key is missing, expected a number",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.max_epochs_classifier": {"four_phase": 3}},
        f"{SETTINGS}.max_epochs_classifier: got 'four_phase', expected one of: three_phase, joint",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.lr_classifier": {"ft": 0}},
        f"{SETTINGS}.lr_classifier: got {{'ft': 0}}, expected a number above 0 and below 1",
    ),
    (
        BENCHMARK,
        {"run_variants.train_joint": ["joined"]},
        "run_variants.train_joint: got 'joined', expected one of: joint",
    ),
    (
        BENCHMARK,
        {"run_variants.train_dae": ["ft"]},
        "run_variants.train_dae: got 'ft', expected one of: dae_ft",
    ),
    (
        BENCHMARK,
        {"run_variants.train_dae": ["dae_ft", "dae_ft"]},
        "run_variants.train_dae: got ['dae_ft', 'dae_ft'], expected no variant twice",
    ),
    (
        BENCHMARK,
        {"run_variants.train_joint": []},
        "run_variants.train_joint: 'joint' is missing, whose encoder 'joint' needs",
    ),
    (
        BENCHMARK,
        {"run_variants.train_dae": [], "run_variants.train_classifier": [], "run_variants.summarize_cell": FEW_CELLS},
        "run_variants.train_dae: 'dae_ft' is missing, which train_contrastive builds on",
    ),
    (
        BENCHMARK,
        {"run_variants.train_baselines": ["majority", "embedding_logistic"]},
        "run_variants.train_baselines: got 'embedding_logistic', expected one of: majority, tfidf_logistic",
    ),
    (
        BENCHMARK,
        {"run_variants.summarize_cell": ["ft"]},
        "run_variants.summarize_cell: 'three_phase' is missing, which another stage trains",
    ),
    (DATASET, {"name": "tiny"}, "name: got 'tiny', expected the folder's name 'small'"),
    (DATASET, {"label_columns": []}, "label_columns: got [], expected a list of at least one entry"),
    (DATASET, {"test_rows": 0}, "test_rows: got 0, expected a number at least 2"),
    (SHARED, {"protocols.described.pooling": "max"}, "protocols.described.pooling: got 'max', expected one of: 'nativ"),
    (SHARED, {"protocols.described.bottlenek": 1}, "protocols.described.bottlenek: unknown key (did you mean 'bott"),
    (SHARED, {"training.warmup_dae": 1.5}, "training.warmup_dae: got 1.5, expected a number at least 0 and at most 1"),
    (SHARED, {"training.head_dropout": 1.0}, "training.head_dropout: got 1.0, expected a number at least 0 and below"),
    (SHARED, {"imbalance.normal.min_ratio": 0.5}, "imbalance.normal.min_ratio: got 0.5, expected a number at least 1"),
    (SHARED, {"imbalance.normal.max_ratio": 1.5}, "imbalance.normal.max_ratio: got 1.5, expected a number above min"),
    (SHARED, {"imbalance.extra": ...}, "variants.extra_imbalance.imbalance: got 'extra', expected one of: normal"),
    (SHARED, {"variants.cl_ft.imbalance": ...}, "variants.cl_ft.imbalance: the key is missing, expected normal, extra"),
    (SHARED, {"variants.joint.encoder_from": "joint"}, "variants.joint.encoder_from: got 'joint', expected one of"),
    (
        SHARED,
        {"variants.no_imbalance_equal_updates.pairs_as_many_as": "four_phase"},
        "variants.no_imbalance_equal_updates.pairs_as_many_as: got 'four_phase', expected one of: three_phase",
    ),
    # A variant without pairs can't lend its number of them, nor can one that borrows the number itself.
    (
        SHARED,
        {"variants.no_imbalance_equal_updates.pairs_as_many_as": "ft"},
        "variants.no_imbalance_equal_updates.pairs_as_many_as: got 'ft', expected one of: three_phase",
    ),
    (
        SHARED,
        {"variants.three_phase.pairs_as_many_as": "no_imbalance_equal_updates"},
        "variants.three_phase.pairs_as_many_as: got 'no_imbalance_equal_updates', expected one of: joint",
    ),
    (
        SHARED,
        {"claims.each_phase_contributes.others": ["dae"]},
        "claims.each_phase_contributes: got 'dae', expected one of: three_phase",
    ),
    (SHARED, {"baseline_inverse_regularization": [1, -1]}, "baseline_inverse_regularization: got [1, -1], expected a"),
    (
        SHARED,
        {"statistics.holm_family": ["dataset"]},
        "statistics.holm_family: got ['dataset'], expected a list, none of them twice, of: protocol, encoder",
    ),
    (
        SHARED,
        {"statistics.detectable_power": 0.5},
        "statistics.detectable_power: got 0.5, expected a number above 0.5 and below 1",
    ),
    (SHARED, {"statistics.confidence": 95}, "statistics.confidence: got 95, expected a number above 0 and below 1"),
    (SHARED, {"engine.device": "gpu"}, "engine.device: got 'gpu', expected one of: 'auto', 'cpu', 'cuda', 'mps'"),
    (SHARED, {"encoders": {}}, "encoders: got {}, expected something that is not empty"),
]
IDS = [f"{Path(file).parent.parent.name or 'shared'}-{'-'.join(values)}" for file, values, _ in REFUSED]
# Written into a file's text, as a mapping can't hold them.
REFUSED_TEXTS = [
    (BENCHMARK, "seeds: [3]\n", 'found duplicate key "seeds"'),
    (DATASET, "rows: many: 1\n", "mapping values are not allowed"),
    (SHARED, "engine: {}\n", 'found duplicate key "engine"'),
]


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
