"""One training run: what the training stages share around their one call into the library."""

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stages.common import encoder_folder, paths, provenance
from stages.common.encoder_files import WEIGHTS, check_files, check_pretrained
from stages.common.engine import Machine, choose_machine, gpu_name
from stages.common.errors import UserError
from stages.common.files import read_table, write_json, write_table
from stages.common.models import CONTRASTIVE_LAYER, DenoisingDecoder, SentenceEncoder
from stages.common.randomness import generator, seed_dropout, torch_generator
from stages.common.settings import PRETRAINED, EncoderSource, Hyperparameters, Protocol, Study, Training
from stages.common.switches import pooling_of
from stages.common.tokens import TextTokenizer, resolve_max_length
from stages.common.training import Updates


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
        self.machine: Machine = choose_machine(self.study.shared.engine)
        self.machine.set_up()
        self.inputs: list[Path] = [paths.examples(self.name_of_data), self.split_folder / "split.parquet"]

    def seed_dropout(self) -> None:
        """Right before the training: new layers draw from the same generator, and variants have different ones."""
        seed_dropout(self.seed, f"dropout {self.phase}")

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

    @property
    def settings(self) -> Hyperparameters:
        return self.study.benchmark.hyperparameters[self.encoder]

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

    def part(self, *parts: str) -> pd.DataFrame:
        """The examples of the given parts of the split, in the data's order; counted in the report."""
        chosen = self.examples[self.examples["part"].isin(parts)]
        self.rows |= {name: int((chosen["part"] == name).sum()) for name in parts}
        return chosen

    def class_ids(self, rows: pd.DataFrame) -> torch.Tensor:
        numbers = {name: number for number, name in enumerate(self.classes)}
        return torch.tensor(rows["label"].map(numbers).to_numpy(dtype=np.int64), device=self.machine.device)

    def load_pretrained(self) -> SentenceEncoder:
        """The pre-trained encoder, its files and checksum verified."""
        source: EncoderSource = self.study.shared.encoders[self.encoder]
        check_pretrained(self.pretrained_folder, source.sha256, self.encoder)
        self.inputs.append(self.pretrained_folder / WEIGHTS)
        encoder = encoder_folder.load_pretrained(self.pretrained_folder, pooling_of(self.study, self.encoder))
        return encoder.to(self.machine.device)

    def load_encoder(self, variant: str) -> SentenceEncoder:
        """The encoder of a variant of this cell's encoder and seed: exported by a phase, or pre-trained."""
        stage = self.study.shared.variants[variant].encoder_from
        if stage == PRETRAINED:
            return self.load_pretrained()
        folder = paths.trained_encoder(self.name, self.encoder, variant, self.seed)
        item = f"{paths.cell_name(self.encoder, variant)}-{self.seed}"
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
        where = (self.name, self.encoder, self.variant, self.seed, self.phase)
        write_table(paths.history(*where), updates.history_table())
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
            "updates": updates.step,
            "sequence_updates": sequence_updates,
            "max_length": tokenizer.max_length,
            "truncated_texts": tokenizer.truncated,
            "sequences_per_second": round(sequence_updates / updates.progress.seconds, 2),
            **dataclasses.asdict(self.machine),
            "gpu": gpu_name(),
            "inputs": provenance.input_hashes(self.inputs),
        }
        write_json(paths.report(*where), report | provenance.environment() | facts)
