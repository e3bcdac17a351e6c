"""From a finished study to its classifier: the one that the answer names, the study's predictions, new texts."""

import csv
import dataclasses
import io
import json
import statistics
import sys

import numpy as np
import pandas as pd
import pytest
from small_project import change
from tiny_project import DATASET, contents, run

from commands import keep_classifier
from threephase.base.errors import UserError
from threephase.phases.onnx_file import ONNX, PACKAGES
from threephase.report import keeping
from threephase.report.finished import read_finished
from threephase.report.model_card import ONNXRUNTIME
from threephase.report.own_answer import own_answer
from threephase.study.read_params import load_study

PREDICT = (sys.executable, "-m", "commands.predict")


@pytest.fixture
def project(study, tmp_path, monkeypatch):
    root = study.copy(tmp_path / "project")
    monkeypatch.chdir(root)
    return root


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_every_method_is_made_again_as_the_study_made_it(project):
    """Written folders are held to the study's predictions by ``write`` itself; other predictions are refused."""
    before = contents(project / "runs")
    answer = own_answer(read_finished(load_study(), with_costs=False))
    learning = [method for method in answer.methods if method.row.variant != "majority"]
    assert len(learning) > 8
    for method in learning:
        keeping.write(answer.study, answer, method, 1, project / "kept" / method.key)
        predictions = pd.read_parquet(f"runs/predictions/{method.key}/1.parquet")
        tested = predictions[predictions["split"] == "test"]
        scores = json.loads((project / "kept" / method.key / "scores.json").read_text())
        accuracy = scores["metrics"]["accuracy"]
        assert accuracy["value"] == pytest.approx(100 * (tested["label"] == tested["predicted"]).mean())
        assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
        assert f"on the {len(tested)} test rows of seed 1" in (project / "kept" / method.key / "README.md").read_text()
    assert contents(project / "runs") == before
    file = f"runs/predictions/{method.key}/1.parquet"
    column = predictions.columns[-1]
    predictions.assign(**{column: predictions[column] + 0.001}).to_parquet(file)
    with pytest.raises(UserError, match="differs by up to 0.001 in a probability"):
        keeping.write(answer.study, answer, method, 1, project / "other")
    assert not (project / "other").exists()


def test_predict_keeps_the_chosen_classifier_and_gives_the_study_s_labels(project):
    answer = own_answer(read_finished(load_study(), with_costs=False))
    seeds, validation = answer.study.params.seeds, answer.chosen.validation
    seed = seeds[validation.index(statistics.median_low(validation))]
    predictions = pd.read_parquet(f"runs/predictions/{answer.choice.name}/{seed}.parquet")
    tested = predictions[predictions["split"] == "test"]
    texts = pd.read_parquet("runs/data/examples.parquet").set_index("example_id")["text"][tested["example_id"]]
    texts.to_frame().to_json("new.jsonl", orient="records", lines=True)
    said = run(project, *PREDICT, "new.jsonl", "--output", "out.csv")
    assert f"out.csv: {len(texts)} rows\n" in said
    found = table((project / "out.csv").read_text(encoding="utf-8"))
    assert found[0][:3] == ["row", "text", "label"]
    assert [line[2] for line in found[1:]] == tested["predicted"].tolist()
    probabilities = tested[[name for name in tested if name.startswith("probability_")]].to_numpy()
    np.testing.assert_allclose(np.array([line[3:] for line in found[1:]], dtype=float), probabilities, atol=1e-5)
    kept = json.loads((project / "classifier" / "classifier.json").read_text())
    assert (kept["encoder"], kept["variant"], kept["seed"]) == (
        answer.chosen.row.encoder,
        answer.chosen.row.variant,
        seed,
    )
    said = run(project, sys.executable, "-m", "commands.keep_classifier", "--folder", "classifier")
    median = f"the {'' if len(seeds) % 2 else 'lower '}median of {len(seeds)} by validation score"
    assert f"Kept: “{answer.chosen.title}” with seed {seed}, {median}. {answer.how}\n" in said
    assert "classifier" not in run(project, "git", "status", "--short", "--untracked-files=all", "classifier")
    # With another method or seed the study may choose another one, though this one's predictions are as they were.
    scores = project / "reports" / "runs.csv"
    scores.write_text("".join(scores.read_text().splitlines(keepends=True)[:-1]))
    assert "the study has been run again" in run(project, *PREDICT, "new.jsonl", expected=2)
    assert "holds no classifier" in run(
        project, sys.executable, "-m", "commands.keep_classifier", "--folder", "runs", expected=2
    )


def test_onnx_stands_beside_the_model_and_in_its_card(project):
    for package in PACKAGES:
        pytest.importorskip(package, reason=f"the optional {package} is not installed")
    answer = own_answer(read_finished(load_study(), with_costs=False))
    method = next(method for method in answer.methods if method.row.variant == "three_phase")
    keeping.write(answer.study, answer, method, 1, project / "kept", with_onnx=True)
    assert (project / "kept" / ONNX).is_file()
    assert ONNXRUNTIME in (project / "kept" / "README.md").read_text()


def test_onnx_without_its_packages_is_refused_before_anything_is_trained(project, monkeypatch):
    monkeypatch.setattr("threephase.phases.onnx_file.find_spec", {}.get)
    monkeypatch.setattr("threephase.report.keeping.write_remade", None)
    monkeypatch.setattr(sys, "argv", ["keep_classifier", "--folder", "kept", "--onnx"])
    with pytest.raises(UserError, match="--onnx: got"):
        keep_classifier.main()
    assert not (project / "kept").exists()


def test_tfidf_on_characters_is_made_again(project):
    change(project, DATASET, {"units": "characters"})
    run(project, "dvc", "repro", "train_baselines@tfidf_logistic")
    answer = own_answer(read_finished(load_study(), with_costs=False))
    method = next(method for method in answer.methods if method.row.variant == "tfidf_logistic")
    keeping.write(answer.study, answer, method, 1, project / "kept")
    assert "analyzer='char'" in (project / "kept" / "README.md").read_text()


def test_a_protocol_that_chooses_on_test_rows_leaves_nothing_to_keep(project):
    study = load_study()
    protocol = dataclasses.replace(study.protocol, selection_split="test")
    shared = dataclasses.replace(study.shared, protocols={study.params.protocol: protocol})
    with pytest.raises(UserError, match=r"no method can be chosen .* chooses by them \(selection_split validation\)"):
        keeping.keep(dataclasses.replace(study, shared=shared), project / "kept")
    assert not (project / "kept").exists()


@pytest.mark.parametrize(("values", "seed"), [([70.0], 5), ([70.0, 60.0, 80.0], 5), ([70.0, 60.0], 6), ([1.0, 1.0], 5)])
def test_the_seed_is_that_of_the_median_validation_score(values, seed):
    assert keeping.median_seed([5, 6, 7][: len(values)], values) == seed
