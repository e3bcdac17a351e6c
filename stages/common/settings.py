"""The parameters of the project as frozen dataclasses; ``config`` reads them from the params files."""

from dataclasses import dataclass

from stages.common import paths
from stages.common.schema import (
    both,
    checked,
    distinct,
    each_of,
    none_twice,
    not_empty,
    number,
    one_of,
    refuse_unknown,
)
from stages.common.source_settings import Dataset, EncoderSource, Sources

TRAINED_ENCODER_STAGES = ("train_dae", "train_contrastive", "train_contrastive_from_pretrained", "train_joint")
PRETRAINED = "pretrained"
BASELINES = ("majority", "tfidf_logistic", "embedding_logistic")
DENOISED, JOINT = "dae_ft", "joint"  # the variants whose encoders train_dae and train_joint make
SPLIT_SETTINGS = ("validation_share", "train_rows", "long_tail_ratio", "long_tail_largest")  # of a benchmark
THREE_PHASE = "three_phase"  # what the ablations of phase 2 share where their imbalance setting changes nothing


@dataclass(frozen=True)
class Recipe:
    """Phase 3 as many would train it, whatever the paper's table 5 says: encoder trained, learning rate searched."""

    lr_classifier: list[float] = checked(both(distinct, number(above=0, below=1)))
    max_epochs_classifier: int = checked(number(least=1))


@dataclass(frozen=True)
class Variant:
    """A path through the stages (columns of the paper's tables 3 and 4).

    ``encoder_of``: the variant whose encoder is taken, where it makes none of its own; ``recipe``: of phase 3, None for
    the benchmark's own settings.
    """

    title: str
    encoder_from: str = checked(one_of(*TRAINED_ENCODER_STAGES, PRETRAINED))
    recipe: Recipe | None
    imbalance: str | None = checked(one_of("normal", "extra", "none"), default=None)
    pairs_as_many_as: str | None = None
    encoder_of: str | None = None


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
    selection_split: str = checked(one_of("validation", "test"))
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
    clip_gradient: float | None = checked(number(above=0))


@dataclass(frozen=True)
class Training:
    """Settings of the paper's text that no data set changes; warm-ups are shares of all steps."""

    warmup_dae: float = checked(number(least=0, most=1))
    warmup_contrastive: float = checked(number(least=0, most=1))
    warmup_joint: float = checked(number(least=0, most=1))
    warmup_classifier: float = checked(number(least=0, most=1))
    adam_eps_dae: float = checked(number(above=0))
    adam_eps_contrastive: float = checked(number(above=0))
    weight_decay_classifier: float = checked(number(least=0))
    clip_gradient_phases_1_2: float = checked(number(above=0))
    head_hidden_size: int = checked(number(least=1))
    head_dropout: float = checked(number(least=0, below=1))
    patience: int = checked(number(least=1))


@dataclass(frozen=True)
class Imbalance:
    """Bounds of the imbalance correction of phase 2."""

    min_ratio: float = checked(number(least=1))
    max_ratio: float = checked(number(above=1))


@dataclass(frozen=True)
class Statistics:
    """How uncertainty is stated; ``holm_family``: what comparisons share whose p-values are adjusted together."""

    confidence: float = checked(number(above=0, below=1))
    min_seeds_for_seed_variance: int = checked(number(least=2))
    detectable_power: float = checked(number(above=0.5, below=1))
    holm_family: list[str] = checked(each_of("protocol", "encoder"))


@dataclass(frozen=True)
class Claim:
    """``variant`` is claimed to be better than each of ``others`` on the primary metric."""

    text: str
    variant: str
    others: list[str] = checked(distinct)


@dataclass(frozen=True)
class Verdicts:
    """Rules, in percentage points, fixed before any run."""

    claim_margin: float = checked(number(least=0))
    undecided_interval_width: float = checked(number(above=0))


@dataclass(frozen=True)
class Engine:
    """Where and how precisely the trainings run."""

    device: str = checked(one_of("auto", "cpu", "cuda", "mps"))
    precision: str = checked(one_of("auto", "fp32", "bf16"))
    bf16_min_speedup: float = checked(number(above=0))
    processes: int = checked(number(least=1))


@dataclass(frozen=True)
class Shared:
    """The root ``params.yaml``."""

    sources: Sources
    encoders: dict[str, EncoderSource] = checked(not_empty)
    variants: dict[str, Variant] = checked(not_empty)
    baselines: dict[str, Baseline] = checked(not_empty)
    baseline_inverse_regularization: list[float] = checked(both(distinct, number(above=0)))
    protocols: dict[str, Protocol] = checked(not_empty)
    training: Training
    imbalance: dict[str, Imbalance]
    statistics: Statistics
    claims: dict[str, Claim]
    verdicts: Verdicts
    engine: Engine


@dataclass(frozen=True)
class RunVariants:
    """The variants that each stage of a benchmark's pipeline runs (dvc takes its lists from here)."""

    train_dae: list[str]
    train_contrastive: list[str]
    train_contrastive_ablation: list[str]
    train_contrastive_from_pretrained: list[str]
    train_joint: list[str]
    train_classifier: list[str]
    train_classifier_ablation: list[str]
    train_classifier_ordinary: list[str]
    train_classifier_from_pretrained: list[str]
    train_baselines: list[str]
    train_baselines_on_embeddings: list[str]
    summarize_cell: list[str]
    summarize_cell_without_encoder: list[str]

    def trained(self) -> list[str]:
        """All variants whose classifier is trained."""
        return (
            self.train_classifier
            + self.train_classifier_ablation
            + self.train_classifier_ordinary
            + self.train_classifier_from_pretrained
        )


@dataclass(frozen=True)
class Hyperparameters:
    """Table 5 of the paper for one encoder; the classifier's two may be one value or a map by variant."""

    lr_dae: float = checked(number(above=0, below=1))
    epochs_dae: int = checked(number(least=1))
    deletion_ratio: float = checked(number(least=0, below=1))
    lr_contrastive: float = checked(number(above=0, below=1))
    epochs_contrastive: int = checked(number(least=1))
    lr_classifier: float | dict[str, float] = checked(number(above=0, below=1))
    max_epochs_classifier: int | dict[str, int] = checked(number(least=1))
    batch_size: int = checked(number(least=1))
    adam_eps: float = checked(number(above=0))
    max_length: int | str
    freeze_encoder: bool


@dataclass(frozen=True)
class Benchmark:
    """``benchmarks/<name>/params.yaml``: a data set under one protocol with its settings.

    ``run_representations``: the encoders of ``run_encoders`` whose vectors are drawn before and after the phases.
    ``train_rows``: how many training rows are drawn for each seed; None: all.
    """

    name: str
    dataset: str
    protocol: str
    reproduces_paper: bool
    primary_metric: str = checked(one_of("accuracy", "macro_f1"))
    seeds: list[int] = checked(distinct)
    run_encoders: list[str] = checked(distinct)
    run_representations: list[str] = checked(none_twice)
    run_variants: RunVariants
    validation_share: float = checked(number(above=0, below=1))
    long_tail_ratio: float | None = checked(number(least=1))
    long_tail_largest: int | None = checked(number(least=1))
    train_rows: int | None = checked(number(least=2))
    hyperparameters: dict[str, Hyperparameters]


@dataclass(frozen=True)
class Study:
    """A benchmark together with what it shares with all others."""

    shared: Shared
    benchmark: Benchmark
    dataset: Dataset

    @property
    def protocol(self) -> Protocol:
        return self.shared.protocols[self.benchmark.protocol]

    def check_encoder(self, encoder: str) -> None:
        """Refuse an encoder without settings in this benchmark."""
        file = paths.benchmark_params(self.benchmark.name)
        refuse_unknown(file, "hyperparameters", encoder, self.benchmark.hyperparameters)

    def check_cell(self, encoder: str, variant: str, stages: tuple[str, ...]) -> Variant:
        """The variant's definition; refuses an encoder without settings and a variant of other ``stages``."""
        self.check_encoder(encoder)
        fitting = [name for name, known in self.shared.variants.items() if known.encoder_from in stages]
        refuse_unknown(paths.SHARED_PARAMS, "variants", variant, fitting)
        return self.shared.variants[variant]

    def check_baseline(self, encoder: str, variant: str) -> None:
        """Refuse a baseline that does not exist, and an encoder where the baseline has none or the other way round."""
        fitting = [name for name, known in self.shared.baselines.items() if known.needs_encoder == bool(encoder)]
        refuse_unknown(paths.SHARED_PARAMS, "baselines", variant, fitting)
        if encoder:
            refuse_unknown(paths.SHARED_PARAMS, "encoders", encoder, self.shared.encoders)

    def title(self, variant: str) -> str:
        known = {**self.shared.variants, **self.shared.baselines}
        return known[variant].title
