"""What a stage uses, resolved: the frozen objects that ``resolve_settings`` writes as JSON and the stages read.

Nothing else configures a training. Learning rates and warm-ups are those of the paper's text and table 5, switches are
already turned into what they mean (``rules.py``).
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threephase.base import paths
from threephase.base.files import read_json
from threephase.study.params import CLIPPING, EPOCHS, EPS, RATE, SHARE, SIZE, UPDATES, Imbalance, MethodValue
from threephase.study.schema import build, checked
from threephase.study.source_params import WORDS, Dataset, EncoderSource, Sources

BOTTLENECK, CONTRASTIVE_LAYER = "bottleneck", "contrastive_layer"  # the layers that phases 1 and 2 add
PRETRAINED, RANDOM = "pretrained", "random"  # where phase 3 may start besides the encoder of a variant


@dataclass(frozen=True)
class Machine:
    """What trainings run on: ``device`` cpu, cuda or mps; ``precision`` fp32 or bf16 (autocast); CPU threads."""

    device: str
    precision: str
    threads: int


@dataclass(frozen=True)
class SmallSets:
    """The batch size that training parts of at most so many ``rows`` have."""

    rows: int
    batch_size: int


@dataclass(frozen=True)
class Encoder:
    """A pre-trained encoder as a study uses it; ``max_length`` in tokens, or model or estimate."""

    name: str
    sha256: str | None
    pooling: str
    normalizes: bool
    max_length: int | str
    cuts_long_texts: bool


@dataclass(frozen=True)
class Denoising:
    """Phase 1, and the schedule of joint training; ``warmup`` is a share of all updates; it deletes ``units``."""

    lr: float
    epochs: int
    deletion_ratio: float
    batch_size: int
    adam_eps: float
    warmup: float
    clip_gradient: float | None
    units: str = WORDS


@dataclass(frozen=True)
class Schedule:
    """How long and how fast an encoder is trained; ``warmup`` is a share of all updates.

    ``min_updates``: batches of fewer are passed over again until there are so many; None: never.
    """

    lr: float = checked(RATE)
    epochs: int = checked(EPOCHS)
    batch_size: int = checked(SIZE)
    adam_eps: float = checked(EPS)
    warmup: float = checked(SHARE)
    clip_gradient: float | None = checked(CLIPPING)

    _: dataclasses.KW_ONLY
    min_updates: int | None = checked(UPDATES, default=None)

    def passes(self, updates: int) -> int:
        """How often batches of so many ``updates`` are passed over."""
        return math.ceil(max(updates, self.min_updates or 0) / updates)

    def cost(self, streams: "Streams") -> tuple[float, float]:
        """Of a method: what its batches hold, such as texts or pairs, and texts with a gradient through the encoder."""
        texts = self.epochs * streams.labelled
        return texts, texts


@dataclass(frozen=True)
class Streams:
    """What a training may draw its batches from.

    ``labelled``: texts of one epoch; ``noised``, ``pairs``: those of phases 1 and 2, where the training reads these, of
    all epochs together.
    """

    labelled: float
    noised: float
    pairs: float


@dataclass(frozen=True)
class Contrastive(Schedule):
    """Phase 2; of joint training only ``epochs`` and ``batch_size`` count."""


@dataclass(frozen=True)
class MethodSettings:
    """A method's ``file`` in ``threephase/methods/``, what it ``makes``, and all of its settings by name."""

    file: str
    makes: list[str]
    settings: dict[str, MethodValue]


@dataclass(frozen=True)
class PairRows:
    """Which rows pairs are made of: an imbalance setting's, as many pairs as those of another one where one is named.

    ``compared``: the setting of the variant that the training takes over where both make the same rows.
    """

    imbalance: str
    as_many_as: str | None
    compared: str | None
    keeps_stopword_copies: bool
    holds_back_tenth: bool
    zero_targets: bool


@dataclass(frozen=True)
class Classifying:
    """One candidate of phase 3: what one training of the classifier needs.

    ``min_updates``: what the epochs must come to at least, whatever ``max_epochs`` says; 0 for no such bound.
    """

    lr: float
    max_epochs: int
    min_updates: int
    batch_size: int
    adam_eps: float
    warmup: float
    weight_decay: float
    clip_gradient: float | None
    freeze_encoder: bool
    head_hidden_size: int
    head_dropout: float
    head_activation: str
    stopping: str
    patience: int
    selection_metric: str

    def epochs(self, rows: int) -> int:
        """The most epochs that a training on so many rows may take."""
        return max(self.max_epochs, math.ceil(self.min_updates / math.ceil(rows / self.batch_size)))


@dataclass(frozen=True)
class TrainingSettings:
    """All that one training uses besides its data, its start and its seed.

    ``start``: pretrained, random, or the variant whose encoder it starts from; ``others``: the variants whose encoders
    it loads besides; ``layers``: those that it adds;
    ``same_as``: the variant that it takes over where rows or encoders turn out the same; ``small_sets``: where the
    protocol has a batch size of its own for them; ``classifiers``: candidates, the best is chosen;
    ``selection_metric``: what a method, or a classifier that it fits, chooses by.
    """

    encoder: Encoder
    machine: Machine
    start: str = PRETRAINED
    others: list[str] = dataclasses.field(default_factory=list)
    same_as: str | None = None
    layers: list[str] = dataclasses.field(default_factory=list)
    checkpoint: str = "last"
    small_sets: SmallSets | None = None
    denoising: Denoising | None = None
    contrastive: Contrastive | None = None
    pairs: PairRows | None = None
    method: MethodSettings | None = None
    classifiers: list[Classifying] = dataclasses.field(default_factory=list)
    selection_split: str | None = None
    selection_metric: str | None = None
    positive_class: str | None = None


@dataclass(frozen=True)
class BaselineSettings:
    """A baseline of all seeds; ``strengths``: values of C to choose from; encoder and machine where it embeds.

    ``units``: what TF-IDF counts.
    """

    seeds: list[int]
    strengths: list[float]
    selection_split: str
    selection_metric: str
    encoder: Encoder | None = None
    machine: Machine | None = None
    units: str = WORDS


@dataclass(frozen=True)
class SplitSettings:
    """How a seed's rows are drawn, and what each imbalance setting makes of the training part.

    ``phase_1_knows_labels``: whether it is told which rows have one; ``units``: what stop-words are picked from.
    """

    folds: int | None
    validation_share: float
    train_rows: int | None
    long_tail_ratio: float | None
    long_tail_largest: int | None
    validation_cut: bool
    selection_split: str
    rows_of_phases_1_2: str
    no_imbalance_lowercase: bool
    phase_1_knows_labels: bool
    imbalance: dict[str, Imbalance]
    units: str = WORDS
    shots: int | None = None


@dataclass(frozen=True)
class DataSettings:
    """A data set and the order of its sources."""

    dataset: Dataset
    sources: Sources


@dataclass(frozen=True)
class SourceSettings:
    """An encoder's source and the order of sources."""

    source: EncoderSource
    sources: Sources


def read_settings(cls: type, folder: Path, stage: str, item: str = "") -> Any:
    """What ``resolve_settings`` wrote for a stage of the study in ``folder``, as an instance of ``cls``."""
    file = paths.settings(folder, stage, item)
    return build(cls, read_json(file)["settings"], file)
