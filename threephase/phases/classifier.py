"""The paper's phase 3: fine-tuning a classifier."""

import copy
import dataclasses
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from threephase.data.randomness import generator, torch_generator
from threephase.model.embedding import embed, sorted_batches
from threephase.model.kernels import keep_words
from threephase.model.machine import autocast
from threephase.model.models import ClassifierHead, SentenceEncoder
from threephase.model.tokens import TextTokenizer, length_buckets
from threephase.phases.losses import classification_loss
from threephase.phases.optimization import Optimization, slices
from threephase.phases.stopping import new_stopping
from threephase.scores.metrics import scores
from threephase.study.params import NO_ROWS
from threephase.study.settings import Classifying, Machine

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun

# What a method does to a new classifier before it is trained; returns what is to be done behind it, if anything.
Begin = Callable[["Classifier"], Callable[[], None] | None]
Given = Callable[["TrainingRun", SentenceEncoder, TextTokenizer], Begin]


def train_classifier(
    model: "Classifier",
    train: "Rows",
    selection: "Rows | None",
    tokenizer: TextTokenizer,
    settings: Classifying,
    machine: Machine,
    seed: int,
    positive: int | None = None,
) -> "Trained":
    """Train in place and leave the weights of the best epoch; ``positive``: the number of the positive class, if any.

    The best epoch has the highest selection metric on the ``selection`` rows, ties by lower loss; the rule of
    ``settings.stopping`` may end training early. Without such rows all epochs are trained and the last one is kept.
    """
    random = generator(seed, "batch order classifier")
    epochs = settings.epochs(len(train))
    total = epochs * math.ceil(len(train) / settings.batch_size)
    optimization = Optimization("train_classifier", [model], settings, total, settings.weight_decay)
    stopping = new_stopping(settings)
    best, best_epoch, by_epoch = (-math.inf, -math.inf), 0, []
    for epoch in range(1, epochs + 1):
        model.train()
        order = random.permutation(len(train))
        for batch in length_buckets(order, train.lengths, settings.batch_size, random):
            loss = optimization.backward(partial(batch_losses, model, train, batch, tokenizer, machine))
            learning_rate = optimization.step()
            optimization.log(loss, learning_rate, epoch)
        if selection is None:
            continue
        of_epoch, selection_loss = optimization.look(partial(evaluate, model, selection, tokenizer, machine, positive))
        by_epoch.append(of_epoch)
        metric = of_epoch[settings.selection_metric]
        optimization.log_validation(metric, selection_loss)
        if is_better := (metric, -selection_loss) > best:
            best, best_epoch = (metric, -selection_loss), epoch
            optimization.keep_best()
        if stopping.ends(is_better, selection_loss, warming_up=optimization.steps <= optimization.warmup_steps):
            break
    optimization.end()
    sequence_updates = 0 if model.frozen else epoch * len(train)
    return Trained(model, settings, optimization, sequence_updates, epoch, best_epoch or epoch, by_epoch)


def train_best(run: "TrainingRun", given: Given | None = None) -> "BestTrained":
    """Train every candidate of a run's settings and choose the best; a method is ``given`` a say in how each begins."""
    encoder = run.load_start()
    tokenizer = run.tokenizer(encoder)
    begin = given(run, encoder, tokenizer) if given else None
    # Those of the test texts as well, for the predictions; without a gradient their vectors decide nothing.
    words = keep_words(encoder, tokenizer(run.labelled_texts(tokenizer), count_cut=False))
    tried = [train_candidate(run, encoder, tokenizer, settings, begin) for settings in run.settings.classifiers]
    return BestTrained(max(tried, key=operator.attrgetter("score")), tried, tokenizer, words)


def train_candidate(
    run: "TrainingRun",
    encoder: SentenceEncoder,
    tokenizer: TextTokenizer,
    settings: Classifying,
    begin: Begin | None = None,
) -> "Trained":
    """Train one candidate of a run's settings on a copy of the encoder."""
    model = new_classifier(copy.deepcopy(encoder), len(run.classes), settings, run.seed)
    end = begin(model) if begin else None
    model.to(run.machine.device)
    chosen_by = run.settings.selection_split
    train = rows_of(run, "train", model, tokenizer)
    selection = None if chosen_by == NO_ROWS else rows_of(run, chosen_by, model, tokenizer)
    run.seed_dropout()
    trained = train_classifier(model, train, selection, tokenizer, settings, run.machine, run.seed, run.positive)
    if end:
        end()
    return trained


def rows_of(run: "TrainingRun", part: str, model: "Classifier", tokenizer: TextTokenizer) -> "Rows":
    """A part of the run's split, as it is trained on or scored."""
    rows = run.part(part)
    rows = run.trained_on(rows, tokenizer) if part == "train" else run.scored(rows, tokenizer)
    return prepare_rows(rows["text"].tolist(), run.class_ids(rows), model, tokenizer, run.machine)


@dataclass
class Rows:
    """Examples of one part: token ids and class numbers; ``vectors`` where a frozen encoder's are kept."""

    sequences: list[np.ndarray]
    class_ids: Tensor
    vectors: Tensor | None = None

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def lengths(self) -> np.ndarray:
        return np.array([len(ids) for ids in self.sequences])


@dataclass(frozen=True)
class Trained:
    """A classifier with the weights of its best epoch; ``scores``: every metric in percent, by epoch, if scored.

    ``sequence_updates``: texts that went through the encoder with a gradient; ``epochs``: how many were trained.
    """

    model: "Classifier"
    settings: Classifying
    optimization: Optimization
    sequence_updates: int
    epochs: int
    best_epoch: int
    scores: list[dict[str, float]]

    @property
    def score(self) -> float | None:
        """The selection metric of the best epoch; None where nothing was scored."""
        return self.scores[self.best_epoch - 1][self.settings.selection_metric] if self.scores else None

    def facts(self, tried: Sequence["Trained"]) -> dict[str, Any]:
        """What the report says of it and of what it was chosen from; each metric's best may be another epoch's."""
        metrics = self.scores[0] if self.scores else ()
        return dataclasses.asdict(self.settings) | {
            "best_epoch": self.best_epoch,
            "epochs": self.epochs,
            "best_of_each_metric": {name: max(epoch[name] for epoch in self.scores) for name in metrics},
            "tried": [
                {"lr": other.settings.lr, "best_epoch": other.best_epoch, "score": other.score} for other in tried
            ],
        }


@dataclass(frozen=True)
class BestTrained:
    """The best of all ``tried`` candidates.

    ``words``: every word vector of the start, (words, hidden size), of which the classifier has those of the study's
    texts.
    """

    best: Trained
    tried: list[Trained]
    tokenizer: TextTokenizer
    words: Tensor


class Classifier(nn.Module):
    """Sentence encoder and head; with ``frozen`` the encoder stays as it is and never drops out."""

    def __init__(self, encoder: SentenceEncoder, head: ClassifierHead, frozen: bool):
        super().__init__()
        self.encoder, self.head, self.frozen = encoder, head, frozen
        if frozen:
            encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> "Classifier":
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def logits(self, rows: Rows, batch: np.ndarray, tokenizer: TextTokenizer, machine: Machine) -> Tensor:
        """Logits, (len(batch), classes), of the examples numbered in ``batch``."""
        with autocast(machine):
            if rows.vectors is not None:
                return self.head(rows.vectors[torch.from_numpy(batch).to(machine.device)])
            return self.head(self.encoder(*tokenizer.pad([rows.sequences[row] for row in batch], machine.device)))


def new_classifier(encoder: SentenceEncoder, classes: int, settings: Classifying, seed: int) -> Classifier:
    """The classifier on ``encoder``; the same seed draws the same initial head in every variant."""
    head = ClassifierHead(encoder.hidden_size, classes, settings, torch_generator(seed, "initial head"))
    return Classifier(encoder, head, settings.freeze_encoder)


def prepare_rows(
    texts: list[str], class_ids: Tensor, model: Classifier, tokenizer: TextTokenizer, machine: Machine
) -> Rows:
    """Tokenize once; a frozen encoder also embeds once, as its vectors never change."""
    sequences = tokenizer(texts)
    vectors = embed(model.encoder, sequences, tokenizer, machine) if model.frozen else None
    return Rows(sequences, class_ids, vectors)


def batch_losses(
    model: Classifier, rows: Rows, batch: np.ndarray, tokenizer: TextTokenizer, machine: Machine, pieces: int = 1
) -> Iterator[Tensor]:
    """The loss of the examples numbered in ``batch``, in parts for so many pieces."""
    for piece in slices(len(batch), pieces):
        chosen = batch[piece]
        logits = model.logits(rows, chosen, tokenizer, machine)
        yield len(chosen) / len(batch) * classification_loss(logits, rows.class_ids[torch.from_numpy(chosen)])


def probabilities(run: "TrainingRun", part: str, model: "Classifier", tokenizer: TextTokenizer) -> np.ndarray:
    """Of each class, (rows, classes), of a part of the run's split."""
    rows = rows_of(run, part, model, tokenizer)
    return predict(model, rows, tokenizer, run.machine).softmax(1).cpu().numpy()


@torch.no_grad()
def predict(model: Classifier, rows: Rows, tokenizer: TextTokenizer, machine: Machine) -> Tensor:
    """Logits in evaluation mode, float32, (rows, classes), in the rows' order."""
    model.eval()
    logits = torch.empty(len(rows), model.head.output.out_features, device=machine.device)
    # One context for all batches: it keeps the weights that it has cast.
    with autocast(machine):
        for batch in sorted_batches(rows.lengths, machine.device):
            logits[torch.from_numpy(batch)] = model.logits(rows, batch, tokenizer, machine).float()
    return logits


def evaluate(
    model: Classifier, rows: Rows, tokenizer: TextTokenizer, machine: Machine, positive: int | None
) -> tuple[dict[str, float], float]:
    """Every metric, in percent, and the loss of the rows."""
    logits = predict(model, rows, tokenizer, machine)
    labels, predicted = rows.class_ids.cpu().numpy(), logits.argmax(1).cpu().numpy()
    loss = classification_loss(logits, rows.class_ids).item()
    return scores(labels, predicted, range(logits.shape[1]), positive), loss
