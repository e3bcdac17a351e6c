"""Fine-tuning from a head whose rows are the class means: phase 3 begins as the nearest class mean, by cosine.

Source: FedNCM and fine-tuning of Legate et al. 2023, https://arxiv.org/abs/2306.03937, on one machine. Row of class c:
scale x m_c / |m_c|, m_c the mean of its training texts' vectors as the untrained encoder pools them, not normalised, as
in their code; then cross-entropy on head and encoder. Zero bias, which their code leaves as torch draws it.
Control ``linear_ft``: the same linear layer with rows of random directions and the same length.
Changed for texts: nothing. Cost: the training texts once through the encoder without a gradient.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.data.randomness import torch_generator
from threephase.model.embedding import embed
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.prototypes import class_means
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number, one_of


@dataclass(frozen=True)
class Settings:
    """``scale``: the length of each row; 1 is the source's."""

    directions: str = checked(one_of("class_means", "random"))
    scale: float = checked(number(above=0))


def initial_head(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> nn.Linear:
    if settings.directions == "random":
        random = torch_generator(run.seed, "initial linear head")
        rows = torch.randn(len(run.classes), encoder.hidden_size, generator=random)
    else:
        train = run.trained_on(run.part("train"), tokenizer)
        vectors = embed(encoder, tokenizer(train["text"].tolist()), tokenizer, run.machine)
        rows = class_means(vectors, run.class_ids(train), len(run.classes))
    return linear_head(rows, settings.scale)


def linear_head(directions: Tensor, scale: float) -> nn.Linear:
    """A layer without bias at first, whose rows have the ``directions``, (classes, size), and the length ``scale``."""
    layer = nn.Linear(directions.shape[1], directions.shape[0])
    with torch.no_grad():
        layer.weight.copy_(scale * F.normalize(directions, dim=1))
        layer.bias.zero_()
    return layer
