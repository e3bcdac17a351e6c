"""The parameters of the project as frozen dataclasses; the only reader of the params files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.common import paths
from stages.common.errors import UserError
from stages.common.schema import build, checked, distinct, not_empty, number, one_of, read_yaml

TRAINED_ENCODER_STAGES = ("train_dae", "train_contrastive", "train_contrastive_from_pretrained", "train_joint")
PRETRAINED = "pretrained"


@dataclass(frozen=True)
class EncoderSource:
    """Where a pre-trained encoder comes from; ``pooling`` is the one it was trained with."""

    title: str
    source: str = checked(one_of("python_package", "folder"))
    folder: str
    sha256: str
    pooling: str = checked(one_of("mean", "cls"))
    licence: str
    package: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Variant:
    """A path through the stages (columns of the paper's tables 3 and 4)."""

    title: str
    encoder_from: str = checked(one_of(*TRAINED_ENCODER_STAGES, PRETRAINED))
    imbalance: str | None = checked(one_of("normal", "extra", "none"), default=None)
    pairs_as_many_as: str | None = None


@dataclass(frozen=True)
class Baseline:
    """What a practitioner would try first, without any training of the encoder."""

    title: str
    needs_encoder: bool


@dataclass(frozen=True)
class Protocol:
    """The switches between the paper's text and the authors' code; each lists the values that exist."""

    bottleneck: bool
    contrastive_layer: bool
    pooling: str = checked(one_of("native", "cls"))
    encoder_in_phase_3: str = checked(one_of("as_configured"))
    head_activation: str = checked(one_of("relu", "none"))
    ft_start: str = checked(one_of("pretrained"))
    selection_split: str = checked(one_of("validation"))
    joint_targets: str = checked(one_of("label_similarity"))
    joint_settings: str = checked(one_of("as_configured"))
    no_imbalance_lowercase: bool = checked(one_of(False))
    stopword_copies: str = checked(one_of("enlarged_classes"))
    long_texts: str = checked(one_of("truncate"))
    dae_checkpoint: str = checked(one_of("last"))
    contrastive_checkpoint: str = checked(one_of("last"))
    stopping: str = checked(one_of("patience"))
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
    """How uncertainty is stated."""

    confidence: float = checked(number(above=0, below=1))
    min_seeds_for_seed_variance: int = checked(number(least=2))


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


@dataclass(frozen=True)
class Shared:
    """The root ``params.yaml``."""

    encoders: dict[str, EncoderSource] = checked(not_empty)
    variants: dict[str, Variant] = checked(not_empty)
    baselines: dict[str, Baseline] = checked(not_empty)
    baseline_inverse_regularization: list[float] = checked(distinct)
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
    train_contrastive_from_pretrained: list[str]
    train_joint: list[str]
    train_classifier: list[str]
    train_classifier_from_pretrained: list[str]
    train_baselines: list[str]
    train_baselines_on_embeddings: list[str]
    summarize_cell: list[str]
    summarize_cell_without_encoder: list[str]


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

    def for_variant(self, name: str, variant: str) -> Any:
        """The value of ``lr_classifier`` or ``max_epochs_classifier`` for one variant."""
        value = getattr(self, name)
        return value[variant] if isinstance(value, dict) else value


@dataclass(frozen=True)
class Benchmark:
    """``benchmarks/<name>/params.yaml``: a data set under one protocol with its settings."""

    name: str
    dataset: str
    protocol: str
    primary_metric: str = checked(one_of("accuracy", "macro_f1"))
    seeds: list[int] = checked(distinct)
    run_encoders: list[str] = checked(distinct)
    run_variants: RunVariants
    validation_share: float = checked(number(above=0, below=1))
    long_tail_ratio: float | None = checked(number(least=1))
    long_tail_largest: int | None = checked(number(least=1))
    hyperparameters: dict[str, Hyperparameters]

    @property
    def selection_metric(self) -> str:
        """What the best epoch is chosen by: macro F1 where the training part is long-tailed, else accuracy."""
        return "accuracy" if self.long_tail_ratio is None else "macro_f1"


@dataclass(frozen=True)
class DataSource:
    """An installed Python package's folder (``kind`` python_package) or a file of rows (``kind`` file)."""

    kind: str = checked(one_of("python_package", "file"))
    package: str | None = None
    version: str | None = None
    folder: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class Expected:
    """What the cleaned data must hold: rows, label counts, and the content's sha256; null where unknown."""

    rows: int | None = checked(number(least=1), default=None)
    labels: dict[str, int] | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Dataset:
    """``data/<name>/params.yaml``."""

    name: str
    title: str
    source: DataSource
    text_column: str
    label_columns: list[str] = checked(distinct)
    deduplicate: bool
    test_rows: int | None = checked(number(least=1))
    expected: Expected = field(default_factory=Expected)
    licence: str = ""


@dataclass(frozen=True)
class Study:
    """A benchmark together with what it shares with all others and the data set it runs on."""

    shared: Shared
    benchmark: Benchmark

    @property
    def protocol(self) -> Protocol:
        return self.shared.protocols[self.benchmark.protocol]

    def pooling(self, encoder: str) -> str:
        """``mean`` or ``cls``: the protocol's pooling for this encoder."""
        return "cls" if self.protocol.pooling == "cls" else self.shared.encoders[encoder].pooling

    def check_cell(self, encoder: str, variant: str, stages: tuple[str, ...]) -> Variant:
        """The variant's definition; refuses an encoder without settings and a variant of other ``stages``."""
        _known(paths.benchmark_params(self.benchmark.name), "hyperparameters", encoder, self.benchmark.hyperparameters)
        fitting = [name for name, known in self.shared.variants.items() if known.encoder_from in stages]
        _known(paths.SHARED_PARAMS, "variants", variant, fitting)
        return self.shared.variants[variant]

    def check_baseline(self, encoder: str, variant: str) -> None:
        """Refuse a baseline that does not exist, and an encoder where the baseline has none or the other way round."""
        fitting = [name for name, known in self.shared.baselines.items() if known.needs_encoder == bool(encoder)]
        _known(paths.SHARED_PARAMS, "baselines", variant, fitting)
        if encoder:
            _known(paths.SHARED_PARAMS, "encoders", encoder, self.shared.encoders)

    def title(self, variant: str) -> str:
        known = {**self.shared.variants, **self.shared.baselines}
        return known[variant].title


def load_shared() -> Shared:
    """Read and check the root ``params.yaml``."""
    shared = build(Shared, read_yaml(paths.SHARED_PARAMS), paths.SHARED_PARAMS)
    for name, claim in shared.claims.items():
        for variant in [claim.variant, *claim.others]:
            _known(paths.SHARED_PARAMS, f"claims.{name}", variant, shared.variants)
    for name, variant in shared.variants.items():
        if variant.imbalance not in (None, "none"):
            _known(paths.SHARED_PARAMS, f"variants.{name}.imbalance", variant.imbalance, shared.imbalance)
        if variant.pairs_as_many_as is not None:
            _known(paths.SHARED_PARAMS, f"variants.{name}.pairs_as_many_as", variant.pairs_as_many_as, shared.variants)
        if variant.imbalance is None and variant.encoder_from not in (PRETRAINED, "train_dae"):
            raise UserError(
                f"{paths.SHARED_PARAMS}: variants.{name}.imbalance: the key is missing, expected normal, extra or none"
            )
    return shared


def load_dataset(name: str) -> Dataset:
    """Read and check ``data/<name>/params.yaml``."""
    file = paths.dataset_params(name)
    known = sorted(path.parent.name for path in paths.DATA.glob("*/params.yaml"))
    _known(paths.DATA, "dataset", name, known)
    dataset = build(Dataset, read_yaml(file), file)
    _named_after_folder(file, dataset.name, name)
    source = dataset.source
    needed = ("package", "version", "folder") if source.kind == "python_package" else ("path",)
    for key in needed:
        if getattr(source, key) is None:
            raise UserError(f"{file}: source.{key}: the key is missing, expected a text for kind {source.kind!r}")
    return dataset


def load_study(name: str) -> Study:
    """Read and check one benchmark with everything it refers to."""
    known = sorted(path.parent.name for path in paths.BENCHMARKS.glob("*/params.yaml"))
    _known(paths.BENCHMARKS, "benchmark", name, known)
    shared, file = load_shared(), paths.benchmark_params(name)
    content = read_yaml(file)
    twice = sorted(set(content) & set(Shared.__dataclass_fields__))
    if twice:
        raise UserError(
            f"{file}: {twice[0]}: the key also stands in {paths.SHARED_PARAMS}; expected it in one of the two"
        )
    benchmark = build(Benchmark, content, file)
    _named_after_folder(file, benchmark.name, name)
    _check_benchmark(shared, benchmark, file)
    return Study(shared, benchmark)


def _check_benchmark(shared: Shared, benchmark: Benchmark, file: Path) -> None:
    load_dataset(benchmark.dataset)
    _known(file, "protocol", benchmark.protocol, shared.protocols)
    for encoder in benchmark.run_encoders:
        _known(file, "run_encoders", encoder, shared.encoders)
        _known(file, "hyperparameters", encoder, benchmark.hyperparameters)
    if any(seed < 0 for seed in benchmark.seeds):
        raise UserError(f"{file}: seeds: got {benchmark.seeds}, expected whole numbers of at least 0")
    if (benchmark.long_tail_ratio is None) != (benchmark.long_tail_largest is None):
        raise UserError(
            f"{file}: long_tail_largest: expected a number where long_tail_ratio is one, else null for both"
        )
    for encoder, settings in benchmark.hyperparameters.items():
        place = f"hyperparameters.{encoder}"
        length = settings.max_length
        if length not in ("model", "estimate") and not (isinstance(length, int) and length >= 3):
            raise UserError(
                f"{file}: {place}.max_length: got {length!r}, expected a whole number of at least 3, model or estimate"
            )
        for key in ("lr_classifier", "max_epochs_classifier"):
            by_variant = getattr(settings, key)
            if isinstance(by_variant, dict):
                for variant in by_variant:
                    _known(file, f"{place}.{key}", variant, shared.variants)
                for variant in (
                    benchmark.run_variants.train_classifier + benchmark.run_variants.train_classifier_from_pretrained
                ):
                    if variant not in by_variant:
                        raise UserError(f"{file}: {place}.{key}.{variant}: the key is missing, expected a number")
    _check_run_variants(shared, benchmark, file)


def _check_run_variants(shared: Shared, benchmark: Benchmark, file: Path) -> None:
    """Every list holds what its stage can run, and what a variant needs is in the other lists."""
    lists = benchmark.run_variants
    trained = lists.train_classifier + lists.train_classifier_from_pretrained
    fitting = {
        stage: [n for n, v in shared.variants.items() if v.encoder_from == stage] for stage in TRAINED_ENCODER_STAGES
    }
    fitting["train_classifier"] = [n for n, v in shared.variants.items() if v.encoder_from != PRETRAINED]
    fitting["train_classifier_from_pretrained"] = [
        n for n, v in shared.variants.items() if v.encoder_from == PRETRAINED
    ]
    fitting["train_baselines"] = [n for n, b in shared.baselines.items() if not b.needs_encoder]
    fitting["train_baselines_on_embeddings"] = [n for n, b in shared.baselines.items() if b.needs_encoder]
    fitting["summarize_cell"] = trained + lists.train_baselines_on_embeddings
    fitting["summarize_cell_without_encoder"] = lists.train_baselines
    for stage, allowed in fitting.items():
        given, place = getattr(lists, stage), f"run_variants.{stage}"
        if len(set(given)) != len(given):
            raise UserError(f"{file}: {place}: got {given}, expected no variant twice")
        for variant in given:
            _known(file, place, variant, allowed)
    for variant in trained:
        stage = shared.variants[variant].encoder_from
        if stage != PRETRAINED and variant not in getattr(lists, stage):
            raise UserError(
                f"{file}: run_variants.{stage}: {variant!r} is missing, which run_variants.train_classifier trains on"
            )
    if lists.train_contrastive and "dae_ft" not in lists.train_dae:
        raise UserError(
            f"{file}: run_variants.train_dae: 'dae_ft' is missing, which run_variants.train_contrastive starts from"
        )
    for stage in ("summarize_cell", "summarize_cell_without_encoder"):
        for variant in fitting[stage]:
            if variant not in getattr(lists, stage):
                raise UserError(f"{file}: run_variants.{stage}: {variant!r} is missing, which another stage trains")


def _known(file: Path, key: str, value: str, known: Any) -> None:
    if value not in known:
        raise UserError(f"{file}: {key}: got {value!r}, expected one of: {', '.join(known) or '(none)'}")


def _named_after_folder(file: Path, got: str, expected: str) -> None:
    if got != expected:
        raise UserError(f"{file}: name: got {got!r}, expected the folder's name {expected!r}")
