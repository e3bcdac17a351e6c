"""The parameters of the project as frozen dataclasses; ``read_params`` reads them from the params files."""

from dataclasses import dataclass
from pathlib import Path

from threephase.base import paths
from threephase.study.judging_params import Claim, Statistics, Verdicts
from threephase.study.schema import (
    both,
    checked,
    distinct,
    each_of,
    named,
    none_twice,
    not_empty,
    number,
    one_of,
    refuse_unknown,
)
from threephase.study.source_params import MOST_ROWS, ROWS, Dataset, EncoderSource, Sources

TRAINED_ENCODER_STAGES = ("train_dae", "train_contrastive", "train_contrastive_from_pretrained", "train_joint")
PRETRAINED = "pretrained"
METHOD = "train_method"  # the stage that trains an encoder by a file of threephase/methods/
BASELINES = ("majority", "tfidf_logistic", "embedding_logistic", "embedding_nearest_mean")
DENOISED = "dae"  # the encoder after phase 1, from which several variants start
NOISE, PAIRS = "noise", "pairs"  # of phases 1 and 2: what a method may read of the study's settings
SPLIT_SETTINGS = ("validation_share", "train_rows", "shots", "long_tail_ratio", "long_tail_largest")  # of a study
NO_ROWS = "none"  # the selection split where no rows choose epoch, learning rate or C
THREE_PHASE = "three_phase"  # what the ablations of phase 2 share where their imbalance setting changes nothing

# Bounds that several settings share: wider than anything sensible, so that a slip of the pen is refused.
RATE = number(above=0, below=1)
SHARE = number(least=0, most=1)
EPOCHS = number(least=1, most=10_000)
UPDATES = number(least=1, most=10_000_000)
SIZE = number(least=1, most=65_536)
EPS = number(above=0, most=0.1)
CLIPPING = number(above=0, most=1_000)
RATIO = number(least=1, most=1_000_000)
SEED = number(least=0, most=2**32 - 1)
MOST_SEEDS, MOST_THREADS, MOST_TOKENS = 1_000, 1_024, 65_536

MethodValue = bool | int | float | str | list[float] | None  # of a method's settings


def _auto_or_count(value: int | str) -> str | None:
    good = value == "auto" or (isinstance(value, int) and 1 <= value <= MOST_THREADS)
    return None if good else f"auto, or 1 to {MOST_THREADS:,}"


def _seeds(value: list[int]) -> str | None:
    return distinct(value) or SEED(value) or (None if len(value) <= MOST_SEEDS else f"{MOST_SEEDS:,} at most")


def _reads(value: list[str]) -> str | None:
    starts = (PRETRAINED, DENOISED)
    return distinct(value) or (None if value[0] in starts else f"one of these as the first: {', '.join(starts)}")


@dataclass(frozen=True)
class Recipe:
    """Phase 3 as many would train it, whatever the paper's table 5 says: encoder trained, learning rate searched.

    Few rows get more epochs than ``max_epochs_classifier``: as many as make ``min_updates_classifier`` updates.
    """

    lr_classifier: list[float] = checked(both(distinct, RATE))
    max_epochs_classifier: int = checked(EPOCHS)
    min_updates_classifier: int = checked(UPDATES)


@dataclass(frozen=True)
class Variant:
    """A path through the stages (columns of the paper's tables 3 and 4).

    ``encoder_of``: the variant whose encoder is taken, where it makes none of its own; ``recipe``: of phase 3, None for
    the study's own settings.
    """

    title: str
    encoder_from: str = checked(one_of(*TRAINED_ENCODER_STAGES, PRETRAINED))
    recipe: Recipe | None
    imbalance: str | None = checked(one_of("normal", "extra", "none"), default=None)
    pairs_as_many_as: str | None = None
    encoder_of: str | None = None


@dataclass(frozen=True)
class Method:
    """A variant of which a file of ``threephase/methods/`` makes what ``makes`` names.

    ``reads``: the encoder that the file is given, the pre-trained one or phase 1's; behind it what else it uses: other
    encoders of phases 1 and 2, NOISE, PAIRS, another data set's training texts. ``recipe``: of phase 3, None
    beside a classifier; ``settings``: those of the file that differ from phase 2. docs/methods.md shows one.
    """

    title: str
    file: str
    makes: list[str] = checked(each_of("encoder", "head", "adapter", "classifier"))
    reads: list[str] = checked(_reads)
    recipe: Recipe | None
    settings: dict[str, MethodValue]


@dataclass(frozen=True)
class Head:
    """A classifier that a file of ``threephase/methods/`` fits on the encoder of any variant: <variant>_<head>."""

    title: str
    file: str
    settings: dict[str, MethodValue]


@dataclass(frozen=True)
class Baseline:
    """What a practitioner would try first, without any training of the encoder."""

    title: str
    needs_encoder: bool


@dataclass(frozen=True)
class Protocol:
    """The switches between the paper's text and the authors' code; docs/protocols.md says what each value does."""

    bottleneck: bool
    contrastive_layer: bool
    pooling: str = checked(one_of("native", "native_with_normalization", "cls"))
    encoder_in_phase_3: str = checked(one_of("as_configured", "frozen_if_sentence_encoder"))
    head_activation: str = checked(one_of("relu", "none"))
    ft_start: str = checked(one_of("pretrained", "random_unless_sentence_encoder", "random"))
    selection_split: str = checked(one_of("validation", "test", NO_ROWS))
    validation_cut: bool
    rows_of_phases_1_2: str = checked(one_of("training", "all_without_test_set"))
    contrastive_validation: str = checked(one_of("none", "tenth_of_pairs"))
    joint_targets: str = checked(one_of("label_similarity", "zero"))
    joint_settings: str = checked(one_of("as_configured", "defaults_of_code"))
    no_imbalance_lowercase: bool
    stopword_copies: str = checked(one_of("enlarged_classes", "matching_lengths"))
    long_texts: str = checked(one_of("truncate", "cut_at_full_stops"))
    batch_of_small_sets: str = checked(one_of("as_configured", "fifth"))
    dae_checkpoint: str = checked(one_of("last", "best_look"))
    contrastive_checkpoint: str = checked(one_of("last", "best_look"))
    stopping: str = checked(one_of("patience", "restarts"))
    clip_gradient: float | None = checked(CLIPPING)


@dataclass(frozen=True)
class Training:
    """Settings of the paper's text that no data set changes; warm-ups are shares of all steps."""

    warmup_dae: float = checked(SHARE)
    warmup_contrastive: float = checked(SHARE)
    warmup_joint: float = checked(SHARE)
    warmup_classifier: float = checked(SHARE)
    adam_eps_dae: float = checked(EPS)
    adam_eps_contrastive: float = checked(EPS)
    weight_decay_classifier: float = checked(SHARE)
    clip_gradient_phases_1_2: float = checked(CLIPPING)
    head_hidden_size: int = checked(SIZE)
    head_dropout: float = checked(number(least=0, below=1))
    patience: int = checked(EPOCHS)


@dataclass(frozen=True)
class Imbalance:
    """Bounds of the imbalance correction of phase 2."""

    min_ratio: float = checked(RATIO)
    max_ratio: float = checked(number(above=1, most=1_000_000))


@dataclass(frozen=True)
class Engine:
    """Where and how precisely the trainings run, and on how many threads of a CPU."""

    device: str = checked(one_of("auto", "cpu", "cuda", "mps"))
    precision: str = checked(one_of("auto", "fp32", "bf16"))
    bf16_min_speedup: float = checked(number(above=0, most=1_000))
    threads: int | str = checked(_auto_or_count)


@dataclass(frozen=True)
class Shared:
    """``shared.yaml``, with the definitions of ``encoders/``.

    ``variants`` are also those of the methods; of a study, ``methods`` are also the ``heads`` that it names.
    """

    sources: Sources
    encoders: dict[str, EncoderSource] = checked(both(not_empty, named))
    variants: dict[str, Variant] = checked(both(not_empty, named))
    methods: dict[str, Method] = checked(named)
    heads: dict[str, Head] = checked(named)
    baselines: dict[str, Baseline] = checked(both(not_empty, named))
    baseline_inverse_regularization: list[float] = checked(both(distinct, number(least=1e-9, most=1e9)))
    protocols: dict[str, Protocol] = checked(both(not_empty, named))
    training: Training
    imbalance: dict[str, Imbalance] = checked(named)
    statistics: Statistics
    claims: dict[str, Claim] = checked(named)
    verdicts: Verdicts
    engine: Engine


@dataclass(frozen=True)
class Hyperparameters:
    """Table 5 of the paper for one encoder; the classifier's two may be one value or a map by variant."""

    lr_dae: float = checked(RATE)
    epochs_dae: int = checked(EPOCHS)
    deletion_ratio: float = checked(number(least=0, below=1))
    lr_contrastive: float = checked(RATE)
    epochs_contrastive: int = checked(EPOCHS)
    lr_classifier: float | dict[str, float] = checked(RATE)
    max_epochs_classifier: int | dict[str, int] = checked(EPOCHS)
    batch_size: int = checked(SIZE)
    adam_eps: float = checked(EPS)
    max_length: int | str
    freeze_encoder: bool


@dataclass(frozen=True)
class StudyParams:
    """A study's ``params.yaml``, its base filled in: a data set under one protocol with its settings.

    ``variants``: those that are trained, a list for all encoders or one an encoder. ``draw_encoders``: whether vectors
    are drawn before and after the phases. ``train_rows``: how many training rows a seed has, ``shots``: how
    many a class keep their label; None: all. ``min_updates_contrastive``: phase 2 passes over few pairs again.
    """

    name: str = checked(named)
    dataset: str
    protocol: str
    reproduces_paper: bool
    primary_metric: str = checked(one_of("accuracy", "macro_f1"))
    seeds: list[int] = checked(_seeds)
    encoders: list[str] = checked(distinct)
    variants: list[str] | dict[str, list[str]]
    baselines: list[str] = checked(none_twice)
    draw_encoders: bool
    validation_share: float = checked(number(above=0, below=1))
    train_rows: int | None = checked(ROWS)
    long_tail_ratio: float | None = checked(RATIO)
    long_tail_largest: int | None = checked(number(least=1, most=MOST_ROWS))
    hyperparameters: dict[str, Hyperparameters]
    shots: int | None = checked(number(least=1, most=MOST_ROWS), default=None)
    min_updates_contrastive: int | None = checked(UPDATES, default=None)

    def variants_of(self, encoder: str) -> list[str]:
        """The variants that are trained on an encoder, in the order of the tables."""
        return self.variants[encoder] if isinstance(self.variants, dict) else self.variants

    def trained(self) -> list[str]:
        """The variants that are trained on some encoder, in the order of the tables."""
        return list(dict.fromkeys(variant for encoder in self.encoders for variant in self.variants_of(encoder)))


@dataclass(frozen=True)
class Study:
    """A study's settings together with what it shares with all others, and its folder."""

    shared: Shared
    params: StudyParams
    dataset: Dataset
    folder: Path

    @property
    def protocol(self) -> Protocol:
        return self.shared.protocols[self.params.protocol]

    @property
    def file(self) -> Path:
        """The file that a reader edits."""
        return paths.study_params(self.folder)

    @property
    def in_folder(self) -> str:
        """How ``dvc`` is called for it from the top folder."""
        return "dvc" if self.folder == Path() else f"dvc --cd {self.folder}"

    @property
    def asks_what_to_use(self) -> bool:
        """Whether it is a reader's own: not the paper's numbers are asked for, but what to use on these texts.

        Its texts are the reader's files, or a data set that the hub alone has: those that come with the repository can
        be had from a folder or package too.
        """
        source = self.dataset.source
        on_hub_alone = source.hub is not None and source.folder is None
        return not self.params.reproduces_paper and (bool(source.own_files) or on_hub_alone)

    def encoder_baselines(self) -> list[str]:
        """The baselines that are computed for each encoder."""
        return [name for name in self.params.baselines if self.shared.baselines[name].needs_encoder]

    def other_baselines(self) -> list[str]:
        """The baselines that need no encoder."""
        return [name for name in self.params.baselines if not self.shared.baselines[name].needs_encoder]

    def check_encoder(self, encoder: str) -> None:
        """Refuse an encoder that the study does not run."""
        refuse_unknown(self.file, "encoders", encoder, self.params.encoders)

    def title(self, name: str) -> str:
        """How a variant, a baseline, or the encoder after phase 1 is called where people read it."""
        if name == DENOISED:
            return "Denoising autoencoder"
        return {**self.shared.variants, **self.shared.baselines}[name].title
