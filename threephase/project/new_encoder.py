"""An encoder of the user's choice for a new study: one of ``encoders/``, one of the hub, or a folder."""

import re
from pathlib import Path
from typing import Any

from threephase.base import paths
from threephase.base.errors import UserError, first_line, warn
from threephase.base.files import sha256_of
from threephase.data.hub import download
from threephase.model.encoder_files import CONFIG, TOKENIZER, WEIGHTS, TransformerConfig, check_files, read_json
from threephase.model.encoder_source import NAMES
from threephase.study.params import Shared

HUB = "hub:"
MODULES, POOLING = "modules.json", f"1_Pooling/{CONFIG}"  # of a folder that sentence-transformers wrote
KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


def encoder_named(given: str, shared: Shared) -> tuple[str, dict[str, Any] | None]:
    """An encoder's name, and the content of its definition where it has none yet.

    ``given``: the name of a definition, ``hub:ID@REVISION``, or a folder. Of the hub the revision's commit is written
    down, so that the name of a branch will do. Refuses what the engine can't train, by loading it.
    """
    if given in shared.encoders:
        return given, None
    if given.startswith(HUB):
        identifier, _, revision = given.removeprefix(HUB).partition("@")
        if not revision:
            raise UserError(f"--encoder: got {given!r}, expected its revision too, as in {given}@main")
        remedy = "name a folder with its files: --encoder FOLDER"
        folder = download(identifier, revision, "model", [*NAMES, MODULES, POOLING], remedy)
        place = {"source": "hub", "id": identifier, "revision": folder.name, "sha256": None}
    elif Path(given).is_dir():
        folder, identifier = Path(given), Path(given).resolve().name
        check_files(folder, "expected an encoder's folder, as save_pretrained of transformers writes it")
        place = {"source": "folder", "folder": given, "sha256": sha256_of(folder / WEIGHTS)}
    else:
        raise UserError(
            f"--encoder: got {given!r}, expected one of {', '.join(shared.encoders)}, {HUB}ID@REVISION, or a folder"
        )
    title = identifier.rpartition("/")[2]
    name = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60] or "own_encoder"
    if known := shared.encoders.get(name):
        if any(getattr(known, key) != value for key, value in place.items()):
            raise UserError(
                f"--encoder: got {given!r}, for which {paths.encoder_definition(name)} names another one "
                f"({known.origin}), expected a new name: rename that file, or the folder"
            )
        return name, None
    definition = {"title": title} | place | _own_pipeline(folder)
    _refuse_unusable(folder, definition["pooling"])
    return name, definition


def _own_pipeline(folder: Path) -> dict[str, Any]:
    """What a definition says of how the encoder makes a sentence's vector: as sentence-transformers would make it.

    That is by mean pooling where the folder does not say. The two lists of tags are read by ``released`` alone.
    """
    modules = read_json(folder / MODULES) if (folder / MODULES).is_file() else []
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if others := [kind for kind in kinds if kind not in KNOWN_MODULES]:
        warn(f"--encoder: its layers behind the transformer ({', '.join(others)}) are left aside")
    pooling = read_json(folder / POOLING) if (folder / POOLING).is_file() else {}
    return {
        "pooling": "cls" if pooling.get("pooling_mode_cls_token") or pooling.get("pooling_mode") == "cls" else "mean",
        "normalizes": "Normalize" in kinds,
        "sentence_encoder": bool(modules),
        "text_lengths": ["short", "medium"],
        "licence": "its model card says",
    }


def _refuse_unusable(folder: Path, pooling: str) -> None:
    """Refuse an architecture, weights or a tokenizer that a training would fail with."""
    check_files(folder, "expected an encoder with weights as safetensors and a fast tokenizer")
    config = TransformerConfig.from_file(folder / CONFIG)

    from threephase.model.encoder_folder import load_pretrained
    from threephase.model.tokens import TextTokenizer

    load_pretrained(folder, pooling)
    try:
        tokens = TextTokenizer(folder, config, config.max_tokens).tokenizer.get_vocab_size()
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"{folder / TOKENIZER}: can't be read as a tokenizer: {first_line(error)}") from None
    if tokens > config.vocab_size:
        raise UserError(
            f"{folder / TOKENIZER}: got {tokens} tokens, expected at most the {config.vocab_size} of {CONFIG}; they "
            "belong to different encoders"
        )
