"""The paper's phase 3: fine-tuning a classifier."""

import copy
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from threephase.data.randomness import generator, torch_generator
from threephase.model.embedding import embed, sorted_batches
from threephase.model.machine import autocast
from threephase.model.models import ClassifierHead, SentenceEncoder
from threephase.model.tokens import TextTokenizer, length_buckets
from threephase.phases.losses import classification_loss
from threephase.phases.stopping import new_stopping
from threephase.phases.updates import Updates, slices
from threephase.scores.metrics import scores
from threephase.study.settings import Classifying, Machine


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
    """A classifier trained on so many ``rows``, with the weights of its best epoch; ``scores``: percent an epoch."""

    model: "Classifier"
    settings: Classifying
    updates: Updates
    rows: int
    best_epoch: int
    scores: list[dict[str, float]]

    @property
    def score(self) -> float:
        """The selection metric of the best epoch."""
        return self.scores[self.best_epoch - 1][self.settings.selection_metric]

    @property
    def sequence_updates(self) -> int:
        """Texts that went through the encoder with a gradient."""
        return 0 if self.model.frozen else len(self.scores) * self.rows

    def facts(self, tried: Sequence["Trained"]) -> dict[str, Any]:
        """What the report says of it and of what it was chosen from; each metric's best may be another epoch's."""
        return dataclasses.asdict(self.settings) | {
            "best_epoch": self.best_epoch,
            "epochs": len(self.scores),
            "best_of_each_metric": {name: max(epoch[name] for epoch in self.scores) for name in self.scores[0]},
            "tried": [{"lr": one.settings.lr, "best_epoch": one.best_epoch, "score": one.score} for one in tried],
        }


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
            return self.head(self.encoder(*tokenizer.pad([rows.sequences[i] for i in batch], machine.device)))


def new_classifier(encoder: SentenceEncoder, classes: int, settings: Classifying, seed: int) -> Classifier:
    """The classifier on ``encoder``; the same seed draws the same initial head in every variant."""
    head = ClassifierHead(
        encoder.hidden_size,
        settings.head_hidden_size,
        classes,
        settings.head_dropout,
        settings.head_activation,
        torch_generator(seed, "initial head"),
    )
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


def train_classifier(
    model: Classifier,
    train: Rows,
    selection: Rows,
    tokenizer: TextTokenizer,
    settings: Classifying,
    machine: Machine,
    seed: int,
    positive: int | None = None,
) -> Trained:
    """Train in place and leave the weights of the best epoch; ``positive``: the number of the positive class, if any.

    The best epoch has the highest selection metric on the ``selection`` rows, ties by lower loss; the rule of
    ``settings.stopping`` may end training early.
    """
    order_random = generator(seed, "batch order classifier")
    update = Updates(
        "train_classifier",
        [model],
        lr=settings.lr,
        eps=settings.adam_eps,
        total=settings.max_epochs * math.ceil(len(train) / settings.batch_size),
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        clip_gradient=settings.clip_gradient,
    )
    stopping = new_stopping(settings.stopping, settings.patience, settings.max_epochs)
    best, best_epoch, best_weights, by_epoch = (-math.inf, -math.inf), 0, {}, []
    for epoch in range(1, settings.max_epochs + 1):
        model.train()
        order = order_random.permutation(len(train))
        for batch in length_buckets(order, train.lengths, settings.batch_size, order_random):
            update(partial(batch_losses, model, train, batch, tokenizer, machine), epoch)
        found, selection_loss = evaluate(model, selection, tokenizer, machine, positive)
        by_epoch.append(found)
        update.end_epoch(found[settings.selection_metric], selection_loss)
        rank = (found[settings.selection_metric], -selection_loss)
        if better := rank > best:
            best, best_epoch = rank, epoch
            best_weights = copy.deepcopy({name: p.detach() for name, p in model.named_parameters() if p.requires_grad})
        if stopping.ends(better, selection_loss, warming_up=update.step <= update.warmup_steps):
            break
    model.load_state_dict(best_weights, strict=False)
    return Trained(model, settings, update, len(train), best_epoch, by_epoch)


def evaluate(
    model: Classifier, rows: Rows, tokenizer: TextTokenizer, machine: Machine, positive: int | None
) -> tuple[dict[str, float], float]:
    """Every metric, in percent, and the loss of the rows."""
    logits = predict(model, rows, tokenizer, machine)
    labels, predicted = rows.class_ids.cpu().numpy(), logits.argmax(1).cpu().numpy()
    return scores(labels, predicted, range(logits.shape[1]), positive), classification_loss(
        logits, rows.class_ids
    ).item()
