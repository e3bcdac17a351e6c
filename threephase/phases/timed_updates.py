"""A few real updates of each phase, by the loops that train, and what they take."""

import contextlib
import copy
import dataclasses
import io
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from threephase.base.provenance import peak_memory_mb, seconds_so_far
from threephase.data.randomness import torch_generator
from threephase.model.embedding import embed
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import keep_words
from threephase.model.machine import set_up
from threephase.model.models import DenoisingDecoder, SentenceEncoder
from threephase.model.tokens import TextTokenizer, resolve_max_length
from threephase.phases.baselines import features_of, fit, logistic_regressions, new_vectorizer
from threephase.phases.classifier import new_classifier, prepare_rows, train_classifier
from threephase.phases.contrastive import PairBatches, train_contrastive
from threephase.phases.denoising import DenoisingBatches, train_denoising
from threephase.phases.pairs import Pairs
from threephase.phases.speed import Speed, Workload
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER

SECONDS, FEWEST_UPDATES, MOST_UPDATES = 2.0, 2, 64  # of each phase, behind a first update that is not counted
# That a batch has where a CPU trains, so that a look at long texts is short and takes little memory: 16 pairs of 512
# tokens a side need over ten gigabytes. A whole batch takes as many times more as it has rows.
MOST_TOKENS = 1024
EMBEDDED_TOKENS = 16 * MOST_TOKENS
FITTED_TEXTS = 1000


def measure_here(workload: Workload) -> Speed:
    """The speed of this process, which must be a new one: what it has done so far counts as the start of a stage."""
    wanted, random = workload.encoder, np.random.default_rng(0)
    set_up(workload.machine)
    encoder = load_pretrained(workload.folder, wanted.pooling, wanted.normalizes).to(workload.machine.device)
    config, texts = encoder.transformer.config, list(workload.texts)
    limit = resolve_max_length(wanted.max_length, workload.folder, config, texts, random)
    tokenizer = TextTokenizer(workload.folder, config, limit)
    start = seconds_so_far()
    # What does not grow with a batch: what is here, and a copy of the weights, their gradient and its two moments.
    fixed_mb = peak_memory_mb() + 4 * sum(weight.nbytes for weight in encoder.parameters()) / 1e6
    # In the order of the data neighbours may be alike; few texts are taken again and again. More than the most updates
    # take would only be tokenized, which of long texts takes seconds and memory.
    rows = workload.classifying.batch_size
    chosen = [texts[row] for row in random.permutation(len(texts))[: MOST_UPDATES * rows]]
    chosen = list(itertools.islice(itertools.cycle(chosen), max(len(chosen), 4 * rows)))
    # What the loops tell the reader of a training has no place here.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        seconds = [
            phase(workload, chosen, copy.deepcopy(encoder), tokenizer)
            for phase in (_denoising, _contrastive, _classifying)
        ]
        text, peak_mb = _embedding(workload, chosen, encoder, tokenizer), peak_memory_mb()
        fit = _fitting(workload, texts)
    _, times = _fewer_rows(workload.denoising, tokenizer, workload)
    return Speed(start, *seconds, text, fit, peak_mb + (times - 1) * max(0.0, peak_mb - fixed_mb))


def _fewer_rows(settings: Any, tokenizer: TextTokenizer, workload: Workload) -> tuple[Any, float]:
    """The settings of a phase for a quick look, and how many times the seconds of such a batch a whole one takes."""
    rows = settings.batch_size
    if workload.machine.device == "cpu":
        rows = max(1, min(rows, MOST_TOKENS // tokenizer.max_length))
    return dataclasses.replace(settings, batch_size=rows), settings.batch_size / rows


class _FirstBatches:
    """The batches of a training until the time is over, and the times at which they were asked for."""

    def __init__(self, batches: Any, *before: Any):
        self.batches, self.before, self.times = batches, before, []

    def __len__(self) -> int:
        return len(self.batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.batches, name)

    def __iter__(self) -> Iterator[Any]:
        for batch in itertools.chain(*self.before, self.batches):
            self.times.append(time.perf_counter())
            if len(self.times) > FEWEST_UPDATES + 1 and self.times[-1] - self.times[1] > SECONDS:
                return
            yield batch
        self.times.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        """Of an update, the first one left out."""
        return (self.times[-1] - self.times[1]) / (len(self.times) - 2)


def _denoising(workload: Workload, texts: Sequence[str], encoder: SentenceEncoder, tokenizer: TextTokenizer) -> float:
    """Seconds an update of phase 1. The first one is of the longest texts, which take the most memory of all phases."""
    settings, times = _fewer_rows(workload.denoising, tokenizer, workload)
    device = workload.machine.device
    decoder = DenoisingDecoder(encoder.transformer.config, torch_generator(0, "initial decoder")).to(device)
    encoder.add_layer(BOTTLENECK, torch_generator(0, f"initial {BOTTLENECK}"))
    longest = sorted(texts, key=len)[-settings.batch_size :]
    once = dataclasses.replace(settings, epochs=1)
    of_longest, of_all = (DenoisingBatches(of, once, tokenizer, 0, device) for of in (longest, texts))
    batches = _FirstBatches(of_all, of_longest)
    train_denoising(encoder.to(device), decoder, batches, settings, workload.machine)
    return times * batches.seconds


def _contrastive(workload: Workload, texts: Sequence[str], encoder: SentenceEncoder, tokenizer: TextTokenizer) -> float:
    """Seconds an update of phase 2, on each text beside the next one."""
    settings, times = _fewer_rows(workload.contrastive, tokenizer, workload)
    device, rows = workload.machine.device, np.arange(len(texts))
    encoder.add_layer(CONTRASTIVE_LAYER, torch_generator(0, f"initial {CONTRASTIVE_LAYER}"))
    pairs = Pairs(rows, np.roll(rows, 1), (rows % 2).astype(np.float32))
    batches = _FirstBatches(PairBatches(texts, pairs, settings, tokenizer, 0, device))
    train_contrastive(encoder.to(device), batches, settings, workload.machine)
    return times * batches.seconds


def _classifying(workload: Workload, texts: Sequence[str], encoder: SentenceEncoder, tokenizer: TextTokenizer) -> float:
    """Seconds an update of phase 3, in an epoch of many: scoring a single batch at its end hardly counts."""
    settings, times = _fewer_rows(workload.classifying, tokenizer, workload)
    settings, machine = dataclasses.replace(settings, max_epochs=1, min_updates=0), workload.machine
    keep_words(encoder, tokenizer(texts))
    model = new_classifier(encoder, workload.classes, settings, 0).to(machine.device)

    def rows_of(updates: int) -> Any:
        chosen = list(itertools.islice(itertools.cycle(texts), updates * settings.batch_size))
        class_ids = torch.arange(len(chosen), device=machine.device) % workload.classes
        return prepare_rows(chosen, class_ids, model, tokenizer, machine)

    few = rows_of(1)

    def seconds_of(updates: int) -> float:
        rows = rows_of(updates)
        start = time.perf_counter()
        train_classifier(model, rows, few, tokenizer, settings, machine, 0)
        return time.perf_counter() - start

    _, single = seconds_of(1), seconds_of(1)
    updates = min(MOST_UPDATES, max(FEWEST_UPDATES, int(SECONDS / single)))
    return times * seconds_of(updates) / updates


def _embedding(workload: Workload, texts: Sequence[str], encoder: SentenceEncoder, tokenizer: TextTokenizer) -> float:
    """Seconds that the encoder takes for a text without a gradient."""
    sequences = tokenizer(texts[: max(1, EMBEDDED_TOKENS // tokenizer.max_length)])
    start = time.perf_counter()
    embed(encoder, sequences, tokenizer, workload.machine)
    return (time.perf_counter() - start) / len(sequences)


def _fitting(workload: Workload, texts: Sequence[str]) -> float:
    """Seconds that logistic regressions take for a row: on word counts, which take about as long as vectors do."""
    settings, texts = workload.baseline, texts[:FITTED_TEXTS]
    labels = [str(row % workload.classes) for row in range(len(texts))]
    rows = pd.DataFrame({"text": texts, "label": labels})
    parts = dict.fromkeys(["train", settings.selection_split], rows)
    (
        new_vectorizer(settings.units),
        logistic_regressions(settings.strengths),
    )  # import scikit-learn before the clock runs
    start = time.perf_counter()
    features = features_of("tfidf_logistic", parts, units=settings.units)
    fit("tfidf_logistic", features, parts, sorted(set(labels)), settings, 0)
    return (time.perf_counter() - start) / len(rows)
