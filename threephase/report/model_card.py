"""The README.md of a kept classifier, its model card: what it is, how good, how to use it, what to distrust."""

from collections.abc import Iterator
from typing import Any

from threephase.phases.baselines import COUNTED
from threephase.phases.kept_classifier import EMBEDDINGS, ENCODER, FINE_TUNED, WORDS, Description
from threephase.phases.onnx_file import LOGITS, ONNX
from threephase.report.own_answer import Method, OwnAnswer
from threephase.results.results import note
from threephase.results.tables import METRIC_TITLES, format_interval, format_number
from threephase.study.params import Study

TRANSFORMERS = """\
```python
from transformers import pipeline

classify = pipeline("text-classification", "FOLDER", trust_remote_code=True)
classify(["a text", "another one"], truncation=True, top_k=None)
```
"""
SENTENCE_TRANSFORMERS = f"""\
```python
from sentence_transformers import SentenceTransformer

vectors = SentenceTransformer("FOLDER/{ENCODER}").encode(["a text", "another one"])
```
"""
ONNXRUNTIME = f"""\
```python
from onnxruntime import InferenceSession
from transformers import AutoTokenizer

options = {{"padding": True, "truncation": True, "return_token_type_ids": False, "return_tensors": "np"}}
tokens = AutoTokenizer.from_pretrained("FOLDER", trust_remote_code=True)(["a text", "another one"], **options)
(logits,) = InferenceSession("FOLDER/{ONNX}").run(["{LOGITS}"], dict(tokens))
```
"""
SCIKIT_LEARN = """\
```python
import json
from safetensors.numpy import load_file
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer

weights = load_file("FOLDER/model.safetensors")
words = TfidfVectorizer(sublinear_tf=True, UNITSvocabulary=json.load(open("FOLDER/vocabulary.json", encoding="utf-8")))
words.idf_ = weights["word_weights"]
scores = words.transform(["a text", "another one"]) @ weights["head.0.weight"].T + weights["head.0.bias"]
probabilities = softmax(scores, axis=1)  # the columns are the labels of classifier.json
```
"""


def model_card(
    answer: OwnAnswer,
    method: Method,
    described: Description,
    scores: dict[str, Any],
    reason: str,
    with_onnx: bool,
) -> str:
    """The card as Markdown; ``scores``: of this seed's test rows; ``reason``: which model it is and why."""
    study = answer.study
    parts = [
        "---\npipeline_tag: text-classification\n---",
        f"# A classifier of {study.dataset.title}",
        reason + (f" The method is {method.about}." if method.about else ""),
        "## How good is it?",
        *_quality(study, method, described, scores),
        "## How do I use it?",
        *_use(study, described, with_onnx),
        "## What does it take and give?",
        "\n".join(f"- {line}" for line in _limits(described)),
        "## Where does it come from?",
        *_origin(study, described),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _quality(study: Study, method: Method, described: Description, scores: dict[str, Any]) -> Iterator[str]:
    unit = "seed" if study.dataset.folds is None else "fold"
    yield (
        f"These are the scores of this very model, on the {scores['test_rows']} test rows of {unit} {described.seed}. "
        "They did not choose it."
    )
    lines = [f"| metric | percent | {scores['confidence']:.0%} interval |", "|---|---|---|"]
    for metric, found in scores["metrics"].items():
        interval = format_interval(found["low"], found["high"])
        lines.append(f"| {METRIC_TITLES[metric]} | {format_number(found['value'])} | {interval} |")
    yield "\n".join(lines)
    yield "The interval says how far other test rows of the same kind would move the score."
    metric, count = METRIC_TITLES[study.params.primary_metric], len(study.params.seeds)
    if study.dataset.folds is not None:
        yield "The data have no test set: each fold tests a part of the rows, and this is the model of one."
    if count > 1:
        yield f"Over all {count} {unit}s the method reaches a {metric} of {method.stated}."
    if said := note(study, (described.encoder, described.variant)):
        yield f"To know besides: {said}."


def in_scikit_learn(units: str) -> str:
    """The lines that make a classifier on counts of such units from its folder."""
    return SCIKIT_LEARN.replace("UNITS", "".join(f"{name}={value!r}, " for name, value in COUNTED[units].items()))


def _use(study: Study, described: Description, with_onnx: bool) -> Iterator[str]:
    yield f"With the repository that made it, in its top folder:\n\n    {_command(study)}"
    if described.features == WORDS:
        yield f"Without it, in scikit-learn:\n\n{in_scikit_learn(described.units)}"
    if described.features in (FINE_TUNED, EMBEDDINGS):
        yield (
            "Without it, in transformers. The option `trust_remote_code` lets it run the Python file of this folder. "
            f"`top_k=None` asks for the probability of every class.\n\n{TRANSFORMERS}"
        )
        yield f"The encoder alone, for vectors of texts:\n\n{SENTENCE_TRANSFORMERS}"
        if with_onnx:
            yield (
                "In onnxruntime. It gives logits: their softmax is the probabilities, in the order of "
                f"the labels below.\n\n{ONNXRUNTIME}"
            )
        yield (
            "All give the same probabilities up to 0.0001 in single precision. Study and command compute with 16 bits "
            "(bf16) where your machine is faster with them. That can move a probability by some hundredths, and the "
            "label of a rare text."
        )


def _command(study: Study) -> str:
    named = f" STUDY={study.params.name}" if study.folder.name else ""
    return f"make predict{named} FILE=new.csv"


def _limits(described: Description) -> Iterator[str]:
    yield f"Labels: {', '.join(f'`{label}`' for label in described.labels)}. Every text gets one of them."
    columns = ", ".join(f"`{column}`" for column in described.text_columns)
    yield f"Text columns: {columns}{', joined by a space' if len(described.text_columns) > 1 else ''}."
    tags = "Short tags such as `<br />` are removed, and w" if described.strip_tags else "W"
    yield f"{tags}hite space is collapsed to single spaces. Do so before you call another library."
    if described.max_tokens is not None:
        yield f"Of a text the first {described.max_tokens} tokens (pieces of words) count; the rest is cut off."
    if described.takes_first_piece:
        yield "The command cuts longer texts at a full stop before that, as the study does; other libraries do not."
    yield "A probability is the model's own; it has not been calibrated."
    yield "On texts unlike those of the study its scores say nothing."


def _origin(study: Study, described: Description) -> Iterator[str]:
    yield f"Study `{described.study}`, variant `{described.variant}`, seed {described.seed}."
    if described.encoder:
        source = study.shared.encoders[described.encoder]
        yield f"Encoder: {source.title} ({source.origin}). Licence: {source.licence.strip()}"
    if described.head is not None:
        head = described.head
        trained = "only the head was trained" if head.freeze_encoder else "encoder and head were trained"
        yield f"In the last phase {trained}: learning rate {head.lr:g}, batches of {head.batch_size} texts."
    if study.dataset.licence:
        yield f"Texts: {study.dataset.title}. {study.dataset.licence.strip()}"
