"""A kept classifier's folder: the same probabilities here, in transformers, sentence-transformers and scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from tiny_encoder import HIDDEN, MAX_TOKENS, TEXTS, make_bert, make_roberta, tiny_classifying

from threephase.base.errors import UserError
from threephase.data.randomness import torch_generator
from threephase.model.encoder_folder import load_pretrained
from threephase.model.models import ClassifierHead
from threephase.model.tokens import TextTokenizer, sentence_pieces
from threephase.phases.baselines import NearestMean, new_vectorizer
from threephase.phases.classifier import Classifier, predict, prepare_rows
from threephase.phases.kept_classifier import (
    EMBEDDINGS,
    ENCODER,
    FINE_TUNED,
    WORDS,
    Description,
    KeptClassifier,
    Model,
    write,
)  # fmt: skip
from threephase.phases.onnx_file import PACKAGES, refuse_onnx, write_onnx
from threephase.phases.remade_classifier import linear
from threephase.report.model_card import ONNXRUNTIME, in_scikit_learn
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Machine

TOLERANCE = 1e-4
MACHINE = Machine("cpu", "fp32", 1)
LABELS = ["fruit", "metal", 'Ümläut, "quoted"']
LIMIT = 12
ODD = ("plums", "日本語 Ünïcode", "copper " * 30)
NEW = [*TEXTS, *ODD]


def described(features: str, **changes) -> Description:
    facts = {"study": "s", "encoder": "e", "variant": "v", "seed": 3, "labels": LABELS, "text_columns": ["text"]}
    facts |= {"separator": None, "quote": '"', "header": True}
    facts |= {"strip_tags": False, "units": "words", "max_tokens": None, "takes_first_piece": False, "head": None}
    return Description(features=features, seed_scores_sha256="", **facts | changes)


def kept_after(folder: Path, description: Description, model: Model) -> KeptClassifier:
    folder.mkdir()
    write(folder, description, model)
    return KeptClassifier(folder, MACHINE)


def by_transformers(folder: Path, texts: list[str], labels: list[str] = LABELS) -> np.ndarray:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    classify = transformers.pipeline("text-classification", str(folder), trust_remote_code=True)
    found = [{part["label"]: part["score"] for part in line} for line in classify(texts, truncation=True, top_k=None)]
    return np.array([[line[label] for label in labels] for line in found])


def by_the_card(lines: str, texts: list[str]) -> dict[str, object]:
    """What the lines of a model card define, for these texts; they read the folder FOLDER."""
    found = {"texts": texts}
    code = lines.replace('["a text", "another one"]', "texts").removeprefix("```python\n").removesuffix("```\n")
    exec(code, found)
    return found


@pytest.mark.parametrize(
    ("make", "pooling", "normalized", "layers", "activation", "frozen"),
    [
        (make_bert, "mean", False, (BOTTLENECK, CONTRASTIVE_LAYER), "relu", False),
        (make_roberta, "cls", True, (BOTTLENECK,), "none", True),
        (make_roberta, "mean", False, (), "none", False),
    ],
)
def test_a_fine_tuned_classifier_gives_the_same_everywhere(
    tmp_path, make, pooling, normalized, layers, activation, frozen
):
    origin = make(tmp_path / "origin")
    encoder = load_pretrained(origin, pooling, normalized)
    for layer in layers:
        encoder.add_layer(layer, torch_generator(0, layer))
    settings = tiny_classifying(head_hidden_size=20, head_activation=activation, freeze_encoder=frozen)
    head = ClassifierHead(HIDDEN, len(LABELS), settings, torch_generator(0, "head"))
    classifier = Classifier(encoder, head, frozen)
    tokenizer = TextTokenizer(origin, encoder.transformer.config, LIMIT)
    rows = prepare_rows(NEW, torch.zeros(len(NEW)), classifier, tokenizer, MACHINE)
    expected = predict(classifier, rows, tokenizer, MACHINE).softmax(1).numpy()
    assert len(set(expected.argmax(axis=1))) > 1 or np.ptp(expected, axis=0).max() > 0.01

    arrays = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in (head.hidden, head.output)]
    description = described(FINE_TUNED, max_tokens=LIMIT, head=settings)
    kept = kept_after(tmp_path / "kept", description, Model(arrays, encoder, origin))
    assert kept.described == description
    np.testing.assert_array_equal(kept.probabilities(NEW), expected)
    assert kept.truncated == tokenizer.truncated > 0
    np.testing.assert_allclose(by_transformers(tmp_path / "kept", NEW), expected, atol=TOLERANCE)
    loaded = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    vectors = loaded.SentenceTransformer(str(tmp_path / "kept" / ENCODER), device="cpu").encode(NEW)
    with torch.no_grad():
        logits = head(torch.from_numpy(vectors)).softmax(1).numpy()
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("make", "pooling", "normalized", "features"),
    [
        (make_bert, "mean", False, EMBEDDINGS),
        (make_bert, "cls", True, FINE_TUNED),
        (make_roberta, "mean", True, FINE_TUNED),
        (make_roberta, "cls", False, EMBEDDINGS),
    ],
)
def test_onnxruntime_gives_the_same_for_any_number_and_length_of_texts(
    tmp_path, monkeypatch, make, pooling, normalized, features
):
    for package in (*PACKAGES, "onnxruntime"):
        pytest.importorskip(package, reason=f"the optional {package} is not installed")
    origin = make(tmp_path / "origin")
    encoder = load_pretrained(origin, pooling, normalized)
    settings, draw = None, np.random.default_rng(0).standard_normal
    layers = [(draw((3, HIDDEN)), np.array([0.1, -0.2, -np.inf]))]  # a class without a training row
    if features == FINE_TUNED:
        encoder.add_layer(BOTTLENECK, torch_generator(0, BOTTLENECK))
        settings = tiny_classifying(head_hidden_size=20, head_activation="relu")
        layers = [(5 * draw((20, HIDDEN)), np.zeros(20)), (draw((3, 20)), np.zeros(3))]
    kept = kept_after(
        tmp_path / "FOLDER", described(features, max_tokens=LIMIT, head=settings), Model(layers, encoder, origin)
    )
    write_onnx(tmp_path / "FOLDER")
    assert {file.name for file in (tmp_path / "FOLDER").glob("*.onnx*")} == {"model.onnx"}
    expected = kept.probabilities(NEW)
    assert np.ptp(expected, axis=0).max() > 0.1
    monkeypatch.chdir(tmp_path)
    for size in (1, 2, 3, len(NEW)):
        for start in range(0, len(NEW), size):
            part = slice(start, start + size)
            logits = by_the_card(ONNXRUNTIME, NEW[part])["logits"]
            np.testing.assert_allclose(softmax(logits, axis=1), expected[part], atol=TOLERANCE)


@pytest.mark.parametrize("features", [FINE_TUNED, EMBEDDINGS])
def test_of_a_text_that_the_study_cuts_at_a_full_stop_the_first_piece_is_read(tmp_path, features):
    origin, settings = make_bert(tmp_path / "origin"), tiny_classifying(head_hidden_size=20)
    of_features = {FINE_TUNED: (settings, [(20, HIDDEN), (3, 20)]), EMBEDDINGS: (None, [(3, HIDDEN)])}
    head, shapes = of_features[features]
    draw = np.random.default_rng(0).standard_normal
    layers = [(draw(shape), np.zeros(shape[0])) for shape in shapes]
    kept = kept_after(
        tmp_path / "kept",
        described(features, max_tokens=LIMIT, head=head, takes_first_piece=True),
        Model(layers, load_pretrained(origin, "mean", False), origin),
    )
    first = "apple and pear. "
    whole = first + "copper " * LIMIT
    assert sentence_pieces(whole, kept.tokenizer)[0].strip() == first.strip()
    found = kept.probabilities([whole, first, "copper " * 3])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_onnx_is_refused_without_an_encoder_or_its_packages(monkeypatch):
    with pytest.raises(UserError, match="got “TF-IDF”, which has no encoder"):
        refuse_onnx("", "TF-IDF")
    monkeypatch.setattr("threephase.phases.onnx_file.find_spec", {"onnx": True}.get)
    with pytest.raises(UserError, match="got no package onnxscript; type: pip install onnx onnxscript"):
        refuse_onnx("minilm_l6", "Fine-tuning")
    monkeypatch.setattr("threephase.phases.onnx_file.find_spec", dict.fromkeys(PACKAGES, True).get)
    refuse_onnx("minilm_l6", "Fine-tuning")


VECTORS = np.random.default_rng(0).standard_normal((60, HIDDEN))
MODELS = {"logistic": LogisticRegression, "nearest": NearestMean}


@pytest.mark.parametrize("known", [LABELS, LABELS[:2], LABELS[1:]])
@pytest.mark.parametrize("model", MODELS)
def test_one_linear_layer_gives_a_baseline_s_probabilities(model, known):
    labels = np.array([known[i % len(known)] for i in range(len(VECTORS))])
    fitted = MODELS[model]().fit(VECTORS, labels)
    expected = np.zeros((len(VECTORS), len(LABELS)))
    expected[:, [LABELS.index(name) for name in fitted.classes_]] = fitted.predict_proba(VECTORS)
    weight, bias = linear(fitted, LABELS)
    np.testing.assert_allclose(softmax(VECTORS @ weight.T + bias, axis=1), expected, atol=1e-12)


def test_a_classifier_on_untouched_vectors_gives_the_same_in_transformers(tmp_path):
    origin = make_bert(tmp_path / "origin")
    layer = (np.random.default_rng(1).standard_normal((3, HIDDEN)), np.array([0.1, -0.2, 0.3]))
    encoder = load_pretrained(origin, "mean")
    kept = kept_after(tmp_path / "kept", described(EMBEDDINGS, max_tokens=MAX_TOKENS), Model([layer], encoder, origin))
    loaded = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    vectors = loaded.SentenceTransformer(str(tmp_path / "kept" / ENCODER), device="cpu").encode(NEW)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = softmax(unit @ layer[0].T + layer[1], axis=1)
    np.testing.assert_allclose(kept.probabilities(NEW), expected, atol=TOLERANCE)
    np.testing.assert_allclose(by_transformers(tmp_path / "kept", NEW), expected, atol=TOLERANCE)


def of_words(folder: Path) -> tuple[KeptClassifier, np.ndarray]:
    """A classifier on word counts as kept, and the probabilities of NEW by scikit-learn."""
    vectorizer, labels = new_vectorizer("words").fit(TEXTS), [LABELS[i % 3] for i in range(len(TEXTS))]
    fitted = LogisticRegression(C=10).fit(vectorizer.transform(TEXTS), labels)
    assert fitted.classes_.tolist() == sorted(LABELS)
    layer = linear(fitted, sorted(LABELS))
    kept = kept_after(folder, described(WORDS, labels=sorted(LABELS)), Model([layer], vectorizer=vectorizer))
    return kept, fitted.predict_proba(vectorizer.transform(NEW))


def test_word_counts_give_the_same_by_the_card_s_lines(tmp_path, monkeypatch):
    kept, expected = of_words(tmp_path / "FOLDER")
    np.testing.assert_allclose(kept.probabilities(NEW), expected, atol=1e-6)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_allclose(by_the_card(in_scikit_learn("words"), NEW)["probabilities"], expected, atol=1e-6)


def test_a_folder_without_a_classifier_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected the folder of a kept classifier"):
        KeptClassifier(tmp_path, MACHINE)
