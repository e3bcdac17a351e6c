"""What ``dvc repro`` would run in a study, and why, before it does, and the state of a study; nothing is written.

dvc's lock says what each stage read and made in its last run. It is compared with the settings as they resolve at once:
what follows from an edit shows before ``resolve_settings`` has run. The lock that comes with a clone is of a run on
another machine: what it says of a stage counts only where that stage's outputs, or the settings it read, are here.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from threephase.base import paths
from threephase.base.errors import UserError, counted, first_line, shortened
from threephase.model.machine import choose_machine
from threephase.study import topology
from threephase.study.paper_params import Paper
from threephase.study.params import Study
from threephase.study.resolve import Resolved, settings_of
from threephase.study.topology import Training

CACHE = Path(".dvc/cache/files/md5")
NOT_RUN, NOT_HERE = ("not run yet",), ("its output is not here",)
NOT_KEPT = ("other settings than dvc.lock has of it, which are not kept here",)


@dataclass(frozen=True)
class Run:
    """A stage that dvc would run, named with its cell or encoder, and why, in lines.

    ``training``, ``seed``: of a training alone, of a baseline no seed. ``follows``: only as what it reads is made anew.
    """

    stage: str
    reasons: tuple[str, ...]
    training: Training | None = None
    seed: int | None = None
    follows: bool = False


class Lock:
    """What each stage read and made in its last run, md5 by file, as the study's folder names them."""

    def __init__(self, file: Path):
        try:
            # The faster of the two readers: the lock of a large study has thousands of lines.
            content = YAML(typ="safe", pure=False).load(file) or {} if file.is_file() else {}
        except YAMLError as error:
            raise UserError(f"{file}: {first_line(error)}; expected dvc's lock; does dvc run just now?") from None
        stages = content.get("stages") or {}
        self.read, self.made = (
            {name: {entry["path"]: entry.get("md5") for entry in stage.get(key, [])} for name, stage in stages.items()}
            for key in ("deps", "outs")
        )
        # A folder is made by whoever makes something in it.
        self.makers: dict[str, list[str]] = {}
        for name, files in self.made.items():
            for place in (str(place) for file in files for place in (Path(file), *Path(file).parents)):
                self.makers.setdefault(place, []).append(name)

    def before(self, stage: str) -> Iterator[tuple[str, bool]]:
        """The stages whose outputs a stage read, but for its settings, and whether these are other ones by now."""
        for file, md5 in self.read.get(stage, {}).items():
            for maker in self.makers.get(file) or self.makers.get(str(Path(file).parent), []):
                if maker != topology.RESOLVE:
                    yield maker, self.made[maker].get(file, md5) != md5


def count_trainings(study: Study) -> tuple[int, int]:
    """How many trainings a complete study has, over its seeds, and how many baselines."""
    stages = [training.stage in topology.BASELINE_STAGES for training in topology.trainings(study)]
    return stages.count(False) * len(study.params.seeds), stages.count(True)


def preview(study: Study, paper: Paper) -> list[Run]:
    """What ``dvc repro`` would run; of what makes summaries, tables and pages only stages with other settings."""
    lock, labels, runs = Lock(study.folder / paths.LOCK), {}, {}
    trainings = {(training.program, training.cell): training for training in topology.trainings(study)}
    for resolved in settings_of(study, choose_machine(study.shared.engine), paper):
        training = trainings.get((resolved.program, resolved.item))
        settings = paths.settings(Path(), resolved.program, resolved.item).as_posix()
        label = f"{training.stage if training else resolved.program} {resolved.item}".strip()
        if resolved.program == topology.SPLIT:  # the lock may have seeds that the study no longer has
            stages = {f"{topology.SPLIT}@{seed}": None for seed in study.params.seeds}
        elif training is None:
            stages = {stage: None for stage, files in lock.read.items() if settings in files} or {label: None}
        else:
            seeds = [None] if training.stage in topology.BASELINE_STAGES else study.params.seeds
            stages = {topology.training_stage(study, training, seed): seed for seed in seeds}
        for stage, seed in stages.items():
            labels[stage], follows = label, False
            reasons = _changes(study, resolved, lock.read.get(stage, {}).get(settings))
            unsure = reasons == NOT_KEPT or (training and not reasons)
            if unsure and not all((study.folder / file).exists() for file in lock.made[stage]):
                reasons = NOT_HERE
            if not reasons and (training or resolved.program in topology.DATA_STAGES):
                makers = dict.fromkeys(
                    labels.get(name, name) for name, other in lock.before(stage) if other or name in runs
                )
                follows, reasons = True, (f"follows {', '.join(makers)}",) if makers else ()
            if reasons:
                runs[stage] = Run(label, reasons, training, seed, follows)
    return list(runs.values())


def _changes(study: Study, resolved: Resolved, md5: str | None) -> tuple[str, ...]:
    """What of one settings file has changed since the stage that read it with this checksum."""
    if md5 is None:
        return NOT_RUN
    text = resolved.as_text()
    if hashlib.md5(text.encode("utf-8")).hexdigest() == md5:
        return ()
    # As they lie in the study's folder or in dvc's cache.
    for file in (paths.settings(study.folder, resolved.program, resolved.item), CACHE / md5[:2] / md5[2:]):
        if file.is_file() and hashlib.md5(content := file.read_bytes()).hexdigest() == md5:
            return tuple(differences(json.loads(content), json.loads(text)))
    return NOT_KEPT


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A line for each key of a settings file with another value, and for each module with another content."""
    first, second = (dict(_flat("", side["settings"] | side.get("study", {}))) for side in (before, after))
    keys = [key for key in first | second if first.get(key, ...) != second.get(key, ...)]
    lines = [f"{key}: {_told(first, key)} -> {_told(second, key)}" for key in keys]
    first, second = before["files"], after["files"]
    for file in first | second:
        if first.get(file) != second.get(file):
            how = "changed" if file in first and file in second else "no longer read" if file in first else "now read"
            lines.append(f"{file}: {how}")
    return lines


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything below a place; a list of mappings is numbered."""
    if value and isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _flat(f"{place}[{number}]", item)
    elif value and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{place}.{key}".removeprefix("."), item)
    else:
        yield place, value


def _told(values: Mapping[str, Any], key: str) -> str:
    return shortened(json.dumps(values[key], ensure_ascii=False)) if key in values else "(none)"


def state_of(study: Study, paper: Paper) -> str:
    """Never run, not finished, stale or complete; ``make preview`` tells why a study is stale."""
    if not (study.folder / paths.RUNS).is_dir():
        return "never run"
    runs = preview(study, paper)
    trainings, others = [run for run in runs if run.training], [run for run in runs if not run.training]
    if not _all_made(study, trainings):
        # By what lies here: while a study runs, and behind a killed run, its lock is older.
        counts = zip(_made(study), count_trainings(study), ("trainings", "baselines"), strict=True)
        return f"not finished: {' and '.join(f'{made} of {whole} {noun}' for made, whole, noun in counts if whole)}"
    if changed := [run for run in trainings if not run.follows and run.reasons != NOT_HERE]:
        return f"stale: other settings of {_counted(changed)}"
    if any(run.stage.split()[0] in topology.DATA_STAGES for run in others):
        return "stale: data, splits or encoder have other settings"
    if trainings and all(run.follows for run in trainings):
        return f"stale: what {_counted(trainings)} start from was made anew"
    return "complete, but tables and page are older" if others else "complete"


def _all_made(study: Study, trainings: Sequence[Run]) -> bool:
    """Whether every cell and seed was trained once, with whichever settings; ``trainings`` are those that would run."""
    if any(run.reasons == NOT_RUN for run in trainings):
        return False
    cells, seeds = topology.cells(study), study.params.seeds
    return all(paths.predictions(study.folder, *cell, seed).is_file() for cell in cells for seed in seeds)


def _made(study: Study) -> tuple[int, int]:
    """Of how many trainings and baselines the outputs lie in the study's folder."""
    trainings = baselines = 0
    for training in topology.trainings(study):
        place = paths.trained_encoder if training.phase == topology.ENCODER_PHASE else paths.predictions
        cell = (training.encoder, training.variant)
        made = [place(study.folder, *cell, seed).exists() for seed in study.params.seeds]
        if training.stage in topology.BASELINE_STAGES:
            baselines += all(made)
        else:
            trainings += sum(made)
    return trainings, baselines


def _counts(runs: Sequence[Run]) -> tuple[int, int]:
    """How many are trainings of a seed, and how many baselines."""
    return sum(run.seed is not None for run in runs), sum(run.training is not None and run.seed is None for run in runs)


def _counted(runs: Sequence[Run]) -> str:
    nouns = zip(_counts(runs), ("training", "baseline"), strict=True)
    return " and ".join(counted(count, noun) for count, noun in nouns if count)


def preview_text(study: Study, paper: Paper) -> str:
    """Every training that would run with its reasons, those behind it, and the other stages."""
    name, command, (whole, baselines) = study.params.name, f"{study.in_folder} repro", count_trainings(study)
    from_cache = "What dvc's cache holds of them is taken from there."
    if not (study.folder / paths.RUNS).is_dir():
        return f"{name}: never run here; {command} runs {whole} trainings and {baselines} baselines. {from_cache}"
    runs = preview(study, paper)
    if not runs:
        return f"{name}: nothing would run"
    trainings = [run for run in runs if run.training]
    begun, (count, baselines) = "" if _all_made(study, trainings) else "not finished; ", _counts(runs)
    text = f"{name}: {begun}{command} would run {count} of {whole} trainings and {baselines} baselines."
    paragraphs = [f"{text} {from_cache}" if trainings else text]
    paragraphs += _by_reasons("", [run for run in trainings if not run.follows])
    behind = "Behind them, where what they start from comes out differently:\n"
    paragraphs += _by_reasons(behind, [run for run in trainings if run.follows])
    paragraphs += _by_reasons("Other stages:\n", [run for run in runs if not run.training])
    paragraphs += ["Then the summaries of these cells, the tables, the figures and the page."] * bool(trainings)
    return "\n\n".join(paragraphs)


def _by_reasons(title: str, runs: Sequence[Run]) -> list[str]:
    """Names with their seeds under each other where they have the same reasons, which stand once below them."""
    groups: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for run in runs:
        groups.setdefault(run.reasons, {}).setdefault(run.stage, []).extend([] if run.seed is None else [str(run.seed)])
    texts = []
    for reasons, stages in groups.items():
        names = [f"{name}, seed{'s' * (len(of) > 1)} {', '.join(of)}" if of else name for name, of in stages.items()]
        texts.append(("" if texts else title) + "\n".join([*names, *(f"    {reason}" for reason in reasons)]))
    return texts
