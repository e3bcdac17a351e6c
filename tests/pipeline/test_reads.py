"""What a stage reads is what it depends on: dvc runs it again where that changed, and only there."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import tiny_project
from tiny_project import DATASET, SHARED, STUDY

# Parameters that a stage may read though its settings lack them, and why no result is stale for it.
NOT_IN_SETTINGS = {
    f"{STUDY}:variants": "the pipeline has a stage a cell; read to refuse a wrong command line",
    f"{STUDY}:encoders": "the same",
    f"{STUDY}:baselines": "the same",
    f"{SHARED}:baselines.*.needs_encoder": "the same",
    f"{SHARED}:variants.*.encoder_from": "the same",
    f"{SHARED}:variants.*.encoder_of": "the same",
    f"{SHARED}:protocols.*.selection_split": "read to refuse what learns by labels that are not counted",
}
# Files that a stage may read without depending on them.
NOT_DEPENDED_ON = {
    "*params.yaml": "what is read of them stands in the settings",
    "shared.yaml": "the same",
    "data/*.yaml": "the same",
    "encoders/*.yaml": "the same",
    ".engine.json": "the machine's device and precision, outside of dvc",
    f"{tiny_project.ROWS}": "the source of a data set, whose content its definition declares",
    f"{tiny_project.ORIGIN}/*": "the source of an encoder, whose checksum its definition declares",
    "runs/data/source.json": "told in the report",
    "runs/pretrained/*.json": "told in the report",
    "runs/reports/*": "how a training went here, on which nothing depends",
    "stages*": "code; see test_contract",
    "threephase*": "the same",
    ".git*": "the revision, told in the report",
}
PARAMS_FILES = ("params.yaml", "shared.yaml", "data/*.yaml", "encoders/*.yaml", "paper/params.yaml")


@dataclass(frozen=True)
class Ran:
    """A command of a study: its stage's name, what that depends on and writes, its settings, and what it read."""

    root: Path
    command: str
    stage: str
    paths: set[str]
    settings: dict[str, Any]
    read: dict[str, list[str]]


@pytest.fixture(scope="module")
def studies(second_study, released_study) -> list[list[Ran]]:
    """The commands of two studies, one under each protocol."""
    runs = []
    for root, reads in (second_study, released_study):
        stages = declared(root)
        runs.append([Ran(root, command, *stages[command], read) for command, read in reads.items()])
    assert {ran.command for ran in runs[0]} == set(declared(runs[0][0].root))
    return runs


@pytest.fixture(scope="module")
def commands(studies) -> list[Ran]:
    return [ran for study in studies for ran in study]


def declared(root: Path) -> dict[str, tuple[str, set[str], dict[str, Any]]]:
    """By command its stage's name, the paths that it depends on or writes, and its settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_project.environment(root).items():
            patch.setenv(name, value)
        from dvc.repo import Repo

        with Repo(str(root)) as repo:
            return {stage.cmd: declarations(stage, root) for stage in repo.index.stages}


def declarations(stage, root: Path) -> tuple[str, set[str], dict[str, Any]]:
    paths = {str(Path(item.fs_path).relative_to(root)) for item in [*stage.deps, *stage.outs]}
    settings = [path for path in paths if path.startswith("runs/settings/")]
    content = json.loads(tiny_project.read(root, settings[0])) if settings else {}
    return re.split("@", stage.name)[0], paths, content


def first_stage(ran: Ran) -> bool:
    return ran.stage == "resolve_settings"


def names_in_settings(key: str) -> Iterator[str]:
    """Under which names a parameter may stand in a settings file."""
    file, name = key.split(":")
    yield name
    if file == DATASET:
        yield f"dataset_definition.{name}"
    section, *rest = name.split(".", 2)
    places = {
        "protocols": [f"protocol_switches.{rest[-1]}" if rest else "", name],
        "variants": [f"variant_definitions.{'.'.join(rest)}", f"variant_titles.{rest[0]}" if rest else ""],
        "methods": [f"method_definitions.{'.'.join(rest)}"],
        "baselines": [f"baseline_definitions.{'.'.join(rest)}"],
        "encoders": [f"encoder_definitions.{'.'.join(rest)}"],
    }
    if file == SHARED and rest:
        yield from places.get(section, [])


def holds(settings: dict[str, Any], name: str) -> bool:
    """Whether the settings have a value under a dotted name."""
    value: Any = settings
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def test_a_training_reads_no_parameter_and_no_params_file(commands):
    """Its settings configure it; nothing else does."""
    checked = 0
    for ran in commands:
        if ran.stage.startswith(("train_", "split_", "fetch_", "prepare_")):
            files = {str(Path(file).relative_to(ran.root)) for file in ran.read["files"] if str(ran.root) in file}
            files |= {file for file in ran.read["files"] if not Path(file).is_absolute()}
            assert not ran.read.get("params"), ran.command
            assert not [file for file in files if any(fnmatch(file, params) for params in PARAMS_FILES)], ran.command
            checked += 1
    assert checked > 40


def test_what_a_stage_reads_of_the_parameters_stands_in_its_settings(commands):
    for ran in commands:
        if first_stage(ran):
            continue
        both = {**ran.settings["settings"], **ran.settings.get("study", {})}
        # A definition whose checksum stands there is declared as a whole.
        needed = {key for key in ran.read.get("params", []) if key.split(":")[0] not in ran.settings["files"]}
        missing = {key for key in needed if not any(holds(both, name) for name in names_in_settings(key))}
        missing = {key for key in missing if not any(fnmatch(key, free) for free in NOT_IN_SETTINGS)}
        # Of the audit: which setting a variant of the paper has.
        missing = {key for key in missing if not (key.endswith(".imbalance") and "imbalance_of_variants" in both)}
        assert not missing, f"{ran.stage} reads parameters that its settings lack: {ran.command}"


def test_a_stage_reads_no_file_that_it_does_not_depend_on(commands):
    for ran in commands:
        if first_stage(ran):
            continue
        opened = {Path(file) if Path(file).is_absolute() else ran.root / file for file in ran.read["files"]}
        inside = {str(file.relative_to(ran.root)) for file in opened if file.is_relative_to(ran.root)}
        read = {
            file
            for file in inside - set(ran.settings["files"])
            if not file.endswith(".tmp") and ".tmp/" not in file
            if not any(fnmatch(file, free) for free in NOT_DEPENDED_ON)
        }
        undeclared = {file for file in read if not any(Path(file).is_relative_to(path) for path in ran.paths)}
        assert not undeclared, f"{ran.stage} reads files that it does not depend on: {ran.command}"
