"""The models of the phases: sentence encoder, denoising decoder, classifier head."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.model.encoder_files import TransformerConfig
from threephase.model.kernels import dropout
from threephase.model.transformer import CrossAttentionToVector, Transformer, initialize
from threephase.study.settings import Classifying


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with torch's usual uniform initial values, drawn from ``generator``."""
    layer = nn.Linear(inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


class SentenceEncoder(nn.Module):
    """Transformer, pooling, and the linear layers that phases 1 and 2 add, in the order they were added."""

    def __init__(self, transformer: Transformer, pooling: str, normalized: bool = False):
        """``pooling``: ``mean`` over the tokens or ``cls``, the first token's vector; ``normalized``: to length 1."""
        super().__init__()
        self.transformer = transformer
        self.pooling = pooling
        self.normalized = normalized
        self.added = nn.ModuleDict()

    @property
    def hidden_size(self) -> int:
        return self.transformer.config.hidden_size

    def add_layer(self, name: str, generator: torch.Generator) -> None:
        """Add a linear layer of the hidden size, without activation, behind what is there."""
        self.added[name] = linear(self.hidden_size, self.hidden_size, generator)

    def forward(self, token_ids: Tensor, mask: Tensor | None, stop_before: str | None = None) -> Tensor:
        """Sentence vectors, (rows, hidden size), behind all added layers or those before ``stop_before``.

        ``token_ids`` and boolean ``mask`` (True: a token; None: nothing is padded) are (rows, tokens).
        """
        hidden = self.transformer(token_ids, mask)
        if self.pooling == "cls":
            vectors = hidden[:, 0]
        elif mask is None:
            vectors = hidden.float().mean(dim=1)
        else:
            weights = mask.unsqueeze(2).float()
            vectors = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1)
        if self.normalized:
            vectors = F.normalize(vectors.float(), dim=1)
        for name, layer in self.added.items():
            if name == stop_before:
                break
            vectors = layer(vectors)
        return vectors


class DenoisingDecoder(nn.Module):
    """What phase 1 adds to the encoder's own layers to decode: cross-attention and a language-model head.

    All other weights, word embeddings and output projection included, are the encoder's (tied).
    """

    def __init__(self, config: TransformerConfig, generator: torch.Generator):
        super().__init__()
        size = config.hidden_size
        self.cross = nn.ModuleList(CrossAttentionToVector(config) for _ in range(config.num_hidden_layers))
        self.dense = nn.Linear(size, size)
        self.layer_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        initialize(self, config.initializer_range, generator)

    def forward(self, transformer: Transformer, target_ids: Tensor, memory: Tensor, predicted: Tensor) -> Tensor:
        """Vectors whose products with the word embeddings, plus ``bias``, are the logits of the next tokens.

        ``target_ids``: (rows, tokens) of the undamaged text; ``memory``: (rows, hidden size);
        ``predicted``: (rows, tokens - 1), False where the next token is padding. Returns (True
        entries, hidden size): padding is left out before the large product with the vocabulary.
        """
        hidden = transformer.decode(target_ids[:, :-1], memory, self.cross)[predicted]
        return self.layer_norm(F.gelu(self.dense(hidden)))


class ClassifierHead(nn.Module):
    """Two linear layers with dropout before each (the paper's phase 3)."""

    def __init__(self, inputs: int, classes: int, settings: Classifying, generator: torch.Generator):
        """Of the ``settings`` hidden size, dropout, and the activation between the layers: ``relu`` or ``none``."""
        super().__init__()
        self.dropout, self.activation = settings.head_dropout, settings.head_activation
        self.hidden = linear(inputs, settings.head_hidden_size, generator)
        self.output = linear(settings.head_hidden_size, classes, generator)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits, (rows, classes), of sentence vectors, (rows, hidden size)."""
        hidden = self.hidden(dropout(vectors, self.dropout, self.training))
        if self.activation == "relu":
            hidden = F.relu(hidden)
        return self.output(dropout(hidden, self.dropout, self.training))
