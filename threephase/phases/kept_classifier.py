"""The folder of a classifier that is handed over: how it is written, read back, and asked for probabilities.

``classifier.json`` describes it. ``model.safetensors`` holds all weights under the names of
``modeling_sentence_classifier.py``, which ``transformers`` loads; ``encoder/`` is the encoder alone for
SentenceTransformer. A classifier on TF-IDF has no encoder, but ``vocabulary.json``.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from scipy.special import softmax

from threephase.base.errors import UserError
from threephase.base.files import read_json, write_json
from threephase.model import embedding, encoder_folder
from threephase.model.encoder_files import CONFIG, TOKENIZER_FILES, WEIGHTS, copy_files
from threephase.model.machine import set_up
from threephase.model.models import ClassifierHead, SentenceEncoder
from threephase.model.tokens import TextTokenizer, sentence_pieces
from threephase.phases.baselines import COUNTED, new_vectorizer
from threephase.phases.classifier import Classifier, predict, prepare_rows
from threephase.phases.initial_heads import LinearHead
from threephase.study.schema import build, checked, one_of
from threephase.study.settings import Classifying, Machine

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

DESCRIPTION, VOCABULARY, ENCODER, MODELING = (
    "classifier.json", "vocabulary.json", "encoder", "modeling_sentence_classifier.py",
)  # fmt: skip
# What the head sees: a fine-tuned encoder's vectors, one's vectors of unit length, weighted words.
FINE_TUNED, EMBEDDINGS, WORDS = "fine_tuned", "embeddings", "words"
Layers = Sequence[tuple[np.ndarray, np.ndarray]]  # weight (outputs, inputs) and bias (outputs) of each linear layer


@dataclass(frozen=True)
class Description:
    """``classifier.json``: whose model it is, its classes in the order of its probabilities, and what it takes.

    ``separator``, ``quote``, ``header``: as the study's source says, and so of files of new texts; without a separator
    a look at each finds them. ``max_tokens``: of a text, special tokens included, None without an encoder; of what is
    longer the rest is cut off, or with ``takes_first_piece`` what lies behind the last full stop within the limit.
    ``head``: how a fine-tuned one was trained. ``units``: what TF-IDF counts. ``seed_scores_sha256``: of what it was
    chosen by.
    """

    study: str
    encoder: str
    variant: str
    seed: int
    features: str = checked(one_of(FINE_TUNED, EMBEDDINGS, WORDS))
    labels: list[str]
    text_columns: list[str]
    strip_tags: bool
    separator: str | None
    quote: str
    header: bool
    units: str = checked(one_of(*COUNTED))
    max_tokens: int | None
    takes_first_piece: bool
    head: Classifying | None
    seed_scores_sha256: str


@dataclass(frozen=True)
class Model:
    """A classifier in memory: the head's ``layers``, and of encoder and vectorizer what its features need.

    ``tokenizer_folder``: where the encoder's tokenizer lies.
    """

    layers: Layers
    encoder: SentenceEncoder | None = None
    tokenizer_folder: Path | None = None
    vectorizer: "TfidfVectorizer | None" = None


def write(folder: Path, described: Description, model: Model) -> None:
    """Fill the folder, which must exist."""
    tensors = {
        f"head.{number}.{name}": np.ascontiguousarray(values, dtype=np.float32)
        for number, layer in enumerate(model.layers)
        for name, values in zip(("weight", "bias"), layer, strict=True)
    }
    if model.vectorizer is not None:
        tensors["word_weights"] = model.vectorizer.idf_
        write_json(folder / VOCABULARY, model.vectorizer.get_feature_names_out().tolist())
    if model.encoder is not None:
        encoder = model.encoder.cpu()
        encoder_folder.export(encoder, model.tokenizer_folder, described.max_tokens, folder / ENCODER)
        _write_for_transformers(folder, described, model)
        parts = {"encoder": encoder.transformer.state_dict()}
        parts |= {f"added.{number}": layer.state_dict() for number, layer in enumerate(encoder.added.values())}
        for part, weights in parts.items():
            tensors |= {f"{part}.{name}": tensor.contiguous().numpy() for name, tensor in weights.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / DESCRIPTION, dataclasses.asdict(described))


def _write_for_transformers(folder: Path, described: Description, model: Model) -> None:
    """The config, the code and the tokenizer, with the limit, that ``transformers`` looks for in the top folder."""
    copy_files(TOKENIZER_FILES, model.tokenizer_folder, folder)
    shutil.copyfile(Path(__file__).with_name(MODELING), folder / MODELING)
    code, encoder = MODELING.removesuffix(".py"), model.encoder
    config = {
        "model_type": "sentence_classifier",
        "architectures": ["SentenceClassifier"],
        "auto_map": {
            "AutoConfig": f"{code}.SentenceClassifierConfig",
            "AutoModelForSequenceClassification": f"{code}.SentenceClassifier",
        },
        "encoder": read_json(folder / ENCODER / CONFIG),
        "pooling": encoder.pooling,
        "normalizes": encoder.normalized,
        "added_layers": len(encoder.added),
        "unit_length": described.features == EMBEDDINGS,
        "head_sizes": [encoder.hidden_size, *(len(bias) for _, bias in model.layers)],
        "activation": described.head.head_activation if described.head else "none",
        "id2label": dict(enumerate(described.labels)),
        "label2id": {label: number for number, label in enumerate(described.labels)},
        "problem_type": "single_label_classification",
    }
    write_json(folder / CONFIG, config)
    file = folder / "tokenizer_config.json"
    settings = read_json(file) if file.is_file() else {}
    write_json(file, settings | {"model_max_length": described.max_tokens})


class KeptClassifier:
    """A classifier as read from its folder, ready to predict on ``machine``."""

    def __init__(self, folder: Path, machine: Machine):
        if not (folder / DESCRIPTION).is_file():
            raise UserError(f"{folder}: got no {DESCRIPTION}, expected the folder of a kept classifier")
        self.described = build(Description, read_json(folder / DESCRIPTION), folder / DESCRIPTION)
        self.machine, features = machine, self.described.features
        weights = load_file(folder / WEIGHTS)
        heads = sum(name.startswith("head.") for name in weights) // 2
        layers = [(weights[f"head.{n}.weight"], weights[f"head.{n}.bias"]) for n in range(heads)]
        self.weight, self.bias = layers[-1]
        if features in (FINE_TUNED, EMBEDDINGS):
            set_up(machine)
            encoder = encoder_folder.load_trained(folder / ENCODER)
            self.tokenizer = TextTokenizer(folder, encoder.transformer.config, self.described.max_tokens)
            self.encoder = encoder.to(machine.device)
        if features == FINE_TUNED:
            self.model = self._fine_tuned(layers)
        if features == WORDS:
            self.vectorizer = new_vectorizer(self.described.units, vocabulary=read_json(folder / VOCABULARY))
            self.vectorizer.idf_ = weights["word_weights"]

    @property
    def truncated(self) -> int:
        """How many distinct texts were longer than the limit so far; 0 where nothing is cut."""
        cuts = self.described.max_tokens is not None
        return self.tokenizer.truncated if cuts else 0

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Of each class, (texts, classes) float32; the texts are cleaned as the study's are."""
        features = self.described.features
        if self.described.takes_first_piece:
            texts = [sentence_pieces(text, self.tokenizer)[0] for text in texts]
        if features == FINE_TUNED:
            return self._by_fine_tuned(texts)
        if features == WORDS:
            vectors = self.vectorizer.transform(texts)
        else:
            vectors = embedding.unit_vectors(self.encoder, self.tokenizer(texts), self.tokenizer, self.machine)
        return softmax(vectors @ self.weight.T + self.bias, axis=1).astype(np.float32)

    def _by_fine_tuned(self, texts: Sequence[str]) -> np.ndarray:
        rows = prepare_rows(texts, torch.empty(0), self.model, self.tokenizer, self.machine)
        return predict(self.model, rows, self.tokenizer, self.machine).softmax(1).cpu().numpy()

    def _fine_tuned(self, layers: Layers) -> Classifier:
        settings, sizes = self.described.head, (self.encoder.hidden_size, len(self.described.labels))
        head = ClassifierHead(*sizes, settings, torch.Generator())
        if len(layers) == 1:
            head = LinearHead(torch.nn.Linear(*sizes))
        for layer, values in zip(head.children(), layers, strict=True):
            layer.load_state_dict(dict(zip(("weight", "bias"), map(torch.from_numpy, values), strict=True)))
        return Classifier(self.encoder, head.to(self.machine.device), settings.freeze_encoder)
