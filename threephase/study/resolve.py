"""From a study's parameters to the settings of each of its stages (``resolve_settings`` writes them)."""

import csv
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threephase.base import paths
from threephase.base.files import files_in
from threephase.study import closure, rules, topology
from threephase.study.methods import module_name
from threephase.study.paper_params import Paper
from threephase.study.params import SPLIT_SETTINGS, Study
from threephase.study.read_params import load_dataset
from threephase.study.resolve_trainings import baseline_settings, encoder_settings, training_settings
from threephase.study.settings import DataSettings, Machine, SourceSettings, SplitSettings, TrainingSettings
from threephase.study.source_params import WORDS, Expected, Part

TEMPLATES = Path("threephase/report/templates")


def files_of(program: str) -> list[Path]:
    """What a stage reads besides its code, inputs and settings: files of the paper, and templates."""
    if program == topology.COLLECT:
        return [paths.PAPER_NUMBERS]
    if program == topology.REPORT:
        return [paths.CITATION, paths.DEVIATIONS, *sorted(TEMPLATES.glob("*"))]
    if program == topology.AUDIT:
        with paths.PAPER_NUMBERS.open(encoding="utf-8", newline="") as numbers:
            datasets = sorted({row["dataset"] for row in csv.DictReader(numbers)})
        # The paper's own alone: a data set of the reader's must not change the default study's pipeline.
        definitions = [file for file in map(paths.dataset_definition, datasets) if file.is_file()]
        return [paths.PAPER_NUMBERS, paths.PAPER_SETTINGS, paths.PAPER_REFERENCES, *definitions]
    return []


@dataclass(frozen=True)
class Resolved:
    """What one stage of dvc reads: ``program`` is its module, ``item`` which of its trainings, encoders or cells.

    ``study``: the complete settings, where the stage reads them too; ``own_files``: the reader's own texts; ``method``:
    the module of the method that the stage trains.
    """

    program: str
    item: str
    content: Any
    study: Mapping[str, Any] | None = None
    own_files: Sequence[Path] = ()
    method: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The content with the checksums of the code and of the other files that can change what the stage makes."""
        # What a report prints of a study's shape and names, commands for one, changes no training.
        shown = closure.SHOWN if self.program in (*topology.REPORT_STAGES, topology.REPRESENTATIONS) else ()
        by_name = [self.method] if self.method else []
        files = [*closure.modules_of(self.program, shown, by_name), *files_of(self.program)]
        for named in self.own_files:
            files += files_in(named) if named.is_dir() else [named]
        content = self.content if isinstance(self.content, Mapping) else _short(self.content)
        about = {"stage": self.program, "settings": content} | ({} if self.study is None else {"study": self.study})
        return about | {"files": closure.checksums([file for file in files if file.is_file()])}

    def as_text(self) -> str:
        """The content of the settings file."""
        return json.dumps(self.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def settings_of(study: Study, machine: Machine, paper: Paper) -> Iterator[Resolved]:
    """The settings of every stage of a study."""
    yield from _of_sources(study)
    yield Resolved(topology.SPLIT, "", split_settings(study))
    for training in topology.trainings(study):
        make = baseline_settings if training.stage in topology.BASELINE_STAGES else training_settings
        content = make(study, training, machine)
        by_method = training.program in topology.BY_METHOD
        method = module_name(content.method.file) if by_method else None
        yield Resolved(training.program, training.cell, content, method=method)
    for encoder, variant in topology.cells(study):
        about = summary_settings(study) | {"encoder": encoder, "variant": variant}
        yield Resolved(topology.SUMMARIZE, paths.cell_name(encoder, variant), about)
    whole = complete(study, machine)
    # The order of all variants gives them colours; the page tells what the paper's text and the code differ in.
    shown = whole | {"variant_titles": {name: known.title for name, known in study.shared.variants.items()}}
    more = {topology.COLLECT: {"paper": _plain(paper)}, topology.REPORT: {"protocols": _plain(study.shared.protocols)}}
    for stage in topology.REPORT_STAGES:
        yield Resolved(stage, "", shown | more.get(stage, {}))
    if study.params.draw_encoders:
        for encoder in study.params.encoders:
            about = TrainingSettings(encoder_settings(study, encoder), machine)
            yield Resolved(topology.REPRESENTATIONS, encoder, about, whole)
    if study.folder == Path():
        # The paper's: a method has none.
        variants = study.shared.variants
        names = {name: known.imbalance for name, known in variants.items() if name not in study.shared.methods}
        yield Resolved(topology.AUDIT, "", {"imbalance": whole["imbalance"], "imbalance_of_variants": names})


def programs(study: Study) -> list[str]:
    """The modules of ``stages/`` that a study's stages run, but for ``resolve_settings`` itself."""
    machine, paper = Machine("cpu", "fp32", 1), Paper({}, {}, None)
    return list(dict.fromkeys(resolved.program for resolved in settings_of(study, machine, paper)))


def _of_sources(study: Study) -> Iterator[Resolved]:
    dataset, sources = study.dataset, study.shared.sources
    # What fetching does not read: an edit of a title must not ask the hub again.
    unread = {"title": "", "licence": "", "expected": Expected(), "positive_class": None, "folds": None}
    unread |= {
        "test_rows": None,
        "withheld_rows": 0,
        "stratified_test_rows": False,
        "sample_rows": None,
        "units": WORDS,
    }
    parts = [_untitled(part) for part in dataset.source.parts]
    fetched = dataclasses.replace(dataset, **unread, deduplicate=False, contradicting_labels="first", class_names=None)
    fetched = dataclasses.replace(fetched, source=dataclasses.replace(dataset.source, parts=parts))
    # By their content: a study's fetched rows may come from the cache of another study.
    yield Resolved(topology.FETCH, "", DataSettings(fetched, sources), own_files=dataset.source.own_files)
    yield Resolved(topology.PREPARE, "", DataSettings(dataset, sources))
    for method, name in topology.data_by_method(study).items():
        other = load_dataset(name)
        yield Resolved(topology.METHOD_DATA, method, DataSettings(other, sources), own_files=other.source.own_files)
    for encoder in study.params.encoders:
        source = dataclasses.replace(study.shared.encoders[encoder], title="", licence="")
        yield Resolved(topology.FETCH_ENCODER, encoder, SourceSettings(source, sources))


def _untitled(part: Part) -> Part:
    return dataclasses.replace(part, dataset=dataclasses.replace(part.dataset, title="", licence=""))


def split_settings(study: Study) -> SplitSettings:
    of_protocol = ("validation_cut", "selection_split", "rows_of_phases_1_2", "no_imbalance_lowercase")
    return SplitSettings(
        folds=study.dataset.folds,
        imbalance=study.shared.imbalance,
        units=study.dataset.units,
        phase_1_knows_labels=rules.phase_1_knows_labels(study),
        **{key: getattr(study.params, key) for key in SPLIT_SETTINGS},
        **{key: getattr(study.protocol, key) for key in of_protocol},
    )


def summary_settings(study: Study) -> dict[str, Any]:
    """What a cell's summary depends on besides its predictions."""
    return {
        **{key: getattr(study.params, key) for key in ("name", "dataset", "protocol", "seeds")},
        "folds": study.dataset.folds,
        "positive_class": study.dataset.positive_class,
        "statistics": dataclasses.asdict(study.shared.statistics),
    }


def complete(study: Study, machine: Machine) -> dict[str, Any]:
    """A study's complete settings, ``resolved.yaml``: its own keys, and of what is shared all that it uses."""
    shared, params = study.shared, study.params
    own = dataclasses.asdict(params)
    own["hyperparameters"] = {name: own["hyperparameters"][name] for name in params.encoders}
    used = {variant for _, variant in topology.cells(study)} | {
        training.variant for training in topology.trainings(study)
    }
    definitions = {
        "protocol_switches": study.protocol,
        "training": shared.training,
        "imbalance": shared.imbalance,
        "variant_definitions": {name: known for name, known in shared.variants.items() if name in used},
        "baseline_definitions": {name: known for name, known in shared.baselines.items() if name in used},
        "baseline_inverse_regularization": shared.baseline_inverse_regularization,
        "encoder_definitions": {name: shared.encoders[name] for name in params.encoders},
        "dataset_definition": study.dataset,
        "sources": shared.sources,
        "statistics": shared.statistics,
        "claims": shared.claims,
        "verdicts": shared.verdicts,
        "machine": machine,
    }
    if methods := {name: known for name, known in shared.methods.items() if name in used}:
        definitions["method_definitions"] = methods
    return own | {name: _plain(value) for name, value in definitions.items()}


def _short(settings: Any) -> dict[str, Any]:
    """A dataclass as a mapping, without what is not used: sections that another phase has."""
    content = dataclasses.asdict(settings)
    optional = {
        field.name for field in dataclasses.fields(settings) if field.default is None or field.default_factory is list
    }
    return {key: value for key, value in content.items() if key not in optional or value not in (None, [])}


def _plain(value: Any) -> Any:
    """Dataclasses as mappings, below mappings too."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
