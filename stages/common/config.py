"""The params files, read and checked as a whole; the only place that reads them."""

from pathlib import Path
from typing import Any

from stages.common import paths
from stages.common.errors import UserError
from stages.common.paper_settings import Paper
from stages.common.schema import build, read_yaml, refuse_unknown
from stages.common.settings import (
    BASELINES,
    DENOISED,
    JOINT,
    PRETRAINED,
    THREE_PHASE,
    TRAINED_ENCODER_STAGES,
    Benchmark,
    Shared,
    Study,
)
from stages.common.source_settings import SPLITS, Dataset

ENCODER_KEYS = {
    "python_package": ("package", "version", "folder", "sha256"),
    "folder": ("folder", "sha256"),
    "hub": ("id", "revision"),
}


def load_shared() -> Shared:
    """Read and check the root ``params.yaml``."""
    shared = build(Shared, read_yaml(paths.SHARED_PARAMS), paths.SHARED_PARAMS)
    for name, encoder in shared.encoders.items():
        why = f"source {encoder.source!r}"
        _refuse_missing(paths.SHARED_PARAMS, f"encoders.{name}", encoder, ENCODER_KEYS[encoder.source], why)
    for name, setting in shared.imbalance.items():
        if setting.max_ratio <= setting.min_ratio:
            raise UserError(
                f"{paths.SHARED_PARAMS}: imbalance.{name}.max_ratio: got {setting.max_ratio:g}, expected a number "
                f"above min_ratio ({setting.min_ratio:g})"
            )
    for name in shared.baselines:
        refuse_unknown(paths.SHARED_PARAMS, "baselines", name, BASELINES)
    for name, claim in shared.claims.items():
        for variant in [claim.variant, *claim.others]:
            refuse_unknown(paths.SHARED_PARAMS, f"claims.{name}", variant, shared.variants)
    for name, variant in shared.variants.items():
        if variant.imbalance not in (None, "none"):
            refuse_unknown(paths.SHARED_PARAMS, f"variants.{name}.imbalance", variant.imbalance, shared.imbalance)
        if variant.pairs_as_many_as is not None:
            fitting = [n for n, v in shared.variants.items() if v.imbalance and v.pairs_as_many_as is None]
            refuse_unknown(paths.SHARED_PARAMS, f"variants.{name}.pairs_as_many_as", variant.pairs_as_many_as, fitting)
        if variant.encoder_of is not None:
            making = [n for n, v in shared.variants.items() if v.encoder_from == variant.encoder_from]
            refuse_unknown(paths.SHARED_PARAMS, f"variants.{name}.encoder_of", variant.encoder_of, making)
            continue
        if variant.imbalance is None and variant.encoder_from not in (PRETRAINED, "train_dae"):
            raise UserError(
                f"{paths.SHARED_PARAMS}: variants.{name}.imbalance: the key is missing, expected normal, extra or none"
            )
    return shared


def load_dataset(name: str) -> Dataset:
    """Read and check ``data/<name>/params.yaml``."""
    file = paths.dataset_params(name)
    refuse_unknown(paths.DATA, "dataset", name, _folders_with_params(paths.DATA))
    dataset = build(Dataset, read_yaml(file), file)
    _named_after_folder(file, dataset.name, name)
    _check_source(dataset, file)
    names = dataset.class_names
    if names is not None and dataset.positive_class is not None:
        refuse_unknown(file, "positive_class", dataset.positive_class, list(names.values()))
    return dataset


def _check_source(dataset: Dataset, file: Path) -> None:
    """The source names what its kind needs, in splits that exist; folds and a test set exclude each other."""
    source = dataset.source
    by_split = source.files if isinstance(source.files, dict) else None
    shared = [key for key in ("hub", "folder", "python_package") if getattr(source, key) is not None]
    if source.files is None and not shared:
        raise UserError(f"{file}: source: got none, expected one of: hub, folder, python_package, files")
    if source.files is not None and shared:
        raise UserError(f"{file}: source.{shared[0]}: got it besides source.files, expected your own files alone")
    if source.split_column is not None and not isinstance(source.files, str):
        raise UserError(f"{file}: source.split_column: expected it only where source.files is one file or folder")
    named = {"source.splits": source.splits, "source.files": by_split}
    if source.hub is not None:
        named["source.hub.splits"] = source.hub.splits
        if source.hub.splits is None and source.splits is None:
            raise UserError(f"{file}: source.splits: the key is missing, expected the hub's split by ours")
        for column in source.hub.columns or {}:
            refuse_unknown(file, "source.hub.columns", column, [*dataset.text_columns, *dataset.label_columns])
    if source.folder is not None and source.splits is None:
        raise UserError(f"{file}: source.splits: the key is missing, expected the file's name by split")
    for place, splits in named.items():
        for split in splits or {}:
            refuse_unknown(file, place, split, SPLITS)
    if dataset.folds is not None and (dataset.test_rows is not None or any("test" in s for s in named.values() if s)):
        raise UserError(f"{file}: folds: got {dataset.folds} besides a test set, expected one of the two")


def load_datasets() -> dict[str, Dataset]:
    """Read and check all data sets, by name."""
    return {name: load_dataset(name) for name in _folders_with_params(paths.DATA)}


def load_paper() -> Paper:
    """Read and check ``paper/params.yaml``."""
    return build(Paper, read_yaml(paths.PAPER_PARAMS), paths.PAPER_PARAMS)


def load_study(name: str) -> Study:
    """Read and check one benchmark with everything it refers to."""
    refuse_unknown(paths.BENCHMARKS, "benchmark", name, _folders_with_params(paths.BENCHMARKS))
    return _load_study(load_shared(), name, paths.benchmark_params(name))


def load_studies() -> dict[str, Study]:
    """Read and check all benchmarks, by name."""
    shared = load_shared()
    names = _folders_with_params(paths.BENCHMARKS)
    return {name: _load_study(shared, name, paths.benchmark_params(name)) for name in names}


def load_published() -> dict[str, Study]:
    """Read and check all published benchmarks by the params files that were published with them, by name."""
    shared = load_shared()
    names = _folders_with_params(paths.PUBLISHED)
    return {name: _load_study(shared, name, paths.published(name) / "params.yaml") for name in names}


def _load_study(shared: Shared, name: str, file: Path) -> Study:
    content = read_yaml(file)
    twice = sorted(set(content) & set(Shared.__dataclass_fields__))
    if twice:
        raise UserError(
            f"{file}: {twice[0]}: the key also stands in {paths.SHARED_PARAMS}; expected it in one of the two"
        )
    benchmark = build(Benchmark, content, file)
    _named_after_folder(file, benchmark.name, name)
    dataset = _check_benchmark(shared, benchmark, file)
    return Study(shared, benchmark, dataset)


def _check_benchmark(shared: Shared, benchmark: Benchmark, file: Path) -> Dataset:
    """Refuse what does not fit together; returns the benchmark's data set."""
    refuse_unknown(file, "dataset", benchmark.dataset, _folders_with_params(paths.DATA))
    dataset = load_dataset(benchmark.dataset)
    refuse_unknown(file, "protocol", benchmark.protocol, shared.protocols)
    for encoder in benchmark.run_encoders:
        refuse_unknown(file, "run_encoders", encoder, shared.encoders)
        refuse_unknown(file, "hyperparameters", encoder, benchmark.hyperparameters)
    _check_representations(benchmark, file)
    if any(seed < 0 for seed in benchmark.seeds):
        raise UserError(f"{file}: seeds: got {benchmark.seeds}, expected whole numbers of at least 0")
    if (benchmark.long_tail_ratio is None) != (benchmark.long_tail_largest is None):
        raise UserError(
            f"{file}: long_tail_largest: expected a number where long_tail_ratio is one, else null for both"
        )
    if None not in (benchmark.long_tail_ratio, benchmark.train_rows):
        raise UserError(
            f"{file}: train_rows: got {benchmark.train_rows}, expected null where long_tail_ratio is a number"
        )
    if benchmark.long_tail_ratio is not None and benchmark.long_tail_largest < benchmark.long_tail_ratio:
        raise UserError(
            f"{file}: long_tail_largest: got {benchmark.long_tail_largest}, expected at least long_tail_ratio "
            f"({benchmark.long_tail_ratio:g}), so that the smallest class keeps a row"
        )
    for encoder, settings in benchmark.hyperparameters.items():
        refuse_unknown(file, "hyperparameters", encoder, shared.encoders)
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
                    refuse_unknown(file, f"{place}.{key}", variant, shared.variants)
                for variant in benchmark.run_variants.trained():
                    if shared.variants[variant].recipe is None and variant not in by_variant:
                        raise UserError(f"{file}: {place}.{key}.{variant}: the key is missing, expected a number")
    _check_run_variants(shared, benchmark, file)
    if dataset.folds is not None and max(benchmark.seeds) >= dataset.folds:
        raise UserError(
            f"{file}: seeds: got {benchmark.seeds}, expected folds of {benchmark.dataset}: 0 to {dataset.folds - 1}"
        )
    return dataset


def _check_representations(benchmark: Benchmark, file: Path) -> None:
    """Encoders that are drawn are run, and phase 1 or 2 trains them."""
    for encoder in benchmark.run_representations:
        refuse_unknown(file, "run_representations", encoder, benchmark.run_encoders)
    lists = benchmark.run_variants
    if benchmark.run_representations and not any(getattr(lists, stage) for stage in TRAINED_ENCODER_STAGES):
        got = ", ".join(benchmark.run_representations)
        raise UserError(f"{file}: run_representations: got {got}, expected [] where no stage trains an encoder")


def _check_run_variants(shared: Shared, benchmark: Benchmark, file: Path) -> None:
    """Every list holds what its stage can run, and what a variant needs is in the other lists."""
    lists, variants = benchmark.run_variants, shared.variants
    trained = lists.trained()
    fitting = {stage: [n for n, v in variants.items() if v.encoder_from == stage] for stage in TRAINED_ENCODER_STAGES}
    fitting["train_dae"], fitting["train_joint"] = [DENOISED], [JOINT]  # their commands name no variant
    contrastive = [n for n in fitting["train_contrastive"] if variants[n].encoder_of is None and n != THREE_PHASE]
    with_encoder = [n for n, v in variants.items() if v.encoder_from != PRETRAINED and v.encoder_of is None]
    fitting["train_contrastive"] = [THREE_PHASE]
    fitting["train_contrastive_ablation"] = contrastive
    fitting["train_classifier"] = [n for n in with_encoder if n not in contrastive]
    fitting["train_classifier_ablation"] = contrastive
    fitting["train_classifier_ordinary"] = [n for n, v in variants.items() if v.encoder_of == THREE_PHASE]
    fitting["train_classifier_from_pretrained"] = [n for n, v in variants.items() if v.encoder_from == PRETRAINED]
    fitting["train_baselines"] = [n for n, b in shared.baselines.items() if not b.needs_encoder]
    fitting["train_baselines_on_embeddings"] = [n for n, b in shared.baselines.items() if b.needs_encoder]
    fitting["summarize_cell"] = trained + lists.train_baselines_on_embeddings
    fitting["summarize_cell_without_encoder"] = lists.train_baselines
    for stage, allowed in fitting.items():
        given, place = getattr(lists, stage), f"run_variants.{stage}"
        if len(set(given)) != len(given):
            raise UserError(f"{file}: {place}: got {given}, expected no variant twice")
        for variant in given:
            refuse_unknown(file, place, variant, allowed)
    for variant in trained:
        maker = variants[variant].encoder_of or variant
        stage = variants[variant].encoder_from
        stage = "train_contrastive_ablation" if maker in contrastive else stage
        if stage != PRETRAINED and maker not in getattr(lists, stage):
            raise UserError(f"{file}: run_variants.{stage}: {maker!r} is missing, whose encoder {variant!r} needs")
    for stage, needed in (
        ("train_contrastive", ("train_dae", DENOISED)),
        ("train_contrastive_ablation", ("train_contrastive", THREE_PHASE)),
        ("train_classifier_ablation", ("train_classifier", THREE_PHASE)),
    ):
        if getattr(lists, stage) and needed[1] not in getattr(lists, needed[0]):
            raise UserError(f"{file}: run_variants.{needed[0]}: {needed[1]!r} is missing, which {stage} builds on")
    for stage in ("summarize_cell", "summarize_cell_without_encoder"):
        for variant in fitting[stage]:
            if variant not in getattr(lists, stage):
                raise UserError(f"{file}: run_variants.{stage}: {variant!r} is missing, which another stage trains")


def _folders_with_params(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/params.yaml"))


def _refuse_missing(file: Path, place: str, section: Any, keys: tuple[str, ...], why: str) -> None:
    for key in keys:
        if getattr(section, key) is None:
            raise UserError(f"{file}: {place}.{key}: the key is missing, expected a text for {why}")


def _named_after_folder(file: Path, got: str, expected: str) -> None:
    if got != expected:
        raise UserError(f"{file}: name: got {got!r}, expected the folder's name {expected!r}")
