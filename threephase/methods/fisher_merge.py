"""Merging of phase 1's and cl_ft's transformers, element by element, weighted by their Fisher information.

Formula: theta = sum(l_i F_i theta_i) / sum(l_i F_i), after Matena and Raffel 2022, https://arxiv.org/abs/2111.09832,
as their code has it. F_i: the mean over examples of the squared gradient of log p(y | x), each example's by itself,
without dropout, y the model's and never the label; divided by its norm over all weights; that of the first model is at
least ``floor`` before. ``mean_merge``: F = 1. Theirs is exact in y, over few classes; a vocabulary needs draws:
Phase 1's p is that of a text's tokens, each drawn once given the text's own tokens before it. Encoder and decoder share
weights, so that a gradient sums both uses. No stage keeps the decoder's other weights: phase 1 is repeated for them.
cl_ft's p is a normal distribution of a pair's label similarity around its cosine; the mean square over what is drawn
is then the cosine's squared gradient, times a constant that the norm takes away.
Ours: ``texts`` examples (theirs: 4,096); the added layers are left out, as each is one model's alone, and phase 3 draws
a new head. They keep the first model's and choose l by its score; here it is the study's metric on the validation rows
by the nearest class mean, l within 0 and 1 (theirs: with both), of equal ones that nearest to a half. Where no rows may
choose, l is a half.
Cost: phase 1 again, a backward pass an example, and for each l the labelled texts once without a gradient.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threephase.base.errors import UserError
from threephase.data.randomness import generator, torch_generator
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.denoising import train_denoising
from threephase.phases.nearest_mean_score import NearestMeanScore
from threephase.phases.optimization import Optimization
from threephase.phases.streams import drawn_pairs, noise_of, noised_texts
from threephase.phases.training_run import TrainingRun
from threephase.study.schema import checked, number, one_of
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Streams

STARTS = ["dae", "cl_ft"]
Weights = Mapping[str, Tensor]  # of a transformer, by name


@dataclass(frozen=True)
class Settings:
    """``candidates``: of l, at equal distances between 0 and 1."""

    weights: str = checked(one_of("fisher", "equal"))
    candidates: int = checked(number(least=1))
    texts: int = checked(number(least=1))
    floor: float = checked(number(above=0))

    def cost(self, streams: Streams) -> tuple[float, float]:
        items = int(self.weights == "fisher") * (streams.noised + streams.pairs)
        return items, 2 * items

    def fixed(self) -> "Settings":
        """A half of each."""
        return dataclasses.replace(self, candidates=1)


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    starts = [run.settings.start, *run.settings.others]
    if starts != STARTS:
        raise UserError(f"shared.yaml: methods.{run.variant}.reads: got {starts}, expected {STARTS}")
    other = run.load_trained(STARTS[1])
    score = NearestMeanScore(run, tokenizer) if settings.candidates > 1 else None
    if settings.weights == "fisher":
        optimization, first, texts_1 = fisher_of_phase_1(run, tokenizer, settings)
        second, texts_2 = fisher_of_phase_2(run, other, tokenizer, settings)
        texts, fishers = texts_1 + texts_2, weights_of([first, second], settings.floor)
    else:
        optimization, texts, fishers = Optimization(run.stage, [encoder], noise_of(run), 0), 0, None
        optimization.end()
    thetas = [{name: p.detach().clone() for name, p in e.transformer.named_parameters()} for e in (encoder, other)]
    encoder.added.clear()
    best = (-1.0, 0.0, 0.0)
    for place in range(1, settings.candidates + 1):
        share = place / (settings.candidates + 1)
        encoder.transformer.load_state_dict(merged(thetas, fishers, [share, 1 - share]))
        best = max(best, (score(encoder) if score else 0.0, -abs(share - 0.5), share))
    share = best[-1]
    told = f", {score.metric} by class means {best[0]:.1f}" if score else ""
    print(f"{run.stage}: {share:.0%} of {STARTS[0]}{told}", flush=True)
    encoder.transformer.load_state_dict(merged(thetas, fishers, [share, 1 - share]))
    return optimization, texts


def merged(thetas: list[Weights], fishers: list[Weights] | None, shares: list[float]) -> dict[str, Tensor]:
    """The weights' mean by ``shares`` times ``fishers``, each as ``thetas``; without ``fishers`` by the shares."""
    result = {}
    for name in thetas[0]:
        factors = [share * (fishers[number][name] if fishers else 1) for number, share in enumerate(shares)]
        result[name] = sum(factor * theta[name] for factor, theta in zip(factors, thetas, strict=True)) / sum(factors)
    return result


def weights_of(fishers: list[Weights], floor: float) -> list[Weights]:
    """Fisher information, that of the first model at least ``floor``, each by its norm before; refuses equal ones."""
    norms = [torch.stack([values.norm() for values in fisher.values()]).norm().clamp(min=floor) for fisher in fishers]
    floored = [{name: values.clamp(min=floor) for name, values in fishers[0].items()}, *fishers[1:]]
    weights = [{k: v / norm for k, v in fisher.items()} for fisher, norm in zip(floored, norms, strict=True)]
    if all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0]):
        raise UserError("fisher_merge: the Fisher weights of both are all equal: this is the mean; train mean_merge")
    return weights


def mean_squares(model: nn.Module, logs: Iterable[Tensor]) -> dict[str, Tensor]:
    """The mean over ``logs``, an example each, of the squared gradient of every parameter of ``model``."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    sums, examples = [torch.zeros_like(parameter) for parameter in parameters], 0
    for log in logs:
        for total, gradient in zip(sums, torch.autograd.grad(log, parameters, allow_unused=True), strict=True):
            if gradient is not None:
                total.addcmul_(gradient, gradient)
        examples += 1
    return dict(zip(names, (total / max(1, examples) for total in sums), strict=True))


def fisher_of_phase_1(run: TrainingRun, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    """The optimization of the repeated phase 1, the Fisher information behind it, and texts with a gradient."""
    encoder = run.load_pretrained()
    decoder = run.new_decoder(encoder)
    run.add_layer(encoder, BOTTLENECK)
    batches, device = noised_texts(run, tokenizer), run.machine.device
    run.seed_dropout()
    optimization = train_denoising(encoder, decoder, batches, run.settings.denoising, run.machine)
    words = encoder.transformer.embeddings.word_embeddings
    words.shares_gradient = False
    for model in (encoder, decoder):
        model.eval()
    draws = torch_generator(run.seed, "tokens of the Fisher information")
    random = generator(run.seed, "texts of the Fisher information")
    chosen = random.permutation(len(batches.targets))[: settings.texts]

    def logs() -> Iterator[Tensor]:
        for row in chosen:
            noised = tokenizer.pad(tokenizer(batches.noise([row], random), count_cut=False), device)
            ids, _ = tokenizer.pad([batches.targets[row]], device)
            memory = encoder(*noised, stop_before=CONTRASTIVE_LAYER)
            vectors = decoder(encoder.transformer, ids, memory, torch.ones_like(ids[:, 1:], dtype=torch.bool))
            yield log_of_drawn(F.linear(vectors, words.weight, decoder.bias), draws)

    texts = batches.sequence_updates + 2 * len(chosen)  # each is encoded and decoded
    return optimization, mean_squares(encoder.transformer, logs()), texts


def log_of_drawn(logits: Tensor, draws: torch.Generator) -> Tensor:
    """The logarithm of the probability of a class a row that is drawn from ``logits``, (rows, classes); their sum."""
    drawn = torch.multinomial(logits.detach().softmax(1).cpu(), 1, generator=draws).flatten().to(logits.device)
    return -F.cross_entropy(logits, drawn, reduction="sum")


def fisher_of_phase_2(
    run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings
) -> tuple[dict[str, Tensor], int]:
    """The Fisher information by pairs as phase 2 draws them, and texts with a gradient."""
    rows, pairs = drawn_pairs(run, tokenizer)
    sequences = tokenizer(rows["text"].tolist())
    chosen = pairs[generator(run.seed, "pairs of the Fisher information").permutation(len(pairs))[: settings.texts]]
    encoder.eval()

    def cosines() -> Iterator[Tensor]:
        for left, right in zip(chosen.left, chosen.right, strict=True):
            vectors = encoder(*tokenizer.pad([sequences[left], sequences[right]], run.machine.device))
            yield F.cosine_similarity(vectors[0], vectors[1], dim=0)

    return mean_squares(encoder.transformer, cosines()), 2 * len(chosen)
