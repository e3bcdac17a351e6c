"""What a method gives phase 3: a head in place of one drawn at random, or an adapter.

A head is a single linear layer. With an adapter the encoder's own weights stay; behind the training it is merged.
"""

import copy
from collections.abc import Callable

from torch import Tensor, nn

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.classifier import Begin, Classifier
from threephase.phases.training_run import TrainingRun
from threephase.study.methods import maker_in, settings_of


class LinearHead(nn.Module):
    """One linear layer without dropout."""

    def __init__(self, output: nn.Linear):
        super().__init__()
        self.output = output

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits, (rows, classes), of sentence vectors, (rows, hidden size)."""
        return self.output(vectors)


def given_by_method(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer) -> Begin:
    """How each candidate of phase 3 begins: with the same head, and with an adapter, which is merged at the end."""
    method = run.settings.method
    head = head_of(run, encoder, tokenizer) if "head" in method.makes else None

    def begin(model: Classifier) -> Callable[[], None] | None:
        if head is not None:
            model.head = copy.deepcopy(head)
        if "adapter" not in method.makes or model.frozen:
            return None
        return maker_in(method.file, "adapter")(run, model.encoder, settings_of(method))

    return begin


def head_of(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer) -> LinearHead:
    """The head that the run's method makes for an encoder; refuses one of another size."""
    method = run.settings.method
    layer = maker_in(method.file, "head")(run, encoder, tokenizer, settings_of(method))
    (classes, size), expected = layer.weight.shape, (len(run.classes), encoder.hidden_size)
    if (classes, size) != expected:
        raise UserError(
            f"{paths.METHODS / method.file}.py: initial_head: got a head of {classes} x {size}, "
            f"expected {expected[0]} classes x {expected[1]}, the encoder's hidden size"
        )
    return LinearHead(layer)
