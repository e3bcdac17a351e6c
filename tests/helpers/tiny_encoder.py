"""Tiny but real encoders: folders that Hugging Face, sentence-transformers and the stages load like any other.

The weights are drawn with numpy and named after Hugging Face's checkpoints by hand, so that a test
which compares our transformer with theirs does not start from names of our own making.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from threephase.study.settings import Classifying, Contrastive, Denoising

# Read by huggingface_hub when it is imported, which tests do after this module: no test looks for a network.
os.environ["HF_HUB_OFFLINE"] = "1"
# Read by torch in the same way. Matrices as small as these gain nothing from a second thread, and where the
# cores are busy the threads wait for each other many times longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HIDDEN, LAYERS, HEADS, INTERMEDIATE, MAX_TOKENS, VOCABULARY = 32, 2, 4, 64, 64, 400
TEXTS = (
    "red apples and green pears fill the basket",
    "the orchard sold ripe plums in autumn",
    "fresh cherries taste sweet",
    "a bowl of grapes stood on the table",
    "the smith hammered hot iron into a blade for the old king",
    "copper wires carry the current",
    "miners found silver below the hill",
    "steel beams hold the bridge",
)


def make_bert(folder: Path, texts: Sequence[str] = TEXTS, seed: int = 0) -> Path:
    """Write a BERT sentence encoder whose WordPiece vocabulary knows the words of ``texts``; returns ``folder``."""
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    special["mask_token"] = "[MASK]"
    lowered = [text.lower() for text in texts]
    letters = sorted(set("".join(lowered)) - {" "})
    tokens = [*special.values(), *letters, *(f"##{letter}" for letter in letters), *_frequent_words(lowered)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens[:VOCABULARY]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.decoder = decoders.WordPiece()
    config = {"model_type": "bert", "architectures": ["BertModel"], "layer_norm_eps": 1e-12, "pad_token_id": 0}
    config |= {"type_vocab_size": 2, "max_position_embeddings": MAX_TOKENS}
    return _write(folder, tokenizer, special, "BertTokenizer", config, seed)


def make_roberta(folder: Path, texts: Sequence[str] = TEXTS, seed: int = 0) -> Path:
    """As ``make_bert`` for RoBERTa, with a byte-level BPE tokenizer."""
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = Counter(word for text in texts for word, _ in byte_level.pre_tokenize_str(text))
    # Each word is joined from the left, one byte a merge, until the vocabulary is full.
    merges = [(word[:i], word[i]) for word in sorted(words) for i in range(1, len(word))]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = list(dict.fromkeys(merges))[: VOCABULARY - len(alphabet) - len(special) - 1]
    tokens = [*special.values(), *alphabet, *(left + right for left, right in merges), "<mask>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = byte_level
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special |= {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
    config = {"model_type": "roberta", "architectures": ["RobertaModel"], "layer_norm_eps": 1e-5, "pad_token_id": 1}
    # RoBERTa's positions start behind the padding id.
    config |= {"type_vocab_size": 1, "max_position_embeddings": MAX_TOKENS + 2, "bos_token_id": 0, "eos_token_id": 2}
    return _write(folder, tokenizer, special, "RobertaTokenizer", config, seed)


def _frequent_words(texts: Sequence[str]) -> list[str]:
    counts = Counter(word for text in texts for word in text.split())
    return sorted(counts, key=lambda word: (-counts[word], word))


def _write(
    folder: Path, tokenizer: Tokenizer, special: dict[str, str], tokenizer_class: str, config: dict, seed: int
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.add_special_tokens(list(dict.fromkeys(special.values())))
    tokenizer.save(str(folder / "tokenizer.json"))
    config |= {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INTERMEDIATE,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
    }
    files = {
        "config.json": config,
        "tokenizer_config.json": special | {"tokenizer_class": tokenizer_class, "model_max_length": MAX_TOKENS},
        "special_tokens_map.json": special,
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    save_file(_weights(config, seed), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _weights(config: dict, seed: int) -> dict[str, np.ndarray]:
    """Random weights, biases and layer norms included, so that none of them can be mixed up unnoticed."""
    random, size, weights = np.random.default_rng(seed), HIDDEN, {}

    def draw(name: str, *shape: int, scale: float, mean: float = 0.0) -> None:
        weights[name] = (mean + scale * random.standard_normal(shape)).astype(np.float32)

    def layer_norm(name: str) -> None:
        draw(f"{name}.LayerNorm.weight", size, scale=0.1, mean=1.0)
        draw(f"{name}.LayerNorm.bias", size, scale=0.1)

    def dense(name: str, inputs: int, outputs: int) -> None:
        draw(f"{name}.weight", outputs, inputs, scale=inputs**-0.5)
        draw(f"{name}.bias", outputs, scale=0.1)

    # Words weigh most, so that a training of few steps can tell the texts apart.
    for table, rows, scale in (
        ("word", config["vocab_size"], 0.3),
        ("position", config["max_position_embeddings"], 0.1),
        ("token_type", config["type_vocab_size"], 0.1),
    ):
        draw(f"embeddings.{table}_embeddings.weight", rows, size, scale=scale)
    layer_norm("embeddings")
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            dense(f"{layer}.attention.self.{part}", size, size)
        dense(f"{layer}.attention.output.dense", size, size)
        layer_norm(f"{layer}.attention.output")
        dense(f"{layer}.intermediate.dense", size, INTERMEDIATE)
        dense(f"{layer}.output.dense", INTERMEDIATE, size)
        layer_norm(f"{layer}.output")
    dense("pooler.dense", size, size)
    return weights


def tiny_denoising(**changes: object) -> Denoising:
    """Settings of phase 1 that suit a tiny encoder, with ``changes``."""
    settings = {"lr": 1e-2, "epochs": 2, "deletion_ratio": 0.6, "batch_size": 4, "adam_eps": 1e-6, "warmup": 0.5}
    return Denoising(**settings | {"clip_gradient": 1.0} | changes)


def tiny_contrastive(**changes: object) -> Contrastive:
    """The same of phase 2."""
    settings = {"lr": 5e-3, "epochs": 2, "batch_size": 4, "adam_eps": 1e-6, "warmup": 1 / 3, "clip_gradient": 1.0}
    return Contrastive(**settings | changes)


def tiny_classifying(**changes: object) -> Classifying:
    """The same of phase 3."""
    settings = {
        "lr": 5e-3,
        "max_epochs": 4,
        "min_updates": 0,
        "batch_size": 4,
        "adam_eps": 1e-6,
        "warmup": 0.2,
        "weight_decay": 0.01,
    }
    settings |= {"clip_gradient": 1.0, "freeze_encoder": False, "head_hidden_size": 100, "head_dropout": 0.3}
    settings |= {"head_activation": "relu", "stopping": "patience", "patience": 5, "selection_metric": "macro_f1"}
    return Classifying(**settings | changes)
