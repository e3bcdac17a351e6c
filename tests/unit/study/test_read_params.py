"""The params files as a whole: what they refer to exists, lists agree, and every refusal names file, key and value."""

import sys
from pathlib import Path

import pytest
from refused_params import REFUSED, REFUSED_TEXTS
from small_project import DATASET, REPOSITORY, STUDY, change, make_pipelines, make_project, run_stage

from commands import check_studies
from stages import resolve_settings
from threephase.base import errors
from threephase.base.errors import UserError
from threephase.study.read_params import load_dataset, load_datasets, load_shared, load_studies, load_study
from threephase.study.rules import for_variant
from threephase.study.schema import read_yaml

IDS = [f"{Path(file).stem}-{'-'.join(values)}" for file, values, _ in REFUSED]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_project(tmp_path)


def refusal(monkeypatch, capsys, command=resolve_settings, study="small") -> str:
    """What a command prints where it refuses; by default the first stage of a study."""
    monkeypatch.setattr(sys, "argv", ["command", "--study", study] if study != "small" else ["command"])
    with pytest.raises(SystemExit) as end:
        errors.run_stage(command.main)
    printed = capsys.readouterr()
    assert end.value.code == 2 and printed.out == "" and printed.err.count("\n") == 1
    return printed.err.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize(("file", "values", "said"), REFUSED, ids=IDS)
def test_refused_by_the_first_stage_and_before_dvc_starts(project, monkeypatch, capsys, file, values, said):
    change(project, file, values)
    with pytest.raises(UserError) as refused:
        load_study()
    assert str(refused.value).startswith(f"{file}: {said}")
    for command in (resolve_settings, check_studies):
        assert refusal(monkeypatch, capsys, command).startswith(f"{file}: {said}")


@pytest.mark.parametrize(("file", "text", "said"), REFUSED_TEXTS)
def test_what_is_not_yaml_is_refused(project, monkeypatch, capsys, file, text, said):
    content = (project / file).read_text(encoding="utf-8")
    (project / file).write_text(content + text, encoding="utf-8")
    line = refusal(monkeypatch, capsys)
    assert line.startswith(f"{file}, line {len(content.splitlines()) + 1}: {said}")
    assert line and line.endswith("expected valid YAML 1.2 with each key once")


def add_study(project):
    """A study ``zoo`` of its own data set, which builds on the default one."""
    (project / "studies/zoo").mkdir(parents=True)
    (project / "data/zoo.yaml").write_bytes((project / DATASET).read_bytes())
    (project / "studies/zoo/params.yaml").write_text("base: small\ndataset: zoo\nseeds: [0]\n", encoding="utf-8")
    make_pipelines(project)


def test_check_studies_refuses_the_study_itself_and_warns_of_others(project, monkeypatch, capsys):
    add_study(project)
    assert run_stage(project, "check_studies").returncode == 0
    change(project, "data/zoo.yaml", {"test_rows": 0})
    assert refusal(monkeypatch, capsys, check_studies).startswith("data/zoo.yaml: test_rows: got 0")
    change(project, "data/zoo.yaml", {"test_rows": 2})
    change(project, "studies/zoo/params.yaml", {"seeds": []})
    said = "studies/zoo/params.yaml: seeds: got []"
    assert refusal(monkeypatch, capsys, check_studies, "zoo").startswith(said)
    result = run_stage(project, "check_studies")
    assert result.returncode == 0 and result.stderr.startswith(f"warning: another study is broken: {said}")


@pytest.mark.parametrize("folder", ["", "studies/zoo/"])
def test_check_studies_refuses_a_pipeline_that_is_not_the_generated_one(project, monkeypatch, capsys, folder):
    add_study(project)
    pipeline = project / folder / "dvc.yaml"
    pipeline.write_text(pipeline.read_text(encoding="utf-8") + "# changed here only\n", encoding="utf-8")
    name = Path(folder).name or "small"
    said = f"{folder}dvc.yaml: got another pipeline than {folder}params.yaml asks for, expected the generated one"
    assert refusal(monkeypatch, capsys, check_studies, name) == f"{said}; run: make pipelines"
    pipeline.unlink()
    said = f"{folder}dvc.yaml: no such file, expected the pipeline of {folder}params.yaml"
    assert refusal(monkeypatch, capsys, check_studies, name) == f"{said}; run: make pipelines"


def test_check_studies_refuses_a_folder_that_is_no_project_of_its_own(project, monkeypatch, capsys):
    add_study(project)
    (project / "studies/zoo/.dvc/config").unlink()
    said = "studies/zoo/.dvc/config: no such file, expected it"
    assert refusal(monkeypatch, capsys, check_studies, "zoo").startswith(said)


@pytest.mark.parametrize("command", ["resolve_settings", "check_studies"])
def test_a_command_is_silent_where_nothing_is_wrong(project, command):
    result = run_stage(project, command)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_learning_rate_as_dvc_writes_it_is_a_number(project):
    # `dvc exp run -S lr=2e-5` writes 2e-05, a text by YAML 1.1.
    file = project / STUDY
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = ["    lr_dae: 2e-05" if "lr_dae:" in line else line for line in lines]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert load_study().params.hyperparameters["minilm_l6"].lr_dae == 2e-5


def test_settings_by_variant(project):
    study = load_study()
    variants = study.params.trained()
    change(project, STUDY, {"hyperparameters.minilm_l6.lr_classifier": dict.fromkeys(variants, 1e-4) | {"ft": 1e-3}})
    settings = load_study().params.hyperparameters["minilm_l6"]
    assert for_variant(settings, "lr_classifier", "ft") == 1e-3
    assert for_variant(settings, "lr_classifier", "joint") == 1e-4
    assert for_variant(settings, "max_epochs_classifier", "joint") == settings.max_epochs_classifier


def test_settings_of_an_encoder_that_does_not_exist(project):
    settings = read_yaml(project / STUDY)["hyperparameters"]["minilm_l6"]
    change(project, STUDY, {"hyperparameters.minilm": settings})
    with pytest.raises(UserError, match="hyperparameters: got 'minilm', expected one of: minilm_l12, minilm_l6"):
        load_study()


def test_unknown_names_on_the_command_line_are_refused_with_those_that_exist(project):
    study = load_study()
    for call, said in (
        (lambda: load_study("smal"), "studies: study: got 'smal', expected one of: small"),
        (lambda: load_dataset("../small"), "data: dataset: got '../small', expected one of: small"),
        (lambda: study.check_encoder("minilm"), "params.yaml: encoders: got 'minilm', expected one of: minilm_l6"),
    ):
        with pytest.raises(UserError) as refused:
            call()
        assert said in str(refused.value)


def test_params_of_the_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    shared = load_shared()
    assert shared.imbalance["normal"].max_ratio == 4 and shared.imbalance["extra"].max_ratio == 20
    assert {"minilm_l6", "minilm_l12", "roberta_base"} <= set(shared.encoders)
    assert {"bbc", "snips", "sst5"} <= set(load_datasets())
    studies = load_studies()
    assert next(iter(studies)) == "bbc" and {f"studies/{name}" for name in studies if name != "bbc"} == {
        str(file.parent) for file in Path("studies").glob("*/params.yaml")
    }


def test_a_study_on_a_base_takes_its_keys_but_names_its_own_seeds(project):
    """dvc fills seeds in from the study's own params.yaml, which alone it reads."""
    params = project / "studies/other/params.yaml"
    params.parent.mkdir(parents=True)
    params.write_text("base: small\nseeds: [7]\n", encoding="utf-8")
    base, other = load_study("small").params, load_study("other").params
    assert (other.seeds, other.variants, other.hyperparameters) == ([7], base.variants, base.hyperparameters)
    params.write_text("base: small\n", encoding="utf-8")
    with pytest.raises(UserError, match="studies/other/params.yaml: seeds: the key is missing"):
        load_study("other")
