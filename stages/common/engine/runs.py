"""One training run: what the training stages share around their one call into the library."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stages.common import paths, provenance
from stages.common.engine import encoder_folder, processes
from stages.common.engine.encoder_files import WEIGHTS, check_files, check_pretrained
from stages.common.engine.long_texts import cut_rows, first_pieces
from stages.common.engine.machine import Machine, choose_machine, gpu_name
from stages.common.engine.models import CONTRASTIVE_LAYER, DenoisingDecoder, SentenceEncoder
from stages.common.engine.randomness import generator, seed_dropout, torch_generator
from stages.common.engine.switches import (
    cuts_long_texts,
    keeps_stopword_copies,
    normalizes,
    pooling_of,
    settings_of,
    starts_at_random,
)
from stages.common.engine.tokens import TextTokenizer, resolve_max_length
from stages.common.engine.training import Updates
from stages.common.errors import UserError
from stages.common.files import read_table, write_json, write_table
from stages.common.settings import PRETRAINED, EncoderSource, Hyperparameters, Protocol, Study, Training


@dataclass
class Run:
    """A training of one phase for one cell and seed, from its inputs to its history and report."""

    study: Study
    stage: str
    encoder: str
    variant: str
    seed: int
    phase: str
    rows: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        machine = choose_machine(self.study.shared.engine)
        if processes.is_started():
            processes.join(machine.device)
        self.processes = processes.count()
        self.machine: Machine = dataclasses.replace(machine, threads=max(1, machine.threads // self.processes))
        self.machine.set_up()
        self.inputs: list[Path] = [paths.examples(self.name_of_data), self.split_folder / "split.parquet"]

    def start_processes(self) -> None:
        """Train in ``engine.processes`` processes like this one, which ends with them; with one this goes on itself."""
        wanted = self.study.shared.engine.processes
        if wanted > 1 and not processes.is_started():
            processes.start(wanted, self.machine.device)

    def end_processes(self) -> None:
        """Behind the training: the first process goes on alone and writes what came out."""
        processes.end_all_but_first()

    def seed_dropout(self) -> None:
        """Right before the training: new layers draw from the same generator, and variants have different ones."""
        number = processes.number()
        seed_dropout(self.seed, f"dropout {self.phase}" + (f" {number}" if number else ""))

    @property
    def name(self) -> str:
        return self.study.benchmark.name

    @property
    def name_of_data(self) -> str:
        return self.study.benchmark.dataset

    @property
    def protocol(self) -> Protocol:
        return self.study.protocol

    @property
    def training(self) -> Training:
        return self.study.shared.training

    @cached_property
    def settings(self) -> Hyperparameters:
        """The benchmark's hyper-parameters as the protocol uses them."""
        return settings_of(self.study, self.encoder, int((self.examples["part"] == "train").sum()))

    @property
    def split_folder(self) -> Path:
        return paths.splits(self.name, self.seed)

    @property
    def pretrained_folder(self) -> Path:
        return paths.pretrained_encoder(self.encoder)

    @cached_property
    def examples(self) -> pd.DataFrame:
        """All examples with the column ``part`` of this seed's split."""
        split = read_table(self.split_folder / "split.parquet")
        return read_table(paths.examples(self.name_of_data)).merge(split, on="example_id", validate="one_to_one")

    @cached_property
    def classes(self) -> list[str]:
        labelled = self.examples["part"] != "unlabelled"
        return sorted(self.examples.loc[labelled, "label"].unique())

    @property
    def positive(self) -> int | None:
        """The number of the data set's positive class; None where it has none."""
        name = self.study.dataset.positive_class
        return None if name is None else self.classes.index(name)

    def part(self, *parts: str) -> pd.DataFrame:
        """The examples of the given parts of the split, in the data's order; counted in the report."""
        self.rows |= dict.fromkeys(parts, 0)
        return self._counted(self.examples[self.examples["part"].isin(parts)])

    def labelled_texts(self, tokenizer: TextTokenizer) -> list[str]:
        """The texts of training, validation and test part as they are trained on: all that phase 3 may look up."""
        return self.trained_on(self.examples[self.examples["part"] != "unlabelled"], tokenizer)["text"].tolist()

    def has_part(self, part: str) -> bool:
        """Whether this seed's split has rows of that part."""
        return bool((self.examples["part"] == part).any())

    def adaptation_rows(self) -> pd.DataFrame:
        """The labelled rows of phases 1 and 2: the training part, or what else the protocol adds to it."""
        return self._counted(self.examples[self.examples["adapts"]])

    def denoising_rows(self) -> pd.DataFrame:
        """The rows of phase 1: those of ``adaptation_rows`` and the unlabelled ones, in the data's order."""
        chosen = self.examples["adapts"] | (self.examples["part"] == "unlabelled")
        return self._counted(self.examples[chosen])

    def contrastive_rows_file(self, variant: str) -> Path:
        """Where ``split_data`` wrote what the variant's imbalance setting makes of the labelled rows."""
        return self.split_folder / f"contrastive_{self.study.shared.variants[variant].imbalance}.parquet"

    def contrastive_rows(self, variant: str, tokenizer: TextTokenizer) -> pd.DataFrame:
        """The (resampled) rows that the variant's pairs are made of."""
        file = self.contrastive_rows_file(variant)
        self.inputs.append(file)
        rows = read_table(file)
        if not keeps_stopword_copies(self.study, self.encoder):
            rows = rows[~rows["stop_words_deleted"]].reset_index(drop=True)
        return self.trained_on(rows, tokenizer)

    def trained_on(self, rows: pd.DataFrame, tokenizer: TextTokenizer) -> pd.DataFrame:
        """Training rows as they are trained on: long texts in pieces where the protocol cuts them."""
        return cut_rows(rows, tokenizer) if cuts_long_texts(self.study) else rows

    def scored(self, rows: pd.DataFrame, tokenizer: TextTokenizer) -> pd.DataFrame:
        """Validation or test rows as they are scored: of long texts the first piece where the protocol cuts them."""
        return first_pieces(rows, tokenizer) if cuts_long_texts(self.study) else rows

    @property
    def has_validation_set(self) -> bool:
        """Whether the data set comes with one."""
        return bool((self.examples["split"] == "validation").any())

    def _counted(self, rows: pd.DataFrame) -> pd.DataFrame:
        self.rows |= rows["part"].value_counts().to_dict()
        return rows

    def class_ids(self, rows: pd.DataFrame) -> torch.Tensor:
        numbers = {name: number for number, name in enumerate(self.classes)}
        return torch.tensor(rows["label"].map(numbers).to_numpy(dtype=np.int64), device=self.machine.device)

    def load_pretrained(self) -> SentenceEncoder:
        """The pre-trained encoder, its files and checksum verified."""
        source: EncoderSource = self.study.shared.encoders[self.encoder]
        check_pretrained(self.pretrained_folder, source.sha256, self.encoder)
        self.inputs.append(self.pretrained_folder / WEIGHTS)
        encoder = encoder_folder.load_pretrained(self.pretrained_folder, *self._pooling)
        return encoder.to(self.machine.device)

    @property
    def _pooling(self) -> tuple[str, bool]:
        return pooling_of(self.study, self.encoder), normalizes(self.study, self.encoder)

    def load_encoder(self, variant: str) -> SentenceEncoder:
        """The encoder that phase 3 of a variant starts from: exported by a phase, pre-trained, or a random one."""
        definition = self.study.shared.variants[variant]
        if definition.encoder_from == PRETRAINED:
            if not starts_at_random(self.study, self.encoder):
                return self.load_pretrained()
            random = torch_generator(self.seed, "initial encoder")
            encoder = encoder_folder.random_encoder(self.pretrained_folder, *self._pooling, random)
            return encoder.to(self.machine.device)
        maker = definition.encoder_of or variant
        folder = paths.trained_encoder(self.name, self.encoder, maker, self.seed)
        item = f"{paths.cell_name(self.encoder, maker)}-{self.seed}"
        stage = definition.encoder_from
        check_files(folder, f"dvc repro {paths.BENCHMARKS / self.name}/dvc.yaml:{stage}@{item}")
        self.inputs.append(folder / WEIGHTS)
        return encoder_folder.load_trained(folder).to(self.machine.device)

    def add_layer(self, encoder: SentenceEncoder, name: str) -> None:
        """Add a layer if the protocol has it, with the same initial weights in every variant of the seed."""
        wanted = self.protocol.contrastive_layer if name == CONTRASTIVE_LAYER else self.protocol.bottleneck
        if wanted:
            encoder.add_layer(name, torch_generator(self.seed, f"initial {name}"))
            encoder.to(self.machine.device)

    def new_decoder(self, encoder: SentenceEncoder) -> DenoisingDecoder:
        """The parts of the decoder that the encoder does not have."""
        decoder = DenoisingDecoder(encoder.transformer.config, torch_generator(self.seed, "initial decoder"))
        encoder_folder.load_decoder_head(decoder, self.pretrained_folder)
        return decoder.to(self.machine.device)

    def tokenizer(self, encoder: SentenceEncoder) -> TextTokenizer:
        """The encoder's tokenizer with the limit that the parameters ask for; an estimate uses training texts only."""
        config = encoder.transformer.config
        texts = self.examples.loc[self.examples["part"] == "train", "text"].tolist()
        random = generator(self.seed, "estimate of max_length")
        length = resolve_max_length(self.settings.max_length, self.pretrained_folder, config, texts, random)
        return TextTokenizer(self.pretrained_folder, config, length)

    def export(self, encoder: SentenceEncoder, tokenizer: TextTokenizer) -> None:
        """Write the encoder's folder for the next phase and for SentenceTransformer; refuses weights not finite."""
        # The last update may spoil them, and no loss is computed behind it.
        if not all(parameter.isfinite().all() for parameter in encoder.parameters()):
            raise UserError(f"{self.stage}: the weights are not finite after the last step; lower the learning rate")
        folder = paths.trained_encoder(self.name, self.encoder, self.variant, self.seed)
        encoder_folder.export(encoder, self.pretrained_folder, tokenizer.max_length, folder)

    def write_records(self, updates: Updates, sequence_updates: int, tokenizer: TextTokenizer, **facts: object) -> None:
        """Write history and report. ``sequence_updates``: texts that went through the transformer with a gradient."""
        write_table(self.place(paths.history), updates.history_table())
        self.write_report(
            updates=updates.step,
            pieces_of_a_batch=updates.pieces,
            sequence_updates=sequence_updates,
            max_length=tokenizer.max_length,
            truncated_texts=tokenizer.truncated,
            sequences_per_second=round(sequence_updates / updates.progress.seconds, 2),
            **facts,
        )

    def place(self, kind: Callable[..., Path], variant: str | None = None) -> Path:
        """This run's ``paths.history`` or ``paths.report``, or that of another variant."""
        return kind(self.name, self.encoder, variant or self.variant, self.seed, self.phase)

    def write_report(self, **facts: object) -> None:
        """Write who, what, where and on what, and the run's own ``facts``."""
        report = {
            "stage": self.stage,
            "benchmark": self.name,
            "dataset": self.name_of_data,
            "protocol": self.study.benchmark.protocol,
            "encoder": self.encoder,
            "variant": self.variant,
            "seed": self.seed,
            "phase": self.phase,
            "parameters": dataclasses.asdict(self.settings) | dataclasses.asdict(self.training),
            "switches": dataclasses.asdict(self.protocol),
            "rows": self.rows,
            **dataclasses.asdict(self.machine),
            "processes": self.processes,
            "gpu": gpu_name(),
            "inputs": provenance.input_hashes(self.inputs),
            **provenance.origins(self.name_of_data, self.encoder),
        }
        write_json(self.place(paths.report), report | provenance.environment() | facts)
