"""What of a study was run, with which settings, and what dvc would run now; nothing is written.

dvc's lock says with which settings each stage ran last. Compared are the settings as they resolve now, so that one
need not wait for ``resolve_settings`` to see what follows from an edit.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study import topology
from threephase.study.paper_params import Paper
from threephase.study.params import Study
from threephase.study.resolve import Resolved, settings_of
from threephase.study.settings import Machine
from threephase.study.topology import Training

CACHE = Path(".dvc/cache/files/md5")
NEVER_RUN, OUTPUT_GONE = "not run yet", "its output is gone"
DATA_STAGES = ("fetch_data", "prepare_data", "fetch_encoder", "split_data")
LONGEST = 60  # characters of a value that is told


@dataclass(frozen=True)
class SeedRun:
    """A training of one seed, and why dvc would run it, in lines; none where it would not.

    ``follows``: whether it runs only because what it starts from is made anew.
    """

    training: Training
    seed: int
    reasons: tuple[str, ...]
    follows: bool = False


@dataclass(frozen=True)
class Lock:
    """What dvc's lock says of the last run of each stage.

    ``settings``: by settings file the md5 with which each stage read it; ``made``: by output its stage and md5;
    ``read``: by stage the md5 of what it read. Files as the study's folder names them.
    """

    settings: dict[str, dict[str, str]]
    made: dict[str, tuple[str, str]]
    read: dict[str, dict[str, str]]

    def made_anew(self, stage: str) -> list[str]:
        """The stages whose outputs are other ones than those that ``stage`` read when it ran last."""
        read = self.read.get(stage, {})
        makers = (self.made[file][0] for file, md5 in read.items() if file in self.made and self.made[file][1] != md5)
        return list(dict.fromkeys(makers))


@dataclass(frozen=True)
class Preview:
    """Every training of a study, and why each other stage with settings of its own would run, by its name."""

    runs: list[SeedRun]
    others: dict[str, tuple[str, ...]]

    @property
    def waiting(self) -> list[SeedRun]:
        return [run for run in self.runs if run.reasons]

    def up_to_date(self) -> bool:
        return not self.waiting and not self.others


def predictions_made(study: Study) -> tuple[int, int]:
    """How many files of predictions there are, and how many there are in a complete study."""
    cells, seeds = topology.cells(study), study.params.seeds
    files = [paths.predictions(study.folder, *cell, seed) for cell in cells for seed in seeds]
    return sum(file.is_file() for file in files), len(files)


def count_trainings(study: Study) -> int:
    """How many trainings a complete study has, over its seeds; baselines are none."""
    trained = [one for one in topology.trainings(study) if one.stage not in topology.BASELINE_STAGES]
    return len(trained) * len(study.params.seeds)


def preview(study: Study, machine: Machine, paper: Paper) -> Preview:
    """What ``dvc repro`` would run in the study's folder, and why."""
    lock, resolved = read_lock(study), list(settings_of(study, machine, paper))
    changes = {(one.program, one.item): _Changes(study, one, lock.settings) for one in resolved}
    trained = {(training.program, training.cell) for training in topology.trainings(study)}
    others = {}
    for key, changed in changes.items():
        reasons = changed.since_any_run() if key not in trained else ()
        if reasons:
            others[" ".join(filter(None, key))] = reasons
    return Preview(list(_runs(study, changes, others, lock)), others)


def _runs(
    study: Study, changes: Mapping[tuple[str, str], "_Changes"], others: Mapping[str, object], lock: Lock
) -> Iterator[SeedRun]:
    """Every training and seed, those behind which another one stands first."""
    found: dict[tuple[str, str, str, int], SeedRun] = {}
    for training in topology.trainings(study):
        for seed in study.params.seeds:
            stage = topology.training_stage(study, training, seed)
            reasons = changes[training.program, training.cell].since_run(stage)
            if not reasons and not _output(study, training, seed).exists():
                reasons = (OUTPUT_GONE,)
            follows = not reasons
            if follows:
                before = [one for one in DATA_STAGES if any(_is_of(name, one, training) for name in others)]
                before += [
                    f"{one.training.stage} {one.training.cell}"
                    for one in (found.get(key) for key in _behind(training, seed))
                    if one is not None and one.reasons
                ]
                before += [name for name in lock.made_anew(stage) if name not in before]
                reasons = (f"follows {', '.join(before)}",) if before else ()
            run = SeedRun(training, seed, reasons, follows)
            found[training.encoder, training.variant, training.phase, seed] = run
            yield run


def _is_of(name: str, stage: str, training: Training) -> bool:
    """Whether a stage of data and encoders that would run is ``stage`` and makes what the training reads."""
    return name == (f"fetch_encoder {training.encoder}" if stage == "fetch_encoder" else stage)


def _behind(training: Training, seed: int) -> Iterator[tuple[str, str, str, int]]:
    """Which trainings one reads the outputs of."""
    if training.start is not None:
        yield training.encoder, training.start, topology.ENCODER_PHASE, seed
    if training.compared is not None:
        yield training.encoder, training.compared, training.phase, seed


def _output(study: Study, training: Training, seed: int) -> Path:
    place = paths.trained_encoder if training.phase == topology.ENCODER_PHASE else paths.predictions
    return place(study.folder, training.encoder, training.variant, seed)


def read_lock(study: Study) -> Lock:
    """The study's lock; empty where it was never run."""
    file = study.folder / paths.LOCK
    if not file.is_file():
        return Lock({}, {}, {})
    try:
        # The faster of the two readers: the lock of a large study has thousands of lines.
        lock = YAML(typ="safe", pure=False).load(file) or {}
    except YAMLError as error:
        raise UserError(f"{file}: {str(error).splitlines()[0]}; expected dvc's lock; does dvc run just now?") from None
    folder, found = paths.settings(Path(), "").parent.as_posix(), Lock({}, {}, {})
    for stage, entry in (lock.get("stages") or {}).items():
        for output in entry.get("outs", []):
            found.made[output["path"]] = stage, str(output.get("md5"))
        for dependency in entry.get("deps", []):
            place, md5 = dependency["path"], str(dependency.get("md5"))
            if place.startswith(f"{folder}/"):
                found.settings.setdefault(place, {})[stage] = md5
            else:
                found.read.setdefault(stage, {})[place] = md5
    return found


class _Changes:
    """What of one settings file has changed since the stages that read it ran last."""

    def __init__(self, study: Study, resolved: Resolved, used: Mapping[str, Mapping[str, str]]):
        self.file = paths.settings(study.folder, resolved.program, resolved.item)
        self.text = resolved.as_text()
        self.md5 = _md5(self.text.encode("utf-8"))
        self.used = used.get(paths.settings(Path(), resolved.program, resolved.item).as_posix(), {})

    def since_any_run(self) -> tuple[str, ...]:
        """Of a stage that is no training, whatever its matrix."""
        if not self.used:
            return (NEVER_RUN,)
        return next((reasons for stage in self.used if (reasons := self.since_run(stage))), ())

    def since_run(self, stage: str) -> tuple[str, ...]:
        if stage not in self.used:
            return (NEVER_RUN,)
        if self.used[stage] == self.md5:
            return ()
        before = self._before(self.used[stage])
        if before is None:
            return ("other settings than those of its last run, which are not kept here",)
        return tuple(differences(before, json.loads(self.text)))

    def _before(self, md5: str) -> Any:
        """The settings with this checksum, as they lie in the study's folder or in dvc's cache."""
        for file in (self.file, CACHE / md5[:2] / md5[2:]):
            if file.is_file() and _md5(content := file.read_bytes()) == md5:
                return json.loads(content)
        return None


def _md5(content: bytes) -> str:
    """As dvc takes it of a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A line for each key of a settings file with another value, and for each module with another content."""
    first, second = (dict(_flat("", {**one["settings"], **one.get("study", {})})) for one in (before, now))
    lines = [
        f"{key}: {_told(first, key)} -> {_told(second, key)}"
        for key in dict.fromkeys([*first, *second])
        if key not in first or key not in second or first[key] != second[key]
    ]
    for file in dict.fromkeys([*before["files"], *now["files"]]):
        if file not in before["files"] or file not in now["files"]:
            lines.append(f"{file}: {'no longer read' if file in before['files'] else 'now read'}")
        elif before["files"][file] != now["files"][file]:
            lines.append(f"{file}: changed")
    return lines


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything below a place; a list of mappings is numbered."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(f"{place}.{key}" if place else key, item)
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _flat(f"{place}[{number}]", item)
    else:
        yield place, value


def _told(values: Mapping[str, Any], key: str) -> str:
    text = json.dumps(values[key], ensure_ascii=False) if key in values else "(none)"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
