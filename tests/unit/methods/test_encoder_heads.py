"""The heads of a trained encoder by hand, against scikit-learn, and on the vector before the added layers."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from tiny_encoder import TEXTS, make_bert

from threephase.base.errors import UserError
from threephase.data.randomness import torch_generator
from threephase.methods.encoder_heads import Settings, fitted_classifier
from threephase.model.embedding import unit_vectors
from threephase.model.encoder_folder import load_pretrained
from threephase.model.tokens import TextTokenizer
from threephase.phases import fitted_classifiers
from threephase.phases.baselines import MAX_ITERATIONS
from threephase.scores.metrics import scores
from threephase.study.schema import build
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Machine

MACHINE, STRENGTHS = Machine("cpu", "fp32", 1), [0.01, 1.0, 100.0]
PROBE, NEAREST_MEAN = Settings(STRENGTHS), Settings(None)


class Run(SimpleNamespace):
    """As much of a training's run as the heads ask for; the test part is not among it."""

    stage, seed, machine = "fit_classifier", 0, MACHINE

    def __init__(self, metric: str = "macro_f1", chosen_by: str = "validation", **parts: pd.DataFrame):
        settings = SimpleNamespace(selection_split=chosen_by, selection_metric=metric)
        super().__init__(parts=parts, classes=["a", "b", "c", "d"], settings=settings)

    def part(self, name: str) -> pd.DataFrame:
        return self.parts[name]

    def trained_on(self, rows: pd.DataFrame, _) -> pd.DataFrame:
        return rows

    scored = trained_on


def rows(*texts_and_labels: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(texts_and_labels, columns=["text", "label"])


def encoder_of_points(monkeypatch) -> SimpleNamespace:
    """An encoder of texts that name points of the plane, whose layers only count how often they were taken away."""
    points = lambda _, texts, *__: np.array([[float(value) for value in text.split()] for text in texts])  # noqa: E731
    monkeypatch.setattr(fitted_classifiers, "unit_vectors", points)
    return SimpleNamespace(added={"a layer": None})


def test_the_class_of_the_nearest_mean_by_hand(monkeypatch):
    train = rows(("0 0", "d"), ("2 0", "d"), ("0 4", "b"))
    run, encoder = Run(train=train, validation=rows(("1 0", "d"))), encoder_of_points(monkeypatch)
    found = fitted_classifier(run, encoder, list, NEAREST_MEAN)(["1 1.9", "1 2.3"])
    # The means are (1, 0) and (0, 4): squared distances 3.61 and 5.41, then 5.29 and 3.89, halved.
    of_d = [1 / (1 + np.exp(-0.9)), 1 / (1 + np.exp(0.7))]
    assert found[:, 3].tolist() == pytest.approx(of_d) and found[:, 1].tolist() == pytest.approx([1 - p for p in of_d])
    assert (found[:, [0, 2]] == 0).all() and not encoder.added  # classes without a training text


@pytest.mark.parametrize(("metric", "chosen"), [("macro_f1", 1.0), ("accuracy", 0.01)])
def test_the_probe_takes_the_c_that_the_selection_rows_choose(monkeypatch, capsys, metric, chosen):
    """A large class a and a small one b: with C = 0.01 nothing is called b, with a larger one too much is."""
    train = rows(*[("-1 0", "a")] * 20, *[("1 0", "b")] * 4)
    validation = rows(*[("-1 0", "a")] * 7, *[("1 0", "a")] * 3, *[("1 0", "b")] * 2)
    run, encoder = Run(metric, train=train, validation=validation), encoder_of_points(monkeypatch)
    found = fitted_classifier(run, encoder, list, PROBE)(["-1 0", "1 0"])
    assert capsys.readouterr().out == f"fit_classifier: C = {chosen:g}\n"
    features, places = np.array([[-1.0, 0]] * 20 + [[1.0, 0]] * 4), np.array([[-1.0, 0], [1.0, 0]])
    expected = LogisticRegression(C=chosen, max_iter=MAX_ITERATIONS).fit(features, train["label"])
    assert found[:, :2] == pytest.approx(expected.predict_proba(places)) and (found[:, 2:] == 0).all()


def test_where_no_rows_choose_the_probe_takes_the_middle_c(monkeypatch, capsys):
    run = Run(chosen_by="none", train=rows(("-1 0", "a"), ("1 0", "b"), ("2 0", "b"), ("-2 0", "a")))
    fitted_classifier(run, encoder_of_points(monkeypatch), list, PROBE)
    assert capsys.readouterr().out == "fit_classifier: C = 1\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return make_bert(tmp_path_factory.mktemp("encoder"))


def test_both_read_unit_vectors_before_the_added_layers(trained):
    plain, behind = load_pretrained(trained, "mean"), load_pretrained(trained, "mean")
    for name in (BOTTLENECK, CONTRASTIVE_LAYER):
        behind.add_layer(name, torch_generator(0, name))
    tokenizer = TextTokenizer(trained, plain.transformer.config, 32)
    labels = ["a"] * 4 + ["b"] * 4
    run = Run(train=rows(*zip(TEXTS, labels, strict=True)), validation=rows(*zip(TEXTS[2:6], labels[2:6], strict=True)))
    new = ["ripe pears in the basket", "silver wires hold the hill", "the old table"]
    vectors, others, after = (
        unit_vectors(encoder, tokenizer(texts), tokenizer, MACHINE)
        for encoder, texts in ((plain, TEXTS), (plain, new), (behind, new))
    )
    assert not np.allclose(others, after, atol=0.1)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    models = [LogisticRegression(C=c, max_iter=MAX_ITERATIONS).fit(vectors, labels) for c in STRENGTHS]
    of_c = [scores(np.array(labels[2:6]), model.predict(vectors[2:6]), run.classes)["macro_f1"] for model in models]
    found = fitted_classifier(run, behind, tokenizer, PROBE)(new)
    assert found[:, :2] == pytest.approx(models[int(np.argmax(of_c))].predict_proba(others), abs=1e-6)

    for name in (BOTTLENECK, CONTRASTIVE_LAYER):
        behind.add_layer(name, torch.Generator().manual_seed(1))
    nearest = fitted_classifier(run, behind, tokenizer, NEAREST_MEAN)(new).argmax(axis=1)
    assert [run.classes[place] for place in nearest] == NearestCentroid().fit(vectors, labels).predict(others).tolist()


@pytest.mark.parametrize("strengths", [[], [1.0, 1.0], [0.0], [-1.0], "1.0"])
def test_values_of_c_out_of_range_are_refused(strengths):
    with pytest.raises(UserError, match=r"^f: heads.probe.settings.strengths: got "):
        build(Settings, {"strengths": strengths}, Path("f"), "heads.probe.settings")
