"""Supervised contrastive learning: texts of one class are to be nearer to each other than to all others of the batch.

Loss: equation 2 (the sum outside of the logarithm) of Khosla et al. 2020, https://arxiv.org/abs/2004.11362. For text i
the mean over its class's other texts p of -log(exp(z_i z_p / t) / sum over all others a of exp(z_i z_a / t)), then the
mean over i; z: unit vectors behind a projection of two layers, which is thrown away; t: ``temperature``.
Changed for texts: no augmentation, so that positives are other texts of the class (of a class with one text itself,
under another dropout); class-balanced batches; the schedule of phase 2. Cost: each labelled text once an epoch.
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from threephase.data.randomness import torch_generator
from threephase.model.kernels import keep_words, restore_words
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder, linear
from threephase.model.tokens import TextTokenizer
from threephase.phases.labelled_texts import BalancedBatches
from threephase.phases.optimization import Optimization
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number
from threephase.study.settings import Schedule


@dataclass(frozen=True)
class Settings(Schedule):
    temperature: float = checked(number(above=0))
    projection_size: int = checked(number(least=1))


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    batches = BalancedBatches(run, tokenizer, settings)
    size, random = encoder.hidden_size, torch_generator(run.seed, "initial projection")
    projection = nn.Sequential(linear(size, size, random), nn.ReLU(), linear(size, settings.projection_size, random))
    model = nn.ModuleList([encoder, projection]).to(run.machine.device).train()
    all_words = keep_words(encoder, batches.sequences)
    optimization = Optimization(run.stage, model, settings, len(batches))

    def losses(batch: tuple, _: int) -> list[Tensor]:
        ids, mask, class_ids = batch  # in one piece: every text is compared with all others
        with autocast(run.machine):
            vectors = projection(encoder(ids, mask))
        return [supcon_loss(vectors, class_ids, settings.temperature)]

    for batch in batches:
        loss = optimization.backward(partial(losses, batch))
        optimization.log(loss, optimization.step())
    restore_words(encoder, all_words)
    return optimization, batches.sequence_updates


def supcon_loss(vectors: Tensor, class_ids: Tensor, temperature: float) -> Tensor:
    """``vectors``: (texts, size) of any length; ``class_ids``: (texts,), each at least twice."""
    vectors = F.normalize(vectors.float(), dim=1)
    logs = (vectors @ vectors.T / temperature).fill_diagonal_(-float("inf")).log_softmax(dim=1)
    positives = (class_ids[:, None] == class_ids).fill_diagonal_(False)
    return -(logs.where(positives, 0).sum(dim=1) / positives.sum(dim=1)).mean()
