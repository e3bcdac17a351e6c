"""A BERT-family transformer that serves as encoder and as tied decoder.

The modules carry the names of Hugging Face's checkpoints, so that weights load and export without renaming. The forward
pass is our own: importing ``transformers`` takes two to four seconds a process, more than many trainings here, and the
decoder of phase 1 needs only a part of what it computes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.model.encoder_files import TransformerConfig
from threephase.model.kernels import WordVectors, attention, dropout


class SelfAttention(nn.Module):
    """Multi-head attention of a text's tokens to each other, up to the output projection."""

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
        mixed = attention(query, key, value, mask, self.dropout if self.training else 0.0, causal)
        return mixed.transpose(1, 2).reshape(rows, tokens, size)


class CrossAttentionToVector(nn.Module):
    """Cross-attention whose memory is one vector a sequence.

    The softmax over a single key is 1 whatever the query, so query and key projections have no effect and no gradient;
    only value and output are kept. Attention dropout acts on that 1.
    """

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = Output(config, config.hidden_size)

    def forward(self, hidden: Tensor, memory: Tensor) -> Tensor:
        rows, tokens, size = hidden.shape
        value = self.value(memory).view(rows, 1, self.heads, -1)
        weight = dropout(value.new_ones(rows, tokens, self.heads, 1), self.dropout, self.training)
        return self.output((weight * value).view(rows, tokens, size), hidden)


class Output(nn.Module):
    """Dense layer, dropout, residual connection, layer norm."""

    def __init__(self, config: TransformerConfig, inputs: int):
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob

    def forward(self, hidden: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(dropout(self.dense(hidden), self.dropout, self.training) + residual)


class Layer(nn.Module):
    """One transformer block; with ``cross`` and ``memory`` it acts as a decoder block."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(config), "output": Output(config, config.hidden_size)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.intermediate_size)})
        self.output = Output(config, config.intermediate_size)

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        cross: CrossAttentionToVector | None = None,
        memory: Tensor | None = None,
    ) -> Tensor:
        mixed = self.attention["self"](hidden, mask, causal=cross is not None)
        hidden = self.attention["output"](mixed, hidden)
        if cross is not None:
            hidden = cross(hidden, memory)
        return self.output(F.gelu(self.intermediate["dense"](hidden)), hidden)


class Embeddings(nn.Module):
    """Token ids to the sum of word, position and token type vectors, normalized."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.word_embeddings = WordVectors(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob
        self.first_position = config.first_position

    def forward(self, token_ids: Tensor) -> Tensor:
        # Texts are padded on the right only, so positions are one range and padding is masked later.
        positions = self.position_embeddings.weight[self.first_position : self.first_position + token_ids.shape[1]]
        hidden = self.word_embeddings(token_ids) + positions + self.token_type_embeddings.weight[0]
        return dropout(self.LayerNorm(hidden), self.dropout, self.training)


class Transformer(nn.Module):
    """Token ids to token vectors; the same layers decode when given a memory vector."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.encoder = nn.ModuleDict({"layer": layers})

    def forward(self, token_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Encode. ``token_ids`` and boolean ``attention_mask`` (True: a token) are (rows, tokens).

        A mask of None says that no row is padded. Returns (rows, tokens, hidden size).
        """
        hidden = self.embeddings(token_ids)
        mask = None if attention_mask is None else attention_mask[:, None, None, :]
        for layer in self.encoder["layer"]:
            hidden = layer(hidden, mask)
        return hidden

    def decode(self, token_ids: Tensor, memory: Tensor, cross: nn.ModuleList) -> Tensor:
        """Decode causally with one ``memory`` vector a row, (rows, hidden size), as cross-attention memory."""
        hidden = self.embeddings(token_ids)
        for layer, cross_attention in zip(self.encoder["layer"], cross, strict=True):
            hidden = layer(hidden, None, cross_attention, memory)
        return hidden


def initialize(module: nn.Module, std: float, generator: torch.Generator) -> None:
    """Draw BERT's initial weights: normal with ``std``, biases zero, layer norms one."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=std, generator=generator)
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
