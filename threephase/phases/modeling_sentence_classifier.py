"""A kept classifier for transformers: encoder, pooling, added layers and head. It lies in the classifier's folder.

``pipeline("text-classification", FOLDER, trust_remote_code=True)`` runs this file; it needs torch and transformers.
"""

from itertools import pairwise

from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class SentenceClassifierConfig(PretrainedConfig):
    """``encoder``: the config of a BERT or RoBERTa; ``head_sizes``: of the head's inputs and of each layer's outputs.

    ``pooling``: ``mean`` over the tokens or ``cls``, the first token's vector; ``normalizes``: whether it is made of
    length 1 before the ``added_layers``; ``unit_length``: the same before the head; ``activation``: between the head's
    layers, ``relu`` or ``none``.
    """

    model_type = "sentence_classifier"

    def __init__(
        self,
        encoder=None,
        pooling="mean",
        normalizes=False,
        added_layers=0,
        unit_length=False,
        head_sizes=(),
        activation="none",
        **others,
    ):
        self.encoder, self.pooling, self.normalizes = encoder, pooling, normalizes
        self.added_layers, self.unit_length = added_layers, unit_length
        self.head_sizes, self.activation = list(head_sizes), activation
        super().__init__(**others)


class SentenceClassifier(PreTrainedModel):
    """Token ids to logits of the classes."""

    config_class = SentenceClassifierConfig

    def __init__(self, config):
        super().__init__(config)
        self.encoder = AutoModel.from_config(AutoConfig.for_model(**config.encoder), add_pooling_layer=False)
        size = config.head_sizes[0]
        self.added = nn.ModuleList(nn.Linear(size, size) for _ in range(config.added_layers))
        self.head = nn.ModuleList(nn.Linear(*sizes) for sizes in pairwise(config.head_sizes))
        self.post_init()

    def forward(self, input_ids, attention_mask=None, **_):
        """Logits, (rows, classes), of padded token ids, (rows, tokens)."""
        tokens = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.config.pooling == "cls":
            vectors = tokens[:, 0]
        elif attention_mask is None:
            vectors = tokens.mean(dim=1)
        else:
            weights = attention_mask.unsqueeze(2).to(tokens.dtype)
            vectors = (tokens * weights).sum(dim=1) / weights.sum(dim=1)
        if self.config.normalizes:
            vectors = F.normalize(vectors, dim=1)
        for layer in self.added:
            vectors = layer(vectors)
        if self.config.unit_length:
            vectors = F.normalize(vectors, dim=1)
        for number, layer in enumerate(self.head):
            if number and self.config.activation == "relu":
                vectors = F.relu(vectors)
            vectors = layer(vectors)
        return SequenceClassifierOutput(logits=vectors)
