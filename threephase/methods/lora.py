"""Phases 1 to 3 with low-rank adapters: each trains W + (a/r) B A in place of W, and only A and B of the transformer.

Source: Staniszewski, Zaleska and Deja 2024, https://arxiv.org/abs/2410.04891, and their code. ``lora_three_phase`` is
their Merge & Initialization: behind a phase the product is added to W, and the next phase begins with a new adapter, A
normal with deviation 1/r and B zero. As theirs, a = r, and W are the projections of attention: query, key, value and
output. In phase 1 the decoder has the same adapter, as it shares these weights. ``lora_sum``, which is not one of their
strategies: phases 1 and 2 each start from the pre-trained encoder, and both products are added to its weights.
Changed for texts: their tasks are subjects and styles of pictures; here they are the phases. What a phase adds (layers,
decoder, head) is trained whole. ``lora_sum`` leaves the added layers out, as each was trained without the other.
Ours: the rank (theirs: 64, of wider layers), warm-up and decay (theirs: constant rate), and the search of the rate: the
study's rates of phases 1 and 2 times each of ``rate_factors``, the best by the study's metric on the validation rows by
the nearest class mean, or the middle one where no rows may choose; phase 3's rates are those of the entry's recipe.
Their orthogonal initialization and choice by magnitude are left out. Cost: phases 1 and 2 once a factor, without the
gradient and the optimizer's step of most weights.
"""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from threephase.data.randomness import torch_generator
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.consecutive import consecutive
from threephase.phases.contrastive import pair_losses
from threephase.phases.denoising import reconstruction_losses
from threephase.phases.nearest_mean_score import NearestMeanScore
from threephase.phases.optimization import Optimization
from threephase.phases.streams import noised_texts, paired_texts
from threephase.phases.training_run import TrainingRun
from threephase.study.middle import middle
from threephase.study.schema import both, checked, distinct, number, one_of
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Streams


@dataclass(frozen=True)
class Settings:
    """``rank``: r; ``alpha``: a; ``phases``: how 1 and 2 come together; ``rate_factors``: of their learning rates."""

    phases: str = checked(one_of("merged", "summed"))
    rank: int = checked(number(least=1))
    alpha: float = checked(number(above=0))
    rate_factors: list[float] = checked(both(distinct, number(above=0)))

    def cost(self, streams: Streams) -> tuple[float, float]:
        items = len(self.rate_factors) * (streams.noised + streams.pairs)
        return items, 2 * items

    def fixed(self) -> "Settings":
        """With the middle factor alone."""
        return dataclasses.replace(self, rate_factors=[middle(sorted(self.rate_factors))])


class LowRank(nn.Module):
    """What is added to a weight, (outputs, inputs): the product of B, zero at first, and A, times alpha / rank."""

    def __init__(self, weight: Tensor, settings: Settings, random: torch.Generator):
        super().__init__()
        outputs, inputs = weight.shape
        drawn = torch.randn(settings.rank, inputs, generator=random) / settings.rank
        self.a = nn.Parameter(drawn.to(weight.device))
        self.b = nn.Parameter(weight.new_zeros(outputs, settings.rank))
        self.scale = settings.alpha / settings.rank

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.b @ self.a)


def adapted_layers(encoder: SentenceEncoder) -> list[nn.Linear]:
    """The projections of attention of every layer."""
    blocks = [layer.attention for layer in encoder.transformer.encoder["layer"]]
    return [
        layer
        for block in blocks
        for layer in (block["self"].query, block["self"].key, block["self"].value, block["output"].dense)
    ]


def add_adapters(encoder: SentenceEncoder, settings: Settings, random: torch.Generator) -> None:
    """Adapters that change nothing at first; all other weights of the transformer are trained no more."""
    encoder.transformer.requires_grad_(False)
    for layer in adapted_layers(encoder):
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, settings, random))


def merge_adapters(encoder: SentenceEncoder) -> None:
    """Add the products to the weights, and take the adapters away."""
    for layer in adapted_layers(encoder):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    encoder.transformer.requires_grad_(True)


def add_adapter(run: TrainingRun, encoder: SentenceEncoder, settings: Settings) -> Callable[[], None]:
    """Phase 3's; returns what merges it."""
    add_adapters(encoder, settings, torch_generator(run.seed, "adapters of phase 3"))
    return partial(merge_adapters, encoder)


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    score = NearestMeanScore(run, tokenizer) if len(settings.rate_factors) > 1 else None
    best, updates, seconds = None, 0, 0.0
    for factor in settings.rate_factors:
        first = copy.deepcopy(encoder)
        denoised = phase_1(run, first, tokenizer, settings, factor)
        second = first if settings.phases == "merged" else copy.deepcopy(encoder)
        contrasted = phase_2(run, second, tokenizer, settings, factor)
        if settings.phases == "summed":
            add_difference(second, first, encoder)
            second.added.clear()
        phases = [of_phase for of_phase, _ in (denoised, contrasted)]
        updates += sum(texts for _, texts in (denoised, contrasted))
        seconds += sum(phase.progress.seconds for phase in phases)
        metric = score(second) if score else 0.0
        if best is None or metric > best[0]:  # of equal ones the first
            best = metric, factor, second, phases
    metric, factor, chosen, phases = best
    told = f", {score.metric} by class means {metric:.1f}" if score else ""
    print(f"{run.stage}: {factor:g} times the rates{told}", flush=True)
    encoder.added = chosen.added
    encoder.transformer.load_state_dict(chosen.transformer.state_dict())
    optimization = consecutive(*phases)
    optimization.progress.seconds = seconds  # the texts of all factors are counted
    return optimization, updates


def add_difference(encoder: SentenceEncoder, other: SentenceEncoder, start: SentenceEncoder) -> None:
    """Add what a training of the ``other`` transformer changed in that of the ``start``."""
    of_other, of_start = other.transformer.state_dict(), start.transformer.state_dict()
    with torch.no_grad():
        for name, weight in encoder.transformer.named_parameters():  # merging changes their order
            weight += of_other[name] - of_start[name]


def phase_1(
    run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings, factor: float
) -> tuple[Optimization, int]:
    decoder = run.new_decoder(encoder)
    run.add_layer(encoder, BOTTLENECK)
    batches, losses = noised_texts(run, tokenizer), partial(reconstruction_losses, encoder, decoder)
    schedule = run.settings.denoising
    return train_adapters(run, "phase 1", [encoder, decoder], batches, losses, schedule, settings, factor)


def phase_2(
    run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings, factor: float
) -> tuple[Optimization, int]:
    run.add_layer(encoder, CONTRASTIVE_LAYER)
    batches, losses = paired_texts(run, tokenizer), partial(pair_losses, encoder)
    schedule = run.settings.contrastive
    return train_adapters(run, "phase 2", [encoder], batches, losses, schedule, settings, factor)


def train_adapters(run, phase, modules, batches, losses, schedule, settings, factor) -> tuple[Optimization, int]:
    """One pass over the batches of a phase; the last weights are kept, the adapters merged."""
    encoder = modules[0]
    add_adapters(encoder, settings, torch_generator(run.seed, f"adapters of {phase}"))
    run.seed_dropout()
    for module in modules:
        module.train()
    scaled = dataclasses.replace(schedule, lr=factor * schedule.lr)
    optimization = Optimization(f"{run.stage}, {phase}", modules, scaled, len(batches))
    for batch in batches:
        loss = optimization.backward(partial(losses, batch, run.machine))
        optimization.log(loss, optimization.step())
    merge_adapters(encoder)
    return optimization, batches.sequence_updates
