"""Whether the fast path changes results: a plain fp32 loop beside it, seed by seed, scored on the validation rows.

python -m performance.plain trains three_phase and ft of the default study three times: by the functions that the stages
call, in bf16 and in fp32, and in fp32 on Hugging Face's models, as one would write it down. All have the same batches,
noise, pairs and first values, and none drops out, so that what differs is the engine. Writes
reports/performance/plain.csv. The test rows are not read.
"""

import argparse
import contextlib
import dataclasses
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel
from transformers.utils import logging

from performance.process import output_of
from performance.reference import PlainUpdates, mean_vectors, reconstruction_loss, tied_decoder, without_dropout
from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.base.files import write_table
from threephase.data.randomness import generator, torch_generator
from threephase.model.kernels import keep_words
from threephase.model.machine import choose_machine
from threephase.model.models import linear
from threephase.model.tokens import TextTokenizer, length_buckets
from threephase.phases.classifier import new_classifier, prepare_rows, train_classifier
from threephase.phases.contrastive import PairBatches, draw_pairs, train_contrastive
from threephase.phases.denoising import DenoisingBatches, train_denoising
from threephase.phases.stopping import new_stopping
from threephase.phases.training_run import TrainingRun
from threephase.scores.metrics import scores
from threephase.study.params import DENOISED, THREE_PHASE
from threephase.study.read_params import load_study
from threephase.study.resolve import training_settings
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, PRETRAINED, TrainingSettings
from threephase.study.topology import BASELINE, CLASSIFY, CONTRAST, DENOISE, trainings

ENCODER = "minilm_l6"
VARIANTS = {"three_phase": True, "ft": False}  # whether phases 1 and 2 come before phase 3


class Fast:
    """One seed's encoder, trained phase by phase as the stages do."""

    def __init__(self, run: TrainingRun):
        self.run, self.encoder = run, without_dropout(run.load_pretrained())
        self.tokenizer = run.tokenizer(self.encoder)

    def denoise(self) -> None:
        run = self.run
        decoder = without_dropout(run.new_decoder(self.encoder))
        run.add_layer(self.encoder, BOTTLENECK)
        batches = denoising_batches(run, self.tokenizer)
        train_denoising(self.encoder, decoder, batches, run.settings.denoising, run.machine)

    def contrast(self) -> None:
        run = self.run
        run.add_layer(self.encoder, CONTRASTIVE_LAYER)
        train_contrastive(self.encoder, pair_batches(run, self.tokenizer), run.settings.contrastive, run.machine)

    def fine_tune(self) -> float:
        """Returns the validation macro F1, in percent, of the epoch that the validation rows choose."""
        run = self.run
        (settings,) = run.settings.classifiers
        keep_words(self.encoder, self.tokenizer(run.labelled_texts(self.tokenizer)))
        model = without_dropout(new_classifier(self.encoder, len(run.classes), settings, run.seed))
        model.to(run.machine.device)
        train, validation = (
            prepare_rows(rows["text"].tolist(), run.class_ids(rows), model, self.tokenizer, run.machine)
            for rows in (run.part("train"), run.part("validation"))
        )
        trained = train_classifier(model, train, validation, self.tokenizer, settings, run.machine, run.seed)
        return trained.scores[trained.best_epoch - 1]["macro_f1"]


class Plain:
    """The same by the paper's text; ``layers`` stand behind the encoder's mean pooling."""

    def __init__(self, run: TrainingRun):
        self.run, self.device, self.folder = run, run.machine.device, run.pretrained_folder
        self.ours = run.load_pretrained()
        self.tokenizer = run.tokenizer(self.ours)
        # In evaluation mode, in which nothing drops out.
        self.encoder = AutoModel.from_pretrained(self.folder, add_pooling_layer=False).eval().to(self.device)
        self.layers = nn.Sequential()

    def vectors(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """Sentence vectors, (texts, hidden size), of token ids and mask as ``TextTokenizer.pad`` makes them."""
        return self.layers(mean_vectors(self.encoder, ids, mask))

    def add_layer(self, name: str) -> None:
        size = self.encoder.config.hidden_size
        self.layers.append(linear(size, size, torch_generator(self.run.seed, f"initial {name}")).to(self.device))

    def denoise(self) -> None:
        run, settings = self.run, self.run.settings.denoising
        writer = tied_decoder(self.folder, self.encoder, run.new_decoder(self.ours)).to(self.device)
        self.add_layer(BOTTLENECK)
        batches = denoising_batches(run, self.tokenizer)
        update = PlainUpdates(
            [self.encoder, self.layers, writer], settings.lr, settings.adam_eps, len(batches), settings.warmup, 0.0,
            settings.clip_gradient,
        )  # fmt: skip
        for noised, undamaged in batches:
            update(reconstruction_loss(writer, self.vectors(*noised), *undamaged))

    def contrast(self) -> None:
        run, settings = self.run, self.run.settings.contrastive
        self.add_layer(CONTRASTIVE_LAYER)
        batches = pair_batches(run, self.tokenizer)
        update = PlainUpdates(
            [self.encoder, self.layers], settings.lr, settings.adam_eps, len(batches), settings.warmup, 0.0,
            settings.clip_gradient,
        )  # fmt: skip
        for ids, mask, left, right, similarity in batches:
            vectors = self.vectors(ids, mask)
            update((F.cosine_similarity(vectors[left], vectors[right]) - similarity).pow(2).mean())

    def fine_tune(self) -> float:
        """Returns the validation macro F1, in percent, of the epoch that the validation rows choose."""
        run = self.run
        (settings,) = run.settings.classifiers
        train, validation = run.part("train"), run.part("validation")
        first = torch_generator(run.seed, "initial head")
        hidden = linear(self.encoder.config.hidden_size, settings.head_hidden_size, first)
        head = nn.Sequential(hidden, nn.ReLU(), linear(settings.head_hidden_size, len(run.classes), first))
        head.to(self.device)
        sequences, targets = self.tokenizer(train["text"].tolist()), run.class_ids(train)
        lengths = np.array([len(ids) for ids in sequences])
        single = [self.tokenizer.pad([ids], self.device) for ids in self.tokenizer(validation["text"].tolist())]
        update = PlainUpdates(
            [self.encoder, self.layers, head], settings.lr, settings.adam_eps,
            settings.max_epochs * math.ceil(len(train) / settings.batch_size),
            settings.warmup, settings.weight_decay, settings.clip_gradient,
        )  # fmt: skip
        stopping = new_stopping(settings)
        best, random = (-math.inf, -math.inf), generator(run.seed, "batch order classifier")
        for _ in range(settings.max_epochs):
            order = random.permutation(len(train))
            for batch in length_buckets(order, lengths, settings.batch_size, random):
                texts = self.tokenizer.pad([sequences[i] for i in batch], self.device)
                update(F.cross_entropy(head(self.vectors(*texts)), targets[torch.from_numpy(batch)]))
            with torch.no_grad():
                logits = torch.cat([head(self.vectors(*text)) for text in single])
            labels = run.class_ids(validation)
            loss = F.cross_entropy(logits, labels).item()
            labels, predicted = labels.cpu().numpy(), logits.argmax(1).cpu().numpy()
            found = scores(labels, predicted, range(len(run.classes)), run.positive)["macro_f1"]
            if better := (found, -loss) > best:
                best = found, -loss
            if stopping.ends(better, loss, warming_up=update.step <= update.warmup_steps):
                break
        return best[0]


def denoising_batches(run: TrainingRun, tokenizer: TextTokenizer) -> DenoisingBatches:
    """Phase 1's, in the same order and with the same noise each time."""
    texts = run.denoising_rows()["text"].tolist()
    return DenoisingBatches(texts, run.settings.denoising, tokenizer, run.seed, run.machine.device)


def pair_batches(run: TrainingRun, tokenizer: TextTokenizer) -> PairBatches:
    """Phase 2's, in the same order each time."""
    rows, pairs = draw_pairs(run, run.settings.pairs.imbalance, tokenizer)
    return PairBatches(rows["text"].tolist(), pairs, run.settings.contrastive, tokenizer, run.seed, run.machine.device)


FAST = {"fast_bf16": (Fast, "bf16"), "fast_fp32": (Fast, "fp32")}
PATHS = FAST | {"plain": (Plain, "fp32")}


@contextlib.contextmanager
def split_of(seed: int) -> Iterator[None]:
    """The seed's split; one that was not there is gone afterwards, as baselines depend on the folder of all."""
    folder = paths.splits(Path(), seed)
    if folder.is_dir():
        yield
        return
    output_of("stages.split_data", "--seed", str(seed), what="split_data")
    try:
        yield
    finally:
        shutil.rmtree(folder)


def settings_of(variant: str, precision: str) -> TrainingSettings:
    """Those of all phases of a variant in one, from the pre-trained encoder on."""
    study = load_study()
    # Not by the parameter, as the choice for it would be kept for all stages.
    machine = dataclasses.replace(choose_machine(study.shared.engine), precision=precision)
    trained = [one for one in trainings(study) if one.encoder == ENCODER and one.program != BASELINE]
    by_name = {(one.program, one.variant): training_settings(study, one, machine) for one in trained}
    return dataclasses.replace(
        by_name[CLASSIFY, variant],
        start=PRETRAINED,
        layers=[BOTTLENECK, CONTRASTIVE_LAYER],
        denoising=by_name[DENOISE, DENOISED].denoising,
        contrastive=by_name[CONTRAST, THREE_PHASE].contrastive,
        pairs=by_name[CONTRAST, THREE_PHASE].pairs,
    )


def score(path: type[Fast | Plain], precision: str, variant: str, seed: int) -> float:
    """Validation macro F1, in percent, of a seed's variant."""
    side = path(TrainingRun(Path(), CLASSIFY, ENCODER, variant, seed, "plain", settings_of(variant, precision)))
    if VARIANTS[variant]:
        side.denoise()
        side.contrast()
    return side.fine_tune()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=range(5))
    parser.add_argument("--output", type=Path, default=paths.REPORTS / "performance" / "plain.csv")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    rows = []
    for seed in arguments.seeds:
        with split_of(seed):
            for variant in VARIANTS:
                found = {name: score(*path, variant, seed) for name, path in PATHS.items()}
                rows.append({"variant": variant, "seed": seed, **found})
                told = ", ".join(f"{name} {value:.1f}" for name, value in found.items())
                print(f"{variant}, seed {seed}: {told}", flush=True)
    table = pd.DataFrame(rows)
    write_table(arguments.output, table)
    for name in FAST:
        # The variants of a seed share its split and its head.
        differences = (table[name] - table["plain"]).groupby(table["seed"]).mean()
        error = differences.std(ddof=1) / math.sqrt(len(differences)) if len(differences) > 1 else None
        told = "of one seed" if error is None else f"on average over the seeds, standard error {error:.2f}"
        print(f"{name} - plain: {differences.mean():+.2f} points {told}")


if __name__ == "__main__":
    run_stage(main)
