"""Which files an encoder's folder holds, whether they are the right ones, and its configuration; needs no torch."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threephase.base.errors import UserError
from threephase.base.faults import described
from threephase.base.files import sha256_of
from threephase.base.handed_over import verify

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
TOKENIZER_FILES = (
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
SUPPORTED_MODEL_TYPES = ("bert", "camembert", "roberta", "xlm-roberta")
REMAKE = "make it again with dvc repro --force and the stage that dvc.yaml names for it"


def read_json(path: Path) -> Any:
    """A JSON file of an encoder's folder; one line where it can't be read, or is not what a stage made."""
    try:
        verify(path)
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if described(error):
            raise
        raise UserError(f"{path}: can't be read as JSON: {error}; make the folder again with dvc repro") from None


def copy_files(names: Iterable[str], source: Path, target: Path) -> None:
    """Copy those of the files that the folder ``source`` has; one line where one is not what a stage made."""
    for name in names:
        if (source / name).is_file():
            verify(source / name)
            shutil.copyfile(source / name, target / name)


def check_files(folder: Path, remake: str = REMAKE) -> None:
    """Refuse a folder that lacks a file; ``remake`` says how to make it again."""
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: {name} is missing; {remake}")


def check_pretrained(folder: Path, sha256: str | None) -> None:
    """Refuse the folder of a pre-trained encoder that lacks a file or holds other weights."""
    remake = f"make it again: dvc repro --force fetch_encoder@{folder.name}"
    check_files(folder, remake)
    check_weights(folder, sha256, remake)


def check_weights(folder: Path, expected: str | None, remake: str) -> None:
    """Refuse weights other than those with sha256 ``expected``; None: a revision of the hub pinned them."""
    got = sha256_of(folder / WEIGHTS) if expected is not None else None
    if got != expected:
        raise UserError(f"{folder / WEIGHTS}: got sha256 {got}, expected {expected}; {remake}")


@dataclass(frozen=True)
class TransformerConfig:
    """The keys of a checkpoint's ``config.json`` that the forward pass needs."""

    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_dropout_prob: float
    attention_probs_dropout_prob: float
    initializer_range: float
    pad_token_id: int
    hidden_act: str

    @classmethod
    def from_file(cls, path: Path) -> "TransformerConfig":
        """Read ``config.json``; refuses architectures whose forward pass differs from BERT's."""
        raw = read_json(path)
        kind = raw.get("model_type", "none")
        if kind not in SUPPORTED_MODEL_TYPES:
            raise UserError(f"{path}: model_type: got {kind!r}, expected one of: {', '.join(SUPPORTED_MODEL_TYPES)}")
        missing = [name for name in cls.__dataclass_fields__ if name not in raw]
        if missing:
            raise UserError(
                f"{path}: key {missing[0]!r} is missing; expected the config.json of a BERT or RoBERTa model"
            )
        config = cls(**{name: raw[name] for name in cls.__dataclass_fields__})
        if config.hidden_act != "gelu" or raw.get("position_embedding_type", "absolute") != "absolute":
            raise UserError(f"{path}: only hidden_act 'gelu' and absolute position embeddings are supported")
        return config

    @property
    def first_position(self) -> int:
        """Position of the first token: RoBERTa counts from behind its padding id, BERT from 0."""
        return 0 if self.model_type == "bert" else self.pad_token_id + 1

    @property
    def max_tokens(self) -> int:
        """The longest sequence the position embeddings allow, special tokens included."""
        return self.max_position_embeddings - self.first_position
