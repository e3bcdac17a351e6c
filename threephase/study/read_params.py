"""The params files, read and checked as a whole; the only place that reads them."""

import dataclasses
from pathlib import Path
from typing import Any

from threephase.base import paths
from threephase.base.errors import UserError, shortened, warn
from threephase.study.labelled_rows import check_labels, check_split
from threephase.study.methods import check_reads, with_heads, with_methods
from threephase.study.paper_params import Paper
from threephase.study.params import BASELINES, METHOD, MOST_TOKENS, PRETRAINED, THREE_PHASE, Shared, Study, StudyParams
from threephase.study.schema import build, in_short, read_yaml, refuse_unknown
from threephase.study.source_params import Dataset, EncoderSource, check_source
from threephase.study.topology import DENOISE, FIT_CLASSIFIER, classifier_program, is_ablation, maker_of

ENCODER_KEYS = {
    "python_package": ("package", "version", "folder", "sha256"),
    "folder": ("folder", "sha256"),
    "hub": ("id", "revision"),
}


@in_short()
def load_shared() -> Shared:
    """Read and check ``shared.yaml`` and the definitions of ``encoders/``."""
    encoders = {file.stem: _load_encoder(file) for file in sorted(paths.ENCODERS.glob("*.yaml"))}
    file = paths.SHARED_PARAMS
    content = read_yaml(file)
    if "encoders" in content:
        raise UserError(f"{file}: encoders: got them here, expected a file each in {paths.ENCODERS}/")
    shared = with_methods(build(Shared, content | {"encoders": encoders}, file))
    for name, setting in shared.imbalance.items():
        if setting.max_ratio <= setting.min_ratio:
            expected = f"a number above min_ratio ({setting.min_ratio:g})"
            raise UserError(f"{file}: imbalance.{name}.max_ratio: got {setting.max_ratio:g}, expected {expected}")
    for name in shared.baselines:
        refuse_unknown(file, "baselines", name, BASELINES)
    for name, claim in shared.claims.items():
        for variant in [claim.variant, *claim.others]:
            refuse_unknown(file, f"claims.{name}", variant, shared.variants)
    for name, variant in shared.variants.items():
        if variant.imbalance not in (None, "none"):
            refuse_unknown(file, f"variants.{name}.imbalance", variant.imbalance, shared.imbalance)
        if variant.pairs_as_many_as is not None:
            fitting = [n for n, v in shared.variants.items() if v.imbalance and v.pairs_as_many_as is None]
            refuse_unknown(file, f"variants.{name}.pairs_as_many_as", variant.pairs_as_many_as, fitting)
        if variant.encoder_of is not None:
            making = [n for n, v in shared.variants.items() if v.encoder_from == variant.encoder_from]
            refuse_unknown(file, f"variants.{name}.encoder_of", variant.encoder_of, making)
        elif variant.imbalance is None and variant.encoder_from not in (PRETRAINED, DENOISE, METHOD):
            raise UserError(f"{file}: variants.{name}.imbalance: the key is missing, expected normal, extra or none")
    return shared


def _load_encoder(file: Path) -> EncoderSource:
    encoder = build(EncoderSource, read_yaml(file), file)
    for key in ENCODER_KEYS[encoder.source]:
        if getattr(encoder, key) is None:
            raise UserError(f"{file}: {key}: the key is missing, expected a text for source {encoder.source!r}")
    return encoder


def dataset_names() -> list[str]:
    """The data sets that have a definition."""
    return sorted(file.stem for file in paths.DATA.glob("*.yaml"))


@in_short()
def load_dataset(name: str) -> Dataset:
    """Read and check ``data/<name>.yaml`` and the definitions that its parts name, which take the names' places."""
    dataset, file, parts = _load_dataset(name), paths.dataset_definition(name), []
    for number, part in enumerate(dataset.source.parts):
        place = f"source.parts[{number}].dataset"
        refuse_unknown(file, place, part.dataset, dataset_names())
        if (definition := _load_dataset(part.dataset)).source.parts:
            raise UserError(f"{file}: {place}: got {part.dataset!r}, which has parts too, expected one that has none")
        parts.append(dataclasses.replace(part, dataset=definition))
    return dataclasses.replace(dataset, source=dataclasses.replace(dataset.source, parts=parts))


def _load_dataset(name: str) -> Dataset:
    file = paths.dataset_definition(name)
    refuse_unknown(paths.DATA, "dataset", name, dataset_names())
    dataset = build(Dataset, {"name": name} | read_yaml(file), file)
    if dataset.name != name:
        raise UserError(f"{file}: name: got {dataset.name!r}, expected the file's name {name!r}")
    check_source(dataset, file)
    classes = dataset.expected.labels if dataset.class_names is None else dataset.class_names.values()
    if classes is not None and dataset.positive_class is not None:
        refuse_unknown(file, "positive_class", dataset.positive_class, list(classes))
    return dataset


def load_datasets() -> dict[str, Dataset]:
    """Read and check all data sets, by name."""
    return {name: load_dataset(name) for name in dataset_names()}


@in_short()
def load_paper() -> Paper:
    """Read and check ``paper/params.yaml``."""
    return build(Paper, read_yaml(paths.PAPER_PARAMS), paths.PAPER_PARAMS)


@in_short()
def study_folders() -> dict[str, Path]:
    """The folder of every study by its name, the default study first."""
    default = read_yaml(Path(paths.PARAMS)).get("name")
    if not isinstance(default, str):
        raise UserError(f"{paths.PARAMS}: name: got {shortened(repr(default))}, expected a name for the default study")
    others = sorted(file.parent for file in paths.STUDIES.glob(f"*/{paths.PARAMS}"))
    for folder in others:
        if folder.name == default:
            raise UserError(f"{folder}: got the default study's name ({paths.PARAMS}), expected another one")
    return {default: Path()} | {folder.name: folder for folder in others}


def load_study(name: str = "") -> Study:
    """Read and check one study with everything it refers to; without a name the default one."""
    folders = study_folders()
    name = name or next(iter(folders))
    refuse_unknown(paths.STUDIES, "study", name, folders)
    return _load_study(load_shared(), name, folders)


def study_in(folder: Path) -> Study:
    """Read and check the study of a folder, the top folder or one of ``studies/``."""
    return load_study(folder.name)


def read_studies() -> dict[str, Study | UserError]:
    """Every study by its name, or why it is refused."""
    shared, folders, studies = load_shared(), study_folders(), {}
    for name in folders:
        try:
            studies[name] = _load_study(shared, name, folders)
        except UserError as error:
            studies[name] = error
    return studies


def load_studies(all_good: bool = True) -> dict[str, Study]:
    """Read and check all studies, by name; a broken one is refused, or left out with a warning if not ``all_good``."""
    studies = read_studies()
    for error in [study for study in studies.values() if isinstance(study, UserError)]:
        if all_good:
            raise error
        warn(f"left out: {error}")
    return {name: study for name, study in studies.items() if isinstance(study, Study)}


def load_published() -> dict[str, Study]:
    """Read and check all published studies by the params files that were published with them, by name."""
    shared, folders, studies = load_shared(), study_folders(), {}
    for file in sorted(paths.PUBLISHED.glob(f"*/{paths.PARAMS}")):
        name = file.parent.name
        folder = folders.get(name, paths.STUDIES / name)
        studies[name] = _checked(shared, name, folder, {"name": name} | read_yaml(file), file)
    return studies


def _load_study(shared: Shared, name: str, folders: dict[str, Path]) -> Study:
    file = paths.study_params(folders[name])
    return _checked(shared, name, folders[name], with_base(name, folders), file)


def base_files(name: str) -> list[Path]:
    """The params files of the studies that a study builds on, the nearest first."""
    return [paths.study_params(study_folders()[base]) for base in _bases(name, study_folders())]


@in_short()
def _bases(name: str, folders: dict[str, Path]) -> list[str]:
    names, file = [name], paths.study_params(folders[name])
    while (base := read_yaml(file).get("base")) is not None:
        refuse_unknown(file, "base", base, folders)
        if base in names:
            raise UserError(f"{file}: base: got {base!r}, which itself builds on {names[-1]!r}; expected no circle")
        names.append(base)
        file = paths.study_params(folders[base])
    return names[1:]


@in_short()
def with_base(name: str, folders: dict[str, Path]) -> dict[str, Any]:
    """A study's keys over those of its bases, a mapping's one by one."""
    file, content = paths.study_params(folders[name]), {}
    own = read_yaml(file)
    for part in [*(read_yaml(paths.study_params(folders[base])) for base in reversed(_bases(name, folders))), own]:
        content = _over(content, part)
    if own.get("name", name) != name:
        raise UserError(f"{file}: name: got {shortened(repr(own['name']))}, expected the folder's name {name!r}")
    if "seeds" not in own:
        raise UserError(f"{file}: seeds: the key is missing, expected a list; dvc reads it there, not from a base")
    return {"name": name} | {key: value for key, value in content.items() if key not in ("base", "name")}


def _over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The keys of ``own`` over those of ``base``, mappings merged."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _over(base[key], value) if both else value
    return merged


@in_short()
def _checked(shared: Shared, name: str, folder: Path, content: dict[str, Any], file: Path) -> Study:
    params = build(StudyParams, content, file)
    if params.name != name:
        raise UserError(f"{file}: name: got {params.name!r}, expected {name!r}")
    refuse_unknown(file, "dataset", params.dataset, dataset_names())
    for encoder in params.encoders:
        refuse_unknown(file, "encoders", encoder, shared.encoders)
        for key in ("hyperparameters", "variants"):
            named = getattr(params, key)
            if isinstance(named, dict) and encoder not in named:
                raise UserError(
                    f"{file}: {key}: got none for the encoder {encoder!r}, only for: {', '.join(named) or '(none)'}"
                )
    # Of a base's encoders only those that the study runs.
    others = shared.encoders.keys() - set(params.encoders)
    for key in ("hyperparameters", "variants"):
        if isinstance(named := getattr(params, key), dict):
            own = {encoder: value for encoder, value in named.items() if encoder not in others}
            params = dataclasses.replace(params, **{key: own})
    shared = with_heads(shared, params.trained(), file)
    return Study(shared, params, _check_params(shared, params, file), folder)


def _check_params(shared: Shared, params: StudyParams, file: Path) -> Dataset:
    """Refuse what does not fit together; returns the study's data set."""
    dataset = load_dataset(params.dataset)
    refuse_unknown(file, "protocol", params.protocol, shared.protocols)
    for baseline in params.baselines:
        refuse_unknown(file, "baselines", baseline, shared.baselines)
    _check_variants(shared, params, file)
    check_split(params, file)
    check_labels(shared, params, file)
    for encoder in params.hyperparameters:
        refuse_unknown(file, "hyperparameters", encoder, shared.encoders)
        _check_hyperparameters(shared, params, encoder, file)
    if dataset.folds is not None and max(params.seeds) >= dataset.folds:
        raise UserError(
            f"{file}: seeds: got {params.seeds}, expected folds of {params.dataset}: 0 to {dataset.folds - 1}"
        )
    return dataset


def _check_hyperparameters(shared: Shared, params: StudyParams, encoder: str, file: Path) -> None:
    settings, place = params.hyperparameters[encoder], f"hyperparameters.{encoder}"
    length = settings.max_length
    if length not in ("model", "estimate") and not (isinstance(length, int) and 3 <= length <= MOST_TOKENS):
        expected = f"a whole number of 3 to {MOST_TOKENS:,}, model or estimate"
        raise UserError(f"{file}: {place}.max_length: got {shortened(repr(length))}, expected {expected}")
    for key in ("lr_classifier", "max_epochs_classifier"):
        by_variant = getattr(settings, key)
        if not isinstance(by_variant, dict):
            continue
        for variant in by_variant:
            refuse_unknown(file, f"{place}.{key}", variant, shared.variants)
        for variant in params.variants_of(encoder) if encoder in params.encoders else []:
            fitted = classifier_program(shared, variant) == FIT_CLASSIFIER
            if shared.variants[variant].recipe is None and not fitted and variant not in by_variant:
                raise UserError(f"{file}: {place}.{key}.{variant}: the key is missing, expected a number")


def _check_variants(shared: Shared, params: StudyParams, file: Path) -> None:
    """Every encoder has a list of variants that exist, each once, and what an ablation is compared with is in it."""
    for encoder in params.variants if isinstance(params.variants, dict) else []:
        refuse_unknown(file, "variants", encoder, params.encoders)
    for encoder in params.encoders:
        variants = params.variants_of(encoder)
        if len(set(variants)) < len(variants):
            raise UserError(f"{file}: variants: got {variants}, expected none of them twice")
        for variant in variants:
            refuse_unknown(file, "variants", variant, shared.variants)
            maker = maker_of(shared, variant)
            if maker in shared.methods:
                check_reads(shared, maker, [name for name in dataset_names() if name != params.dataset])
            if maker in shared.variants and is_ablation(shared, maker) and THREE_PHASE not in variants:
                raise UserError(f"{file}: variants: {THREE_PHASE!r} is missing, with which {variant!r} is compared")
    if not params.trained() and not params.baselines:
        known = ", ".join(shared.variants)
        raise UserError(f"{file}: variants: got none and no baselines, expected at least one of: {known}")
