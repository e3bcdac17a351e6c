"""The paper's phase 3: fine-tuning a classifier."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stages.common.engine import Machine
from stages.common.losses import classification_loss
from stages.common.metrics import scores
from stages.common.models import ClassifierHead, SentenceEncoder
from stages.common.randomness import generator, torch_generator
from stages.common.settings import Study, Training
from stages.common.switches import for_variant, selection_metric
from stages.common.tokens import TextTokenizer, length_buckets
from stages.common.training import Updates

EVALUATION_BATCH = 128


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
class ClassifierSettings:
    """What one training of phase 3 needs besides the shared ``Training`` section."""

    lr: float
    max_epochs: int
    batch_size: int
    adam_eps: float
    clip_gradient: float | None
    selection_metric: str


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
        with machine.autocast():
            if rows.vectors is not None:
                return self.head(rows.vectors[torch.from_numpy(batch).to(machine.device)])
            return self.head(self.encoder(*tokenizer.pad([rows.sequences[i] for i in batch], machine.device)))


def new_classifier(encoder: SentenceEncoder, classes: int, study: Study, encoder_name: str, seed: int) -> Classifier:
    """The classifier on ``encoder``; the same seed draws the same initial head in every variant."""
    training = study.shared.training
    head = ClassifierHead(
        encoder.hidden_size,
        training.head_hidden_size,
        classes,
        training.head_dropout,
        study.protocol.head_activation,
        torch_generator(seed, "initial head"),
    )
    return Classifier(encoder, head, study.benchmark.hyperparameters[encoder_name].freeze_encoder)


def settings_for(study: Study, encoder_name: str, variant: str) -> ClassifierSettings:
    """Phase 3's settings of one cell."""
    settings = study.benchmark.hyperparameters[encoder_name]
    return ClassifierSettings(
        lr=for_variant(settings, "lr_classifier", variant),
        max_epochs=for_variant(settings, "max_epochs_classifier", variant),
        batch_size=settings.batch_size,
        adam_eps=settings.adam_eps,
        clip_gradient=study.protocol.clip_gradient,
        selection_metric=selection_metric(study.benchmark),
    )


def prepare_rows(
    texts: list[str], class_ids: Tensor, model: Classifier, tokenizer: TextTokenizer, machine: Machine
) -> Rows:
    """Tokenize once; a frozen encoder also embeds once, as its vectors never change."""
    sequences = tokenizer(texts)
    vectors = embed(model.encoder, sequences, tokenizer, machine) if model.frozen else None
    return Rows(sequences, class_ids, vectors)


def sorted_batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Batches for evaluation: all rows, sorted by length."""
    order = np.argsort(lengths, kind="stable")
    yield from (order[i : i + EVALUATION_BATCH] for i in range(0, len(order), EVALUATION_BATCH))


@torch.no_grad()
def embed(encoder: SentenceEncoder, sequences: list[np.ndarray], tokenizer: TextTokenizer, machine: Machine) -> Tensor:
    """Sentence vectors in evaluation mode, float32, (rows, hidden size), in the order given."""
    encoder.eval()
    vectors = torch.empty(len(sequences), encoder.hidden_size, device=machine.device)
    for batch in sorted_batches(np.array([len(ids) for ids in sequences])):
        with machine.autocast():
            found = encoder(*tokenizer.pad([sequences[i] for i in batch], machine.device))
        vectors[torch.from_numpy(batch)] = found.float()
    return vectors


@torch.no_grad()
def predict(model: Classifier, rows: Rows, tokenizer: TextTokenizer, machine: Machine) -> Tensor:
    """Logits in evaluation mode, float32, (rows, classes), in the rows' order."""
    model.eval()
    logits = torch.empty(len(rows), model.head.output.out_features, device=machine.device)
    for batch in sorted_batches(rows.lengths):
        logits[torch.from_numpy(batch)] = model.logits(rows, batch, tokenizer, machine).float()
    return logits


def train_classifier(
    model: Classifier,
    train: Rows,
    validation: Rows,
    tokenizer: TextTokenizer,
    settings: ClassifierSettings,
    training: Training,
    machine: Machine,
    seed: int,
) -> tuple[Updates, int]:
    """Train in place and leave the weights of the best epoch; returns the updates and that epoch (from 1).

    The best epoch has the highest selection metric on validation data, ties by lower loss. Training
    ends early after ``patience`` epochs without a better one; epochs within the warm-up don't count.
    """
    order_random = generator(seed, "batch order classifier")
    batches_per_epoch = math.ceil(len(train) / settings.batch_size)
    update = Updates(
        "train_classifier",
        [model],
        lr=settings.lr,
        eps=settings.adam_eps,
        total=settings.max_epochs * batches_per_epoch,
        warmup=training.warmup_classifier,
        weight_decay=training.weight_decay_classifier,
        clip_gradient=settings.clip_gradient,
    )
    best, best_epoch, best_weights, waited = (-math.inf, -math.inf), 0, {}, 0
    for epoch in range(1, settings.max_epochs + 1):
        model.train()
        order = order_random.permutation(len(train))
        for batch in length_buckets(order, train.lengths, settings.batch_size, order_random):
            loss = classification_loss(
                model.logits(train, batch, tokenizer, machine), train.class_ids[torch.from_numpy(batch)]
            )
            update(loss, epoch)
        logits = predict(model, validation, tokenizer, machine)
        validation_loss = classification_loss(logits, validation.class_ids).item()
        labels, predicted = validation.class_ids.cpu().numpy(), logits.argmax(1).cpu().numpy()
        score = scores(labels, predicted, range(logits.shape[1]))[settings.selection_metric]
        update.end_epoch(score, validation_loss)
        if (score, -validation_loss) > best:
            best, best_epoch, waited = (score, -validation_loss), epoch, 0
            best_weights = copy.deepcopy({name: p.detach() for name, p in model.named_parameters() if p.requires_grad})
        elif update.step > update.warmup_steps:
            waited += 1
        if waited >= training.patience:
            break
    model.load_state_dict(best_weights, strict=False)
    return update, best_epoch
