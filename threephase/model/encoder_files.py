"""Which files an encoder's folder holds, and whether they are the right ones; needs no torch."""

import json
from pathlib import Path
from typing import Any

from threephase.base.errors import UserError
from threephase.base.files import sha256_of

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
TOKENIZER_FILES = (
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)


def read_json(path: Path) -> Any:
    """A JSON file of an encoder's folder; one line where it can't be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read as JSON: {error}; make the folder again with dvc repro") from None


REMAKE = "make it again with dvc repro --force and the stage that dvc.yaml names for it"


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
