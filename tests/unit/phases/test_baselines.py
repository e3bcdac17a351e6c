"""The baselines: what each is trained on, how C is chosen, and the probabilities it leaves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from small_project import SHARED, STUDY, change, make_project, use_encoder
from tiny_encoder import HIDDEN, TEXTS, make_bert

from threephase.base.errors import UserError
from threephase.phases.baselines import embeddings, features_of, fit_and_predict, read_parts
from threephase.scores.predictions import predictions_table
from threephase.study.read_params import load_study
from threephase.study.resolve import baseline_settings
from threephase.study.settings import BaselineSettings, Machine
from threephase.study.topology import trainings

ENCODER = "minilm_l6"
PRETRAINED = Path("runs/pretrained") / ENCODER
STRENGTHS = [0.01, 0.1, 1.0, 10.0, 100.0]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A small project as the working directory, with a tiny encoder."""
    monkeypatch.chdir(make_project(tmp_path))
    use_encoder(tmp_path, make_bert(tmp_path / PRETRAINED))
    return tmp_path


def settings_of(variant: str) -> BaselineSettings:
    """A baseline's settings by the params files of the working directory."""
    study = load_study()
    (training,) = (training for training in trainings(study) if training.variant == variant)
    return baseline_settings(study, training, Machine("cpu", "fp32", 1))


@pytest.fixture
def settings(project) -> BaselineSettings:
    return settings_of("tfidf_logistic")


def rows(*examples: tuple[str, str]) -> pd.DataFrame:
    """A part of (text, label) examples."""
    frame = pd.DataFrame(examples, columns=["text", "label"])
    return frame.assign(example_id=[f"row{number}" for number in range(len(frame))])


PARTS = {
    "train": rows(("red apples", "fruit"), ("hot iron", "metal"), ("silver and iron", "metal")),
    "validation": rows(("ripe plums", "fruit"), ("copper", "metal"), ("a tall oak", "tree")),
    "test": rows(("iron plums", "fruit"), ("a birch", "tree")),
}
CLASSES = ["fruit", "metal", "tree"]


def test_the_parts_are_those_of_the_split(project):
    texts = [f"text {number}" for number in range(6)]
    labels = ["b", "a", "b", "c", "b", "only unlabelled"]
    parts = ["train", "train", "validation", "test", "test", "unlabelled"]
    ids = [f"id{number}" for number in range(6)]
    # In another study's folder lies another split of the same examples.
    other = Path("studies/other")
    for root, named in ((Path(), parts), (other, [*parts[1:-1], parts[0], "unlabelled"])):
        for folder in ("runs/splits/3", "runs/data"):
            (root / folder).mkdir(parents=True)
        pd.DataFrame({"example_id": ids, "text": texts, "label": labels}).to_parquet(
            root / "runs/data/examples.parquet"
        )
        split = pd.DataFrame({"example_id": ids[::-1], "part": named[::-1]})
        split.to_parquet(root / "runs/splits/3/split.parquet")
    for root, train, validation, test in (
        (Path(), ["id0", "id1"], ["id2"], ["id3", "id4"]),
        (other, ["id0", "id4"], ["id1"], ["id2", "id3"]),
    ):
        read, classes = read_parts(root, 3)
        by_part = {part: frame["example_id"].tolist() for part, frame in read.items()}
        numbers = {part: [f"id{number}" for number in frame.index] for part, frame in read.items()}
        assert by_part == numbers == {"train": train, "validation": validation, "test": test}
        assert classes == ["a", "b", "c"]


def test_the_majority_class_is_that_of_the_training_part(settings):
    parts = PARTS | {"validation": rows(*[("x", "fruit")] * 5), "test": rows(*[("x", "tree")] * 4)}
    features = features_of("majority", parts)
    probabilities, strength = fit_and_predict("majority", features, parts, CLASSES, settings, 0)
    assert strength is None and set(probabilities) == {"validation", "test"}
    for part, values in probabilities.items():
        assert np.array_equal(values, np.tile([0.0, 1.0, 0.0], (len(parts[part]), 1)))


@pytest.mark.parametrize("variant", ["majority", "tfidf_logistic", "embedding_logistic", "embedding_nearest_mean"])
def test_a_class_without_training_rows_gets_no_probability(settings, variant):
    features = features_of(variant, PARTS, np.eye(8))
    # The absent class first, so that the columns of all others move.
    named = {part: frame.assign(label=frame["label"].replace("tree", "a tree")) for part, frame in PARTS.items()}
    classes = ["a tree", "fruit", "metal"]
    probabilities, strength = fit_and_predict(variant, features, named, classes, settings, 0)
    for part in ("validation", "test"):
        assert probabilities[part].shape == (len(PARTS[part]), 3)
        assert (probabilities[part][:, 0] == 0).all()
        np.testing.assert_allclose(probabilities[part].sum(axis=1), 1)
    # The columns are the classes': a model fitted here gives the same.
    if variant.endswith("logistic"):
        model = LogisticRegression(C=strength, max_iter=1000).fit(features["train"], named["train"]["label"])
        expected = pd.DataFrame(model.predict_proba(features["test"]), columns=model.classes_)
        np.testing.assert_allclose(probabilities["test"][:, 1:], expected[["fruit", "metal"]])
    table = predictions_table({part: named[part] for part in probabilities}, probabilities, classes)
    assert "a tree" not in set(table["predicted"])


def test_a_text_is_of_the_class_whose_mean_vector_is_nearest(settings):
    vectors = {"train": [[0, 0], [2, 0], [0, 4]], "validation": [[1, 0]] * 3, "test": [[1, 1.9], [1, 2.3]]}
    parts = {
        part: rows(*(("x", label) for label in labels))
        for part, labels in {"train": ["a", "a", "b"], "validation": ["a"] * 3, "test": ["a", "b"]}.items()
    }
    features = {part: np.array(values, dtype=float) for part, values in vectors.items()}
    probabilities, strength = fit_and_predict("embedding_nearest_mean", features, parts, ["a", "b"], settings, 0)
    # The means are (1, 0) and (0, 4): squared distances 3.61 and 5.41, then 5.29 and 3.89.
    assert strength is None and probabilities["test"].argmax(axis=1).tolist() == [0, 1]
    np.testing.assert_allclose(probabilities["test"][0], [1 / (1 + np.exp(-0.9)), 1 / (1 + np.exp(0.9))])


def part_on_a_line(places: list[float], labels: str) -> tuple[np.ndarray, pd.DataFrame]:
    """One feature a row, and the rows with one letter as label."""
    return np.array(places)[:, None], rows(*(("x", label) for label in labels))


def line() -> tuple[dict[str, np.ndarray], dict[str, pd.DataFrame]]:
    """A large class a, a small one b; on validation what is gained for b is lost for a, but for accuracy."""
    train = part_on_a_line([*[-1.0] * 20, *[1.0] * 4], "a" * 20 + "b" * 4)
    validation = part_on_a_line([-1.0] * 7 + [1.0] * 5, "a" * 10 + "b" * 2)
    # On the test part any C that tells a and b apart would be the best: it must not be asked.
    test = part_on_a_line([-1.0, 1.0, 1.0], "abb")
    both = {"train": train, "validation": validation, "test": test}
    return {part: x for part, (x, _) in both.items()}, {part: frame for part, (_, frame) in both.items()}


def test_c_is_chosen_on_test_rows_where_the_protocol_selects_by_them(project):
    change(project, STUDY, {"protocol": "released"})
    settings, (features, parts) = settings_of("tfidf_logistic"), line()
    # The protocol cuts no validation part.
    features, parts = ({part: by_part[part] for part in ("train", "test")} for by_part in (features, parts))
    probabilities, strength = fit_and_predict("tfidf_logistic", features, parts, ["a", "b"], settings, 0)
    assert set(probabilities) == {"test"}
    scores = {}
    for c in STRENGTHS:
        model = LogisticRegression(C=c, max_iter=1000).fit(features["train"], parts["train"]["label"])
        scores[c] = f1_score(parts["test"]["label"], model.predict(features["test"]), average="macro")
    assert strength == min(c for c in STRENGTHS if scores[c] == max(scores.values()))


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy"])
def test_c_is_chosen_by_the_primary_metric_on_validation_rows(project, metric):
    change(project, STUDY, {"primary_metric": metric})
    settings = settings_of("tfidf_logistic")
    assert settings.selection_metric == metric
    features, parts = line()
    scores = {}
    for c in STRENGTHS:
        model = LogisticRegression(C=c, max_iter=1000).fit(features["train"], parts["train"]["label"])
        predicted, labels = model.predict(features["validation"]), parts["validation"]["label"]
        scores[c] = f1_score(labels, predicted, average="macro") if metric == "macro_f1" else (
            accuracy_score(labels, predicted)
        )  # fmt: skip
    best = min(c for c in STRENGTHS if scores[c] == max(scores.values()))
    # The two metrics disagree, and more than one C is best for each.
    assert len(set(scores.values())) == 2 and (best == STRENGTHS[0]) == (metric == "accuracy")
    probabilities, strength = fit_and_predict("tfidf_logistic", features, parts, ["a", "b"], settings, 0)
    assert strength == best
    model = LogisticRegression(C=best, max_iter=1000).fit(features["train"], parts["train"]["label"])
    np.testing.assert_allclose(probabilities["test"], model.predict_proba(features["test"]))


def test_of_equally_good_values_the_smallest_c_is_taken_in_whatever_order_they_are_given(project):
    change(project, SHARED, {"baseline_inverse_regularization": [100.0, 0.1, 10.0, 1.0]})
    x, frame = part_on_a_line([-1.0] * 5 + [1.0] * 5, "a" * 5 + "b" * 5)
    features, parts = dict.fromkeys(("train", "validation", "test"), x), dict.fromkeys(PARTS, frame)
    _, strength = fit_and_predict("tfidf_logistic", features, parts, ["a", "b"], settings_of("tfidf_logistic"), 0)
    assert strength == 0.1


def test_the_vocabulary_and_its_weights_come_from_the_training_part(settings):
    features = features_of("tfidf_logistic", PARTS)
    # red, apples, hot, iron, silver, and.
    assert {part: matrix.shape for part, matrix in features.items()} == {"train": (3, 6), "validation": (3, 6),
                                                                        "test": (2, 6)}  # fmt: skip
    assert features["validation"].nnz == 0 and features["test"].nnz == 1
    # Other rows of the other parts, and more of them, change no weight of a training row.
    others = {"validation": rows(*[("iron", "metal")] * 9), "test": rows(*[("iron apples", "fruit")] * 9)}
    again = features_of("tfidf_logistic", PARTS | others)
    assert (again["train"] != features["train"]).nnz == 0


def test_texts_without_spaces_are_counted_by_runs_of_characters():
    parts = {"train": rows(("我的猫很好", "a"), ("他的狗很大", "b")), "test": rows(("猫很大", "a"))}
    by_words, by_characters = (features_of("tfidf_logistic", parts, units=units) for units in ("words", "characters"))
    # As words the test text is one that no training text has; as characters it has three of them and two pairs.
    assert by_words["test"].nnz == 0 and by_characters["test"].nnz == 5
    assert by_characters["train"].shape == (2, 8 + 8 + 6)


def test_embeddings_are_the_pretrained_encoder_s_of_unit_length(project):
    from sentence_transformers import SentenceTransformer

    texts = [*TEXTS, "plums", "日本語 Ünïcode", "copper " * 100]
    Path("runs/data").mkdir(parents=True)
    rows(*((text, "a") for text in texts)).to_parquet("runs/data/examples.parquet")
    threads = torch.get_num_threads()
    vectors = embeddings(Path(), settings_of("embedding_logistic"))
    torch.set_num_threads(threads)
    assert vectors.shape == (len(texts), HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    # A folder without modules.json is read with mean pooling, as this encoder's is by the params.
    oracle = SentenceTransformer(str(project / PRETRAINED), device="cpu")
    theirs = oracle.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(vectors, theirs, atol=1e-4)


def test_each_part_gets_the_vectors_of_its_rows():
    numbers = {"train": [4, 1], "validation": [0], "test": [3, 2]}
    parts = {part: rows(*[("x", "a")] * len(its)).set_index(pd.Index(its)) for part, its in numbers.items()}
    features = features_of("embedding_logistic", parts, np.arange(5.0)[:, None])
    assert {part: matrix[:, 0].tolist() for part, matrix in features.items()} == numbers


def test_an_encoder_with_other_weights_is_refused(project):
    make_bert(project / PRETRAINED, seed=1)
    with pytest.raises(UserError, match="model.safetensors: got sha256 .*fetch_encoder@minilm_l6"):
        embeddings(Path(), settings_of("embedding_logistic"))
