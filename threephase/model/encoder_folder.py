"""Encoders on disk: the folder that phases hand to each other and that SentenceTransformer(folder) loads."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from threephase.base.errors import UserError
from threephase.base.faults import described
from threephase.base.files import new_folder
from threephase.base.handed_over import verify
from threephase.model.encoder_files import CONFIG, TOKENIZER_FILES, WEIGHTS, TransformerConfig, copy_files, read_json
from threephase.model.models import DenoisingDecoder, SentenceEncoder
from threephase.model.transformer import Transformer, initialize

MODULE_TYPES = "sentence_transformers.models."
LM_HEADS = {
    "cls.predictions.transform.dense.": "dense.",
    "cls.predictions.transform.LayerNorm.": "layer_norm.",
    "cls.predictions.bias": "bias",
    "lm_head.dense.": "dense.",
    "lm_head.layer_norm.": "layer_norm.",
    "lm_head.bias": "bias",
}


def load_pretrained(folder: Path, pooling: str, normalized: bool = False) -> SentenceEncoder:
    """The encoder of a checkpoint folder (config.json, model.safetensors), with the given pooling."""
    weights = {strip_prefix(name): tensor for name, tensor in _load(folder / WEIGHTS).items()}
    encoder = SentenceEncoder(Transformer(TransformerConfig.from_file(folder / CONFIG)), pooling, normalized)
    _fill(encoder.transformer, weights, folder / WEIGHTS)
    return encoder


def random_encoder(folder: Path, pooling: str, normalized: bool, generator: torch.Generator) -> SentenceEncoder:
    """An encoder of the folder's configuration with initial weights in place of the checkpoint's."""
    transformer = Transformer(TransformerConfig.from_file(folder / CONFIG))
    initialize(transformer, transformer.config.initializer_range, generator)
    return SentenceEncoder(transformer, pooling, normalized)


def load_trained(folder: Path) -> SentenceEncoder:
    """An encoder that a phase exported, with its pooling and added layers."""
    pooling = read_json(folder / "1_Pooling" / CONFIG)
    modules = read_json(folder / "modules.json")
    normalized = any(module["type"].endswith("Normalize") for module in modules)
    encoder = load_pretrained(folder, "cls" if pooling["pooling_mode_cls_token"] else "mean", normalized)
    for module in modules:
        if module["type"].endswith("Dense"):
            layer = nn.Linear(encoder.hidden_size, encoder.hidden_size)
            file = folder / module["path"] / WEIGHTS
            _fill(layer, {name.removeprefix("linear."): tensor for name, tensor in _load(file).items()}, file)
            encoder.added[module["path"].split("_", 1)[1].removeprefix("Dense_")] = layer
    return encoder


def load_decoder_head(decoder: DenoisingDecoder, folder: Path) -> None:
    """Give the decoder the checkpoint's language-model head, where the checkpoint holds one."""
    head = {
        ours + name.removeprefix(prefix): tensor
        for name, tensor in _load(folder / WEIGHTS).items()
        for prefix, ours in LM_HEADS.items()
        if name.startswith(prefix)
    }
    decoder.load_state_dict(head, strict=False)


def export(encoder: SentenceEncoder, tokenizer_folder: Path, max_length: int, folder: Path) -> None:
    """Write the folder: transformer, pooling, added layers, and the tokenizer files of ``tokenizer_folder``."""
    size, cls = encoder.hidden_size, encoder.pooling == "cls"
    # No phase uses the checkpoint's pooler: without ``model_args``, loading warns that its weights are missing.
    transformer = {"max_seq_length": max_length, "do_lower_case": False, "model_args": {"add_pooling_layer": False}}
    pooling = {"word_embedding_dimension": size, "pooling_mode_cls_token": cls, "pooling_mode_mean_tokens": not cls}
    dense = {"in_features": size, "out_features": size, "bias": True}
    dense |= {"activation_function": "torch.nn.modules.linear.Identity"}
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + [("2_Normalize", "Normalize")] * encoder.normalized
    with new_folder(folder) as new:
        copy_files((CONFIG, *TOKENIZER_FILES), tokenizer_folder, new)
        _save(encoder.transformer.state_dict(), new / WEIGHTS)
        _json(new / "sentence_bert_config.json", transformer)
        _json(new / "1_Pooling" / CONFIG, pooling)
        if encoder.normalized:
            (new / "2_Normalize").mkdir()
        for number, (name, layer) in enumerate(encoder.added.items(), start=len(modules)):
            path = f"{number}_Dense_{name}"
            modules.append((path, "Dense"))
            _json(new / path / CONFIG, dense)
            _save({f"linear.{key}": tensor for key, tensor in layer.state_dict().items()}, new / path / WEIGHTS)
        entries = [
            {"idx": number, "name": str(number), "path": path, "type": MODULE_TYPES + kind}
            for number, (path, kind) in enumerate(modules)
        ]
        _json(new / "modules.json", entries)


def strip_prefix(name: str) -> str:
    """The parameter's name without the checkpoint's model prefix (``bert.``, ``roberta.``)."""
    return name.removeprefix("bert.").removeprefix("roberta.")


def _load(path: Path) -> dict[str, Tensor]:
    try:
        verify(path)
        return load_file(path)
    except (SafetensorError, OSError) as error:
        if described(error):
            raise
        raise UserError(f"{path}: can't be read as safetensors: {error}; make it again with dvc repro") from None


def _fill(module: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Load the module's weights; what else the checkpoint holds (poolers, heads) is left aside."""
    for name, wanted in module.state_dict().items():
        if name in weights and weights[name].shape != wanted.shape:
            raise UserError(
                f"{path}: weight {name!r}: got shape {tuple(weights[name].shape)}, expected {tuple(wanted.shape)}; "
                "config.json and the weights belong to different encoders"
            )
        if name in weights and not weights[name].float().sum().isfinite():  # a look at each would take twice as long
            raise UserError(
                f"{path}: weight {name!r} holds nan or inf, expected finite numbers; get this encoder from its source "
                "again, or train it again"
            )
    result = module.load_state_dict({name: t.float() for name, t in weights.items()}, strict=False)
    if result.missing_keys:
        raise UserError(
            f"{path}: weight {result.missing_keys[0]!r} is missing; expected a complete BERT or RoBERTa checkpoint"
        )


def _save(weights: dict[str, Tensor], path: Path) -> None:
    save_file({name: t.detach().cpu().contiguous() for name, t in weights.items()}, path, metadata={"format": "pt"})


def _json(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
