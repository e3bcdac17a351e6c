"""One training of a cell and seed: its settings, rows, encoders, and what it leaves."""

import argparse
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from threephase.base import paths, run_reports
from threephase.base.doubtful_numbers import remedy_of_not_finite
from threephase.base.errors import UserError, warn
from threephase.base.files import read_table, write_table
from threephase.data.randomness import generator, torch_generator
from threephase.model import encoder_folder
from threephase.model.encoder_files import WEIGHTS, check_files, check_pretrained
from threephase.model.kernels import seed_dropout
from threephase.model.machine import gpu_name, set_up
from threephase.model.models import DenoisingDecoder, SentenceEncoder
from threephase.model.tokens import TextTokenizer, cut_rows, first_pieces, resolve_max_length
from threephase.model.told_apart import fault_of_vectors
from threephase.phases.optimization import Optimization
from threephase.phases.saves import StageSaves, use
from threephase.phases.small_sets import with_batch_size
from threephase.study.settings import PRETRAINED, RANDOM, Machine, TrainingSettings, read_settings
from threephase.study.topology import DENOISE


@dataclass
class TrainingRun:
    """A training of one phase for one cell and seed, from its inputs to its history and report.

    ``folder``: of the study; ``encoder`` and ``variant``: the cell; ``resolved``: its settings for any number of rows.
    """

    folder: Path
    stage: str
    encoder: str
    variant: str
    seed: int
    phase: str
    resolved: TrainingSettings
    rows: dict[str, int] = field(default_factory=dict)
    saves: StageSaves | None = None

    @classmethod
    def from_settings(
        cls, folder: Path, stage: str, encoder: str, variant: str, seed: int, phase: str
    ) -> "TrainingRun":
        """The one whose settings ``resolve_settings`` wrote; an empty ``variant`` is that of an encoder's pictures."""
        item = paths.cell_name(encoder, variant) if variant else encoder
        return cls(folder, stage, encoder, variant, seed, phase, read_settings(TrainingSettings, folder, stage, item))

    @classmethod
    def of_command(cls, arguments: argparse.Namespace, stage: str, phase: str) -> "TrainingRun":
        """The one that a stage's command line names, whose trainings save themselves until its report is written."""
        run = cls.from_settings(arguments.study, stage, arguments.encoder, arguments.variant, arguments.seed, phase)
        cell = (run.encoder, run.variant)
        settings = paths.settings(run.folder, stage, paths.cell_name(*cell))
        folder = paths.unfinished(run.folder, stage, *cell, run.seed)
        run.saves = StageSaves(folder, lambda: [settings, *run.files_read()])
        use(run.saves)
        return run

    def __post_init__(self) -> None:
        self.machine: Machine = self.resolved.machine
        set_up(self.machine)
        self.split_folder = paths.splits(self.folder, self.seed)
        self.pretrained_folder = paths.pretrained_encoder(self.folder, self.encoder)
        self.split_file = self.split_folder / ("phase_1.parquet" if self.stage == DENOISE else "split.parquet")
        self.inputs: list[Path] = [paths.examples(self.folder), self.split_file]

    def files_read(self) -> list[Path]:
        """The inputs so far, and all that stands beside an encoder's weights, such as its tokenizer."""
        folders = {self.pretrained_folder, *(file.parent for file in self.inputs if file.name == WEIGHTS)}
        beside = (file for folder in sorted(folders) for file in sorted(folder.rglob("*")) if file.is_file())
        return [*self.inputs, *beside]

    @cached_property
    def settings(self) -> TrainingSettings:
        """The settings for this seed's number of training rows."""
        return with_batch_size(self.resolved, int((self.examples["part"] == "train").sum()))

    @cached_property
    def examples(self) -> pd.DataFrame:
        """All examples with the columns ``part`` and ``adapts`` of this seed's split."""
        split = read_table(self.split_file)
        return read_table(paths.examples(self.folder)).merge(split, on="example_id", validate="one_to_one")

    @property
    def training_texts(self) -> list[str]:
        return self.examples.loc[self.examples["part"] == "train", "text"].tolist()

    @cached_property
    def classes(self) -> list[str]:
        labelled = self.examples["part"] != "unlabelled"
        return sorted(self.examples.loc[labelled, "label"].unique())

    @property
    def positive(self) -> int | None:
        """The number of the data set's positive class; None where it has none."""
        name = self.settings.positive_class
        return None if name is None else self.classes.index(name)

    def part(self, part: str) -> pd.DataFrame:
        """The examples of a part of the split, in the data's order."""
        self.rows[part] = 0
        return self._counted(self.examples["part"] == part)

    def labelled_texts(self, tokenizer: TextTokenizer) -> list[str]:
        """The texts of training, validation and test part as they are trained on: all that phase 3 may look up."""
        return self.trained_on(self.examples[self.examples["part"] != "unlabelled"], tokenizer)["text"].tolist()

    def adaptation_rows(self) -> pd.DataFrame:
        """The labelled rows of phases 1 and 2: the training part, or what else the protocol adds to it."""
        return self._counted(self.examples["adapts"])

    def denoising_rows(self) -> pd.DataFrame:
        """The rows of phase 1: those of ``adaptation_rows`` and the unlabelled ones, in the data's order."""
        return self._counted(self.examples["adapts"] | (self.examples["part"] == "unlabelled"))

    def _counted(self, chosen: pd.Series) -> pd.DataFrame:
        """The chosen examples, which the report counts."""
        rows = self.examples[chosen]
        self.rows |= rows["part"].value_counts().to_dict()
        return rows

    def contrastive_rows_file(self, imbalance: str) -> Path:
        """Where ``split_data`` wrote what an imbalance setting makes of the labelled rows."""
        return self.split_folder / f"contrastive_{imbalance}.parquet"

    def contrastive_rows(self, imbalance: str, tokenizer: TextTokenizer) -> pd.DataFrame:
        """The (resampled) rows that pairs are made of."""
        self.adaptation_rows()
        self.inputs.append(self.contrastive_rows_file(imbalance))
        rows = read_table(self.inputs[-1])
        if not self.settings.pairs.keeps_stopword_copies:
            rows = rows[~rows["stop_words_deleted"]].reset_index(drop=True)
        return self.trained_on(rows, tokenizer)

    def trained_on(self, rows: pd.DataFrame, tokenizer: TextTokenizer) -> pd.DataFrame:
        """Training rows as they are trained on: long texts in pieces where the protocol cuts them."""
        return cut_rows(rows, tokenizer) if self.settings.encoder.cuts_long_texts else rows

    def scored(self, rows: pd.DataFrame, tokenizer: TextTokenizer) -> pd.DataFrame:
        """Validation or test rows as they are scored: of long texts the first piece where the protocol cuts them."""
        return first_pieces(rows, tokenizer) if self.settings.encoder.cuts_long_texts else rows

    def class_ids(self, rows: pd.DataFrame) -> torch.Tensor:
        return torch.tensor([self.classes.index(label) for label in rows["label"]], device=self.machine.device)

    def load_pretrained(self) -> SentenceEncoder:
        """The pre-trained encoder, its files and checksum verified."""
        settings = self.settings.encoder
        check_pretrained(self.pretrained_folder, settings.sha256)
        self.inputs.append(self.pretrained_folder / WEIGHTS)
        encoder = encoder_folder.load_pretrained(self.pretrained_folder, settings.pooling, settings.normalizes)
        return encoder.to(self.machine.device)

    def load_start(self) -> SentenceEncoder:
        """The encoder that the training starts from: exported by a phase, pre-trained, or a random one."""
        start, settings = self.settings.start, self.settings.encoder
        if start != RANDOM:
            return self.load_pretrained() if start == PRETRAINED else self.load_trained(start)
        random = torch_generator(self.seed, "initial encoder")
        encoder = encoder_folder.random_encoder(self.pretrained_folder, settings.pooling, settings.normalizes, random)
        return encoder.to(self.machine.device)

    def load_trained(self, variant: str) -> SentenceEncoder:
        """The encoder that phases 1 and 2 made for a variant."""
        folder = paths.trained_encoder(self.folder, self.encoder, variant, self.seed)
        check_files(folder)
        self.inputs.append(folder / WEIGHTS)
        return encoder_folder.load_trained(folder).to(self.machine.device)

    def add_layer(self, encoder: SentenceEncoder, name: str) -> None:
        """Add a layer if the settings name it, with the same initial weights in every variant of the seed."""
        if name in self.settings.layers:
            encoder.add_layer(name, torch_generator(self.seed, f"initial {name}"))
            encoder.to(self.machine.device)

    def new_decoder(self, encoder: SentenceEncoder) -> DenoisingDecoder:
        """The parts of the decoder that the encoder does not have."""
        decoder = DenoisingDecoder(encoder.transformer.config, torch_generator(self.seed, "initial decoder"))
        encoder_folder.load_decoder_head(decoder, self.pretrained_folder)
        return decoder.to(self.machine.device)

    def tokenizer(self, encoder: SentenceEncoder) -> TextTokenizer:
        """The encoder's tokenizer with the limit that the parameters ask for; an estimate uses training texts only.

        Raises UserError where the pre-trained encoder tells no training text from another.
        """
        config, texts = encoder.transformer.config, self.training_texts
        random = generator(self.seed, "estimate of max_length")
        length = resolve_max_length(self.settings.encoder.max_length, self.pretrained_folder, config, texts, random)
        tokenizer = TextTokenizer(self.pretrained_folder, config, length)
        if self.settings.start == PRETRAINED and (fault := self._fault_of_vectors(encoder, tokenizer)):
            raise UserError(
                f"{self.pretrained_folder / WEIGHTS}: got sentence vectors that are {fault}, expected other ones for "
                "other texts; get this encoder from its source again, or take another one"
            )
        return tokenizer

    def _fault_of_vectors(self, encoder: SentenceEncoder, tokenizer: TextTokenizer) -> str | None:
        return fault_of_vectors(encoder, self.training_texts, tokenizer, self.machine)

    def seed_dropout(self) -> None:
        """Right before the training: new layers draw from the same generator, and variants have different ones."""
        seed_dropout(self.seed, f"dropout {self.phase}")

    def export(self, encoder: SentenceEncoder, tokenizer: TextTokenizer) -> None:
        """Write the encoder's folder for the next phase and for SentenceTransformer; refuses weights not finite.

        Warns where it tells no text from another any more.
        """
        # The last update may spoil them, and no loss is computed behind it.
        if not all(parameter.isfinite().all() for parameter in encoder.parameters()):
            pace = self.settings.denoising or self.settings.contrastive
            remedy = remedy_of_not_finite(pace, updates=1) if pace else "lower the learning rate"
            raise UserError(f"{self.stage}: the weights are not finite after the last step; {remedy}")
        if fault := self._fault_of_vectors(encoder, tokenizer):
            warn(
                f"{self.stage}: {self.encoder}, {self.variant}, seed {self.seed}: the sentence vectors behind the last "
                f"step are {fault}, so that later phases have nothing to learn from; lower the learning rate"
            )
        folder = paths.trained_encoder(self.folder, self.encoder, self.variant, self.seed)
        encoder_folder.export(encoder, self.pretrained_folder, tokenizer.max_length, folder)

    def write_records(
        self, optimization: Optimization, sequence_updates: int, tokenizer: TextTokenizer, **facts: object
    ) -> None:
        """Write history and report. ``sequence_updates``: texts that went through the transformer with a gradient."""
        write_table(self.place(paths.history), optimization.history_table())
        self.write_report(
            updates=optimization.steps,
            pieces_of_a_batch=optimization.pieces,
            sequence_updates=sequence_updates,
            max_length=tokenizer.max_length,
            truncated_texts=tokenizer.truncated,
            sequences_per_second=round(sequence_updates / optimization.progress.seconds, 2),
            **facts,
        )

    def place(self, kind: Callable[..., Path], variant: str | None = None) -> Path:
        """This run's ``paths.history`` or ``paths.run_report``, or that of another variant."""
        return kind(self.folder, self.encoder, variant or self.variant, self.seed, self.phase)

    def write_report(self, **facts: object) -> None:
        """Write who, what, where and on what, and the run's own ``facts``."""
        report = {name: getattr(self, name) for name in ("stage", "encoder", "variant", "seed", "phase")}
        settings = {key: value for key, value in dataclasses.asdict(self.settings).items() if value not in (None, [])}
        report |= {"settings": settings, "rows": self.rows, **dataclasses.asdict(self.machine), "gpu": gpu_name()}
        told = 0.0
        if self.saves:
            told = -self.saves.seconds  # what the processes took that were stopped before this one counts as well
            facts |= {"went_on_from_updates": self.saves.went_on_from} if self.saves.went_on_from else {}
        run_reports.write(self.folder, report | facts, self.inputs, self.place(paths.history), told)
        if self.saves:
            self.saves.end()
