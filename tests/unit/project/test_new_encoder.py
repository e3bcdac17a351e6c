"""An encoder of one's choice for one's own texts: what add_study writes for it, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hub_server import HubServer
from ruamel.yaml import YAML
from safetensors.numpy import load_file, save_file
from small_project import contents, error_line, make_project, run_stage, run_stages
from tiny_encoder import make_bert, make_roberta

from threephase.base.errors import UserError
from threephase.project.new_encoder import encoder_named
from threephase.study.read_params import load_shared, load_study

REVISION, MODEL = "0123456789" * 4, "somebody/Tiny-BERT.v2"
ADDED = ("add_study", "mine", "--file", "rows.csv", "--text-column", "text", "--label-column", "label")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with its default study, a table of Chinese texts, and an encoder's folder ``my encoder``."""
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path)
    (tmp_path / "studies").mkdir()
    rows = [
        (f"{word}第{i}号很好", label) for label, word in {"fruit": "苹果", "metal": "铁器"}.items() for i in range(10)
    ]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv("rows.csv", index=False)
    make_bert(Path("my encoder"), [text for text, _ in rows])
    return tmp_path


def test_a_folder_becomes_a_definition_that_the_study_fetches(project):
    result = run_stage(project, *ADDED, "--encoder", "my encoder")
    assert result.returncode == 0, result.stderr
    assert (
        "100% of the texts have no spaces between words: noise, stop-words and TF-IDF work on characters"
        in result.stdout
    )
    assert "\ngit add data/mine.yaml encoders/my_encoder.yaml studies/mine rows.csv 'my encoder'\n" in result.stdout
    definition = YAML(typ="safe").load(project / "encoders/my_encoder.yaml")
    assert (definition["source"], definition["folder"], definition["pooling"]) == ("folder", "my encoder", "mean")
    study, default = load_study("mine"), load_study()
    assert study.params.encoders == ["my_encoder"] and study.dataset.units == "characters"
    assert study.params.variants == load_study("mine").params.variants and "ft_ordinary" in study.params.variants
    settings = study.params.hyperparameters["my_encoder"]
    assert settings.lr_dae == default.params.hyperparameters["minilm_l6"].lr_dae
    run_stages(project, "resolve_settings --study mine", "fetch_encoder --study mine --encoder my_encoder")
    assert (project / "studies/mine/runs/pretrained/my_encoder/model.safetensors").is_file()
    for stage, of_stage in (("train_dae-my_encoder-dae", "denoising"), ("split_data", None)):
        (file,) = (project / "studies/mine/runs/settings").glob(f"{stage}*.json")
        content = json.loads(file.read_text())["settings"]
        assert (content[of_stage] if of_stage else content)["units"] == "characters"
    # A second study takes the definition that is there.
    assert encoder_named("my encoder", load_shared()) == ("my_encoder", None)


def test_the_default_encoder_or_one_with_a_definition_writes_none(project):
    before = set(contents(project / "encoders"))
    assert run_stage(project, *ADDED).returncode == 0
    assert load_study("mine").params.encoders == ["minilm_l6"]
    assert run_stage(project, "add_study", "other", *ADDED[2:], "--encoder", "roberta_base").returncode == 0
    assert load_study("other").params.encoders == ["roberta_base"]
    assert set(contents(project / "encoders")) == before


def test_an_encoder_of_the_hub_is_written_down_with_its_commit(project, tmp_path_factory):
    folder = make_roberta(tmp_path_factory.mktemp("hub") / "files")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    modules = [{"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Pooling", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(modules))
    with HubServer() as hub:
        hub.add_folder("model", MODEL, "main", folder)
        commit = hub.repositories["model", MODEL].commit
        with pytest.MonkeyPatch.context() as patch:
            for name, value in hub.environment(tmp_path_factory.mktemp("cache")).items():
                patch.setenv(name, value)
            result = run_stage(project, *ADDED, "--encoder", f"hub:{MODEL}@main")
            assert result.returncode == 0, result.stderr
            run_stages(project, "resolve_settings --study mine", "fetch_encoder --study mine --encoder tiny_bert_v2")
            for wrong, said in (
                ("hub:somebody/nothing@main", "hub model somebody/nothing at revision main: the hub has no such"),
                (f"hub:{MODEL}@old", f"hub model {MODEL} at revision old: the hub has no such revision"),
            ):
                assert error_line(run_stage(project, "add_study", "x", *ADDED[2:], "--encoder", wrong)).startswith(said)
    source = load_shared().encoders["tiny_bert_v2"]
    assert (source.id, source.revision, source.title) == (MODEL, commit, "Tiny-BERT.v2")
    assert (source.pooling, source.normalizes, source.sentence_encoder) == ("cls", True, True)


def edited(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_what_can_t_be_trained_is_refused_before_anything_is_written(project):
    def said(given: str) -> str:
        with pytest.raises(UserError) as error:
            encoder_named(given, load_shared())
        assert len(str(error.value)) <= 300
        return str(error.value)

    assert said("minilm").startswith(
        "--encoder: got 'minilm', expected one of minilm_l12, minilm_l6, roberta_base, hub:"
    )
    assert said("hub:a/b") == "--encoder: got 'hub:a/b', expected its revision too, as in hub:a/b@main"
    kinds = "expected one of: bert, camembert, roberta, xlm-roberta"
    for wrong, expected in (
        ({"model_type": "distilbert"}, f"config.json: model_type: got 'distilbert', {kinds}"),
        ({"model_type": "t5", "pad_token_id": None}, f"config.json: model_type: got 't5', {kinds}"),
        ({"hidden_act": "relu"}, "only hidden_act 'gelu'"),
        ({"num_hidden_layers": 9}, "is missing; expected a complete BERT or RoBERTa checkpoint"),
    ):
        shutil.copytree("my encoder", "wrong", dirs_exist_ok=True)
        edited(Path("wrong/config.json"), **wrong)
        assert expected in said("wrong")
    shutil.copytree("my encoder", "wrong", dirs_exist_ok=True)
    Path("wrong/tokenizer.json").write_text("{}")
    assert said("wrong").startswith("wrong/tokenizer.json: can't be read as a tokenizer: ")
    # The weights know fewer tokens than the tokenizer has.
    shutil.copytree("my encoder", "wrong", dirs_exist_ok=True)
    weights = load_file("wrong/model.safetensors")
    name = "embeddings.word_embeddings.weight"
    save_file(weights | {name: np.ascontiguousarray(weights[name][:-1])}, "wrong/model.safetensors")
    edited(Path("wrong/config.json"), vocab_size=len(weights[name]) - 1)
    assert "expected at most the" in said("wrong")
    Path("wrong/tokenizer.json").unlink()
    assert said("wrong").startswith("wrong: tokenizer.json is missing; expected an encoder's folder")
    # The name is taken by another encoder.
    make_bert(Path("minilm-l6"), seed=3)
    assert "for which encoders/minilm_l6.yaml names another one (" in said("minilm-l6")
    before = contents(project)
    assert error_line(run_stage(project, *ADDED, "--encoder", "wrong")).startswith("wrong: tokenizer.json is missing")
    assert contents(project) == before
