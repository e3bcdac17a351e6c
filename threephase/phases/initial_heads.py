"""Phase 3 with what a method gives, in the same loop: a head in place of one drawn at random, or an adapter.

A head is a single linear layer. With an adapter the encoder's own weights stay; behind the training it is merged.
"""

import copy
import operator
from collections.abc import Iterator

from torch import Tensor, nn

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.model.kernels import keep_words
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.classifier import BestTrained, Trained, new_classifier, rows_of, train_classifier
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


def train_best_on_head(run: TrainingRun) -> BestTrained:
    """As ``train_best`` of the ordinary phase 3; each candidate starts from the same head and adapter."""
    encoder = run.load_start()
    tokenizer = run.tokenizer(encoder)
    head = head_of(run, encoder, tokenizer) if "head" in run.settings.method.makes else None
    words = keep_words(encoder, tokenizer(run.labelled_texts(tokenizer), count_cut=False))
    tried = list(_candidates(run, encoder, head, tokenizer))
    return BestTrained(max(tried, key=operator.attrgetter("score")), tried, tokenizer, words)


def _candidates(
    run: TrainingRun, encoder: SentenceEncoder, head: LinearHead | None, tokenizer: TextTokenizer
) -> Iterator[Trained]:
    method = run.settings.method
    for settings in run.settings.classifiers:
        model = new_classifier(copy.deepcopy(encoder), len(run.classes), settings, run.seed)
        if head is not None:
            model.head = copy.deepcopy(head)
        merge = None
        if "adapter" in method.makes and not model.frozen:
            merge = maker_in(method.file, "adapter")(run, model.encoder, settings_of(method))
        model.to(run.machine.device)
        train, selection = (rows_of(run, part, model, tokenizer) for part in ("train", run.settings.selection_split))
        run.seed_dropout()
        trained = train_classifier(model, train, selection, tokenizer, settings, run.machine, run.seed, run.positive)
        if merge:
            merge()
        yield trained


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
