"""What a stage reads is what it declares: dvc runs it again where that changed, and only there."""

import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
import tiny_project
from tiny_project import BENCHMARK, DATASET, SHARED

# Parameters that a stage may read without declaring them, and why no result is stale for it.
NOT_DECLARED = {
    f"{BENCHMARK}:name": "is in every path of the stage",
    f"{BENCHMARK}:dataset": "is in the paths of what the stage depends on",
    f"{BENCHMARK}:protocol": "is in the name of the protocol's switches, which are declared, and in results.csv",
    f"{DATASET}:name": "is in every path of the stage",
    f"{SHARED}:engine.*": "where a training runs, which dvc is not to repeat on another machine",
    # Read to refuse a wrong command line only.
    f"{SHARED}:variants.*.encoder_from": "must agree with run_variants, from which the command line is made",
    f"{SHARED}:variants.*.pairs_as_many_as": "declared for the control; what a control is compared with has none",
    f"{SHARED}:baselines.*.needs_encoder": "must agree with run_variants, from which the command line is made",
    f"{BENCHMARK}:run_encoders": "the command line is made from it",
    f"{BENCHMARK}:run_variants.*": "the command line is made from it",
    f"{SHARED}:variants.three_phase.recipe": "of the training that may be taken over, which is made with it",
    f"{SHARED}:variants.*.encoder_of": "must agree with run_variants, from which the command line is made",
}
# Parameters that a stage declares though neither study reads them.
READ_ELSEWHERE = {
    # Under ``released`` the ablations are three_phase's, and nothing is trained for them.
    ("train_contrastive_ablation", f"{DATASET}:text_lengths"): "where the protocol matches lengths or cuts long texts",
    ("train_contrastive_ablation", f"{SHARED}:encoders.minilm_l6.text_lengths"): "where the protocol matches lengths",
    ("train_classifier_ablation", f"{DATASET}:text_lengths"): "where the protocol cuts long texts",
    ("collect_results", "paper/params.yaml:stand_in_encoders"): "where a benchmark reproduces the paper",
    ("collect_results", "paper/params.yaml:stand_in_datasets"): "where a benchmark reproduces the paper",
    ("fetch_data", f"{SHARED}:sources.order"): "where the data set is not the user's own file",
    ("fetch_data", f"{SHARED}:sources.folder"): "where the data set is not the user's own file",
    ("fetch_encoder", f"{SHARED}:sources.order"): "where the encoder is not the user's own folder",
    ("fetch_encoder", f"{SHARED}:sources.encoders_folder"): "where the encoder is not the user's own folder",
}
# Files that a stage may read without depending on them.
NOT_DEPENDED_ON = {
    "*/params.yaml": "dvc compares the declared parameters in them",
    "params.yaml": "dvc compares the declared parameters in them",
    ".engine.json": "the machine's device and precision, outside of dvc",
    f"{tiny_project.ROWS}": "the source of a data set, whose content is declared in its params file",
    f"{tiny_project.ORIGIN}/*": "the source of an encoder, whose checksum is declared in the params file",
    "data/*/source.json": "told in the report",
    "encoders/*.json": "told in the report",
    "stages*": "code; see test_contract",
}


@dataclass(frozen=True)
class Ran:
    """A command of a study: its stage's name, what that declares, and what the command read."""

    root: Path
    command: str
    stage: str
    params: set[str]  # ``file:key``
    paths: set[str]  # dependencies and outputs
    read: dict[str, list[str]]


@pytest.fixture(scope="module")
def studies(second_study, released_study) -> list[list[Ran]]:
    """The commands of two studies, one under each protocol."""
    found = []
    for root, reads in (second_study, released_study):
        stages = declared(root)
        found.append([Ran(root, command, *stages[command], read) for command, read in reads.items()])
    assert {ran.command for ran in found[0]} == set(declared(found[0][0].root))
    return found


@pytest.fixture(scope="module")
def commands(studies) -> list[Ran]:
    return [ran for study in studies for ran in study]


def declared(root: Path) -> dict[str, tuple[str, set[str], set[str]]]:
    """By command its stage's name, declared parameters (``file:key``) and the paths it depends on or writes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_project.environment(root).items():
            patch.setenv(name, value)
        from dvc.repo import Repo

        with Repo(str(root)) as repo:
            return {stage.cmd: declarations(stage, root) for stage in repo.index.stages}


def declarations(stage, root: Path) -> tuple[str, set[str], set[str]]:
    def path(item) -> str:
        return str(Path(item.fs_path).relative_to(root))

    params = {
        f"{path(item)}:{key}"
        for item in stage.deps
        if path(item).endswith("params.yaml")
        for key in (getattr(item, "params", None) or [""])
    }
    return re.split("[@]", stage.name)[0], params, {path(item) for item in [*stage.deps, *stage.outs]}


def covers(key: str, read: str) -> bool:
    """Whether what was read is the declared key or below it; a file without a key is declared as a whole."""
    return read == key or read.startswith(key if key.endswith(":") else f"{key}.")


def test_the_reads_of_both_protocols_are_recorded(studies):
    for study, protocol in zip(studies, ("described", "released"), strict=True):
        (joint,) = (ran for ran in study if ran.stage == "train_joint" and ran.command.endswith("--seed 0"))
        switch = f"{SHARED}:protocols.{protocol}.joint_settings"
        assert {switch, f"{SHARED}:encoders.minilm_l6.pooling"} <= set(joint.read["params"])
        # Only ``released`` looks at lengths.
        assert (f"{SHARED}:encoders.minilm_l6.text_lengths" in joint.read["params"]) == (protocol == "released")


def test_a_stage_reads_no_parameter_that_it_does_not_declare(commands):
    for ran in commands:
        needed = {key for key in ran.read["params"] if not any(fnmatch(key, free) for free in NOT_DECLARED)}
        missing = {key for key in needed if not any(covers(one, key) for one in ran.params)}
        assert not missing, f"{ran.stage} reads parameters that it does not declare: {ran.command}"


def test_a_stage_declares_no_parameter_that_it_never_reads(commands):
    used, listed = {}, {}
    for ran in commands:
        # What one cell of a stage reads under one protocol, the stage must declare for all of them.
        found = {any_protocol(key) for key in [*ran.read["params"], *ran.read.get("sections", [])]}
        used.setdefault(ran.stage, set()).update(found)
        listed.setdefault(ran.stage, set()).update(map(any_protocol, ran.params))
    needless = {
        (stage, one)
        for stage, params in listed.items()
        for one in params
        if (stage, one) not in READ_ELSEWHERE and not any(covers(one, key) for key in used[stage])
    }
    assert not needless, "stages would run again for parameters that they never read"


def any_protocol(key: str) -> str:
    return re.sub(r":protocols\.\w+", ":protocols", key)


def test_a_stage_reads_no_file_that_it_does_not_depend_on(commands):
    for ran in commands:
        opened = {Path(file) if Path(file).is_absolute() else ran.root / file for file in ran.read["files"]}
        inside = {str(file.relative_to(ran.root)) for file in opened if file.is_relative_to(ran.root)}
        read = {
            file
            for file in inside
            if not file.endswith(".tmp") and ".tmp/" not in file
            if not any(fnmatch(file, free) for free in NOT_DEPENDED_ON)
        }
        undeclared = {file for file in read if not any(Path(file).is_relative_to(path) for path in ran.paths)}
        assert not undeclared, f"{ran.stage} reads files that it does not depend on: {ran.command}"
