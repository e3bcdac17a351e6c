"""A BERT-family transformer that serves as encoder and as tied decoder.

The module tree carries the parameter names of Hugging Face checkpoints, so that weights load and
export without renaming. It is our own forward pass rather than ``transformers``' because the engine
is what this project is about: importing that library costs two to four seconds a process, more
than many of the trainings here, and the decoder of phase 1 needs only a part of what it computes.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.base.errors import UserError
from threephase.model.dropout import dropout, kept
from threephase.model.encoder_files import read_json

SUPPORTED_MODEL_TYPES = ("bert", "camembert", "roberta", "xlm-roberta")
CHECKPOINT_PREFIXES = ("bert.", "roberta.")
FEW_TOKENS = 16
# Blocks of 32 MB and more glibc takes from the system page by page each time; smaller ones it keeps for the next use.
SCORES_AT_ONCE = 2**22


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
        missing = [name for name in cls.__dataclass_fields__ if name not in raw]
        if missing:
            raise UserError(
                f"{path}: key {missing[0]!r} is missing; expected the config.json of a BERT or RoBERTa model"
            )
        config = cls(**{name: raw[name] for name in cls.__dataclass_fields__})
        if config.model_type not in SUPPORTED_MODEL_TYPES:
            raise UserError(
                f"{path}: model_type: got {config.model_type!r}, expected one of: {', '.join(SUPPORTED_MODEL_TYPES)}"
            )
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


class _SelfOutput(nn.Module):
    """Dense layer, dropout, residual connection, layer norm."""

    def __init__(self, config: TransformerConfig, inputs: int):
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob

    def forward(self, hidden: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(dropout(self.dense(hidden), self.dropout, self.training) + residual)


class _SelfAttention(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        rows, tokens, size = hidden.shape
        # One product for the three projections: a checkpoint names them apart.
        layers = (self.query, self.key, self.value)
        weight, bias = (torch.cat([getattr(layer, name) for layer in layers]) for name in ("weight", "bias"))
        query, key, value = F.linear(hidden, weight, bias).view(rows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        probability = self.dropout if self.training else 0.0
        # On a CPU torch has no kernel for dropout here, and for very short texts its kernel is slow in bf16.
        few = tokens < FEW_TOKENS and query.dtype == torch.bfloat16
        in_steps = hidden.device.type == "cpu" and (probability > 0 or few)
        attend = _attend_in_parts if in_steps else _attend
        return attend(query, key, value, mask, probability, causal).transpose(1, 2).reshape(rows, tokens, size)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float, causal: bool) -> Tensor:
    """Attention in one kernel. All (rows, heads, tokens, size of a head); ``mask`` is True where to look."""
    return F.scaled_dot_product_attention(query, key, value, mask, probability, is_causal=causal)


def _attend_in_parts(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float, causal: bool
) -> Tensor:
    """``_attend_in_steps``, long texts a few rows at a time."""
    rows, heads, tokens, _ = query.shape
    few = max(1, SCORES_AT_ONCE // (heads * tokens * tokens))
    if rows <= few:
        return _attend_in_steps(query, key, value, mask, probability, causal)
    masks = itertools.repeat(None) if mask is None else mask.split(few)
    parts = zip(query.split(few), key.split(few), value.split(few), masks, strict=False)
    return torch.cat([_attend_in_steps(*part, probability, causal) for part in parts])


def _attend_in_steps(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float, causal: bool
) -> Tensor:
    """The same in plain products, with our own random bits: torch's are dear on a CPU."""
    scores = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(2, 3))
    if causal:
        mask = torch.ones(scores.shape[2:], dtype=torch.bool).tril()
    if mask is not None:
        scores.masked_fill_(~mask, -torch.inf)
    weights = scores.softmax(dim=-1, dtype=scores.dtype)
    if probability > 0:
        weights = weights * kept(weights.shape, probability, weights.dtype)
    return torch.matmul(weights, value)


class CrossAttentionToVector(nn.Module):
    """Cross-attention whose memory is one vector a sequence.

    The softmax over a single key is 1 whatever the query, so query and key projections have no
    effect and no gradient; only value and output are kept. Attention dropout acts on that 1.
    """

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = _SelfOutput(config, config.hidden_size)

    def forward(self, hidden: Tensor, memory: Tensor) -> Tensor:
        rows, tokens, size = hidden.shape
        value = self.value(memory).view(rows, 1, self.heads, -1)
        weight = dropout(value.new_ones(rows, tokens, self.heads, 1), self.dropout, self.training)
        return self.output((weight * value).view(rows, tokens, size), hidden)


class _Attention(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.self = _SelfAttention(config)
        self.output = _SelfOutput(config, config.hidden_size)


class _Intermediate(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)


class Layer(nn.Module):
    """One transformer block; with ``cross`` and ``memory`` it acts as a decoder block."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = _Intermediate(config)
        self.output = _SelfOutput(config, config.intermediate_size)

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        cross: CrossAttentionToVector | None = None,
        memory: Tensor | None = None,
    ) -> Tensor:
        hidden = self.attention.output(self.attention.self(hidden, mask, causal=cross is not None), hidden)
        if cross is not None:
            hidden = cross(hidden, memory)
        return self.output(F.gelu(self.intermediate.dense(hidden)), hidden)


class _Embeddings(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob
        self.first_position = config.first_position
        # The row of ``word_embeddings`` of each token id, where only some words are kept (``vocabulary.py``).
        self.row_of_word: Tensor | None = None
        # Whether the word vectors get a dense gradient from elsewhere, to which that of the look-ups is added.
        self.shares_gradient = False

    def forward(self, token_ids: Tensor) -> Tensor:
        if self.row_of_word is not None:
            token_ids = self.row_of_word[token_ids]
        first, tokens = self.first_position, token_ids.shape[1]
        # Texts are padded on the right only, so positions are one range and padding is masked later.
        positions = self.position_embeddings.weight[first : first + tokens]
        hidden = self._words(token_ids) + positions + self.token_type_embeddings.weight[0]
        return dropout(self.LayerNorm(hidden), self.dropout, self.training)

    def _words(self, token_ids: Tensor) -> Tensor:
        weight = self.word_embeddings.weight
        if not (self.shares_gradient and torch.is_grad_enabled()):
            return F.embedding(token_ids, weight)
        words = F.embedding(token_ids, weight.detach()).requires_grad_()

        def add(of_words: Tensor) -> None:
            # In place, instead of a table of zeros for each look-up; mostly the dense gradient is there by now.
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            weight.grad.index_add_(0, token_ids.flatten(), of_words.flatten(0, 1))

        words.register_hook(add)
        return words


class _Layers(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))


class Transformer(nn.Module):
    """Token ids to token vectors; the same layers decode when given a memory vector."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Layers(config)

    def forward(self, token_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Encode. ``token_ids`` and boolean ``attention_mask`` (True: a token) are (rows, tokens).

        A mask of None says that no row is padded. Returns (rows, tokens, hidden size).
        """
        hidden = self.embeddings(token_ids)
        mask = None if attention_mask is None else attention_mask[:, None, None, :]
        for layer in self.encoder.layer:
            hidden = layer(hidden, mask)
        return hidden

    def decode(self, token_ids: Tensor, memory: Tensor, cross: nn.ModuleList) -> Tensor:
        """Decode causally with one ``memory`` vector a row, (rows, hidden size), as cross-attention memory."""
        hidden = self.embeddings(token_ids)
        for layer, cross_attention in zip(self.encoder.layer, cross, strict=True):
            hidden = layer(hidden, None, cross_attention, memory)
        return hidden


def initialize(module: nn.Module, std: float, generator: torch.Generator) -> None:
    """Draw BERT's initial weights: normal with ``std``, biases zero, layer norms one."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=std, generator=generator)
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)


def strip_prefix(name: str) -> str:
    """The parameter's name without the checkpoint's model prefix (``bert.``, ``roberta.``)."""
    for prefix in CHECKPOINT_PREFIXES:
        name = name.removeprefix(prefix)
    return name
