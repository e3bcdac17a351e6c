"""Class means as prototypes, the loss of the distances to them, and the nearest one as a classifier: for methods."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from threephase.model.tokens import TextTokenizer

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun


def class_means(vectors: Tensor, class_ids: Tensor, classes: int) -> Tensor:
    """(classes, size) of vectors (texts, size); zero for a class without a text."""
    members = F.one_hot(class_ids, classes).T.float()
    return members @ vectors / members.sum(dim=1, keepdim=True).clamp(min=1)


def prototypes_of(support: Tensor, support_ids: Tensor, query_ids: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each class's support vectors, (classes, size), and which of them is each query's, (queries,).

    ``support``: (texts, size); ``support_ids``, ``query_ids``: class numbers, of the same classes.
    """
    known, places = support_ids.unique(return_inverse=True)
    return class_means(support.float(), places, len(known)), (query_ids[:, None] == known).int().argmax(dim=1)


def squared_distances(vectors: Tensor, prototypes: Tensor) -> Tensor:
    """Squared Euclidean distances, (texts, classes), of vectors (texts, size) and prototypes (classes, size)."""
    return torch.cdist(vectors.float(), prototypes, compute_mode="donot_use_mm_for_euclid_dist").square()


def prototype_loss(query: Tensor, prototypes: Tensor, places: Tensor) -> Tensor:
    """Cross-entropy of the softmax over negative squared distances; ``places``: each query's prototype, (queries,)."""
    return F.cross_entropy(-squared_distances(query, prototypes), places)


def nearest_prototype(
    run: "TrainingRun", tokenizer: TextTokenizer, vectors: Callable[[list[str]], Tensor]
) -> Callable[[list[str]], np.ndarray]:
    """What gives texts the softmax over the negative squared distances to the prototypes of all training texts.

    ``vectors``: (texts, size) of texts. A class without a training text has the probability 0.
    """
    train = run.trained_on(run.part("train"), tokenizer)
    class_ids = run.class_ids(train)
    prototypes = class_means(vectors(train["text"].tolist()), class_ids, len(run.classes))
    unknown = ~torch.isin(torch.arange(len(run.classes), device=class_ids.device), class_ids)

    def probabilities(texts: list[str]) -> np.ndarray:
        logits = -squared_distances(vectors(texts), prototypes)
        return logits.masked_fill(unknown, -torch.inf).softmax(dim=1).cpu().numpy()

    return probabilities
