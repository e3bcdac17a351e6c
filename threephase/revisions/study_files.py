"""The files of a study in a revision, read by git and dvc, nothing checked out: lock, cache, metrics, settings."""

import contextlib
import dataclasses
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError, first_line
from threephase.project.project import resolved_text
from threephase.results.cells import predictions_by_cell
from threephase.study import topology
from threephase.study.params import Study
from threephase.study.read_params import load_study
from threephase.study.settings import Machine

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

MACHINE = "machine"  # the part of resolved.yaml that params files do not give
Settings = dict[str, Any]


@dataclass
class Stored:
    """The predictions that a pipeline has written for one cell.

    ``locked``: what dvc's lock says of them, by output; ``files``: where they are, by seed; ``lies``: whether some are
    taken as they lie; ``complete``: whether all of them are in the working tree or in the cache.
    """

    locked: dict[str, str] = field(default_factory=dict)
    files: dict[int, Path] = field(default_factory=dict)
    lies: bool = False
    complete: bool = True


def own_settings(study: Study) -> Settings:
    """The keys of a study's params file, those of its base filled in, but for what a file may leave out and does."""
    left_out = {field.name: field.default for field in dataclasses.fields(study.params)} | {"name": study.params.name}
    return {key: value for key, value in dataclasses.asdict(study.params).items() if value != left_out[key]}


def changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Key, first and second value of every setting that differs, by dvc's own difference."""
    from dvc.utils.diff import diff, format_dict

    sides = [format_dict({"": {"data": dict(side)}}) for side in (first, second)]
    return [(key, values["old"], values["new"]) for key, values in sorted(diff(*sides).get("", {}).items())]


@dataclass(frozen=True)
class StudyFiles:
    """Reads while ``repo``, the study's, is switched to the revision ``name``; ``lies``: the files as they lie."""

    repo: "Repo"
    study: Study
    name: str
    lies: bool

    def params(self) -> tuple[Settings | None, list[str]]:
        """The settings of the last run, else those of the params files, None without either; and where they differ."""
        written, said = self._parsed(self.study.folder / paths.RESOLVED), self._of_params_files()
        keys = _changed_keys(written, said)
        note = f"{self.name}: its files say other values than the last run had of {_shortened(keys)}; {self._again}"
        return written or said, [note] * bool(keys)

    def _of_params_files(self) -> Settings | None:
        """What the params files say, but for the machine; None where they are not of this code."""
        files = [Path(paths.PARAMS), paths.SHARED_PARAMS, *self._listed(paths.DATA), *self._listed(paths.ENCODERS)]
        files = [file for file in files if file.suffix == ".yaml"]
        files += [folder / paths.PARAMS for folder in self._listed(paths.STUDIES)]
        with tempfile.TemporaryDirectory() as temporary:
            for file in files:
                if (content := self._content(file)) is not None:
                    (Path(temporary) / file).parent.mkdir(parents=True, exist_ok=True)
                    (Path(temporary) / file).write_bytes(content)
            with contextlib.chdir(temporary):
                try:
                    text = resolved_text(load_study(self.study.params.name), Machine("cpu", "fp32", 1))
                except UserError:
                    return None
        return {key: value for key, value in _parsed(text, Path(paths.RESOLVED)).items() if key != MACHINE}

    def stored(self) -> dict[str, Stored]:
        """The predictions that the pipeline has written, by cell."""
        root, cells = paths.predictions(Path(), "", "x", 0).parent.parent, {}
        for path, md5 in (output for stage in self._stages for output in self._outputs(stage)):
            file = self.study.folder / path
            lies = self.lies and file.exists()
            if not path.is_relative_to(root) or not (lies or md5):
                continue
            # A trained cell has a file a seed, a baseline one folder for all of them.
            stored = cells.setdefault(path.parent.name if path.suffix else path.name, Stored())
            stored.lies |= lies
            if lies:
                files = {place.name: place for place in ([file] if path.suffix else sorted(file.glob("*.parquet")))}
            else:
                files = {path.name: self._cached(md5)}
                stored.locked[str(path)] = md5
                if not path.suffix and files[path.name]:
                    listing = json.loads(files[path.name].read_text(encoding="utf-8"))
                    files = {entry["relpath"]: self._cached(entry["md5"]) for entry in listing}
            stored.complete &= None not in files.values()
            stored.files |= {_seed_of(name): place for name, place in files.items() if place is not None}
        return cells

    def published(self) -> dict[str, dict[int, pd.DataFrame]]:
        """The predictions that git keeps of the finished study, by cell and seed."""
        table = self._content(paths.published(self.study.params.name) / "predictions.parquet")
        by_cell = {} if table is None else predictions_by_cell(pd.read_parquet(io.BytesIO(table)))
        return {paths.cell_name(*cell): by_seed for cell, by_seed in by_cell.items()}

    def points(self) -> dict[str, dict[str, float]]:
        """The metrics that git keeps of each cell, in percent."""
        files = self._listed(paths.cell_metrics(self.study.folder, "", "x").parent)
        return {file.stem: json.loads(self._content(file)) for file in files if file.suffix == ".json"}

    def published_otherwise(self, params: Settings | None) -> list[str]:
        """That what is published was made with other settings than ``params``, if so."""
        folder = paths.published(self.study.params.name)
        keys = _changed_keys(self._parsed(folder / paths.PARAMS), params)
        return [f"{self.name}: {folder} was made with other values of {_shortened(keys)}"] * bool(keys)

    def trained_before(self) -> list[str]:
        """That stages were last run before ``resolve_settings`` wrote them other settings, if so."""
        folder = paths.settings(Path(), "x").parent
        resolve = [stage for stage in self._stages if stage.name == topology.RESOLVE]
        md5 = next((md5 for stage in resolve for path, md5 in self._outputs(stage) if path == folder), None)
        listing = self._cached(md5) if md5 else None
        if listing is None:
            return []
        entries = json.loads(listing.read_text(encoding="utf-8"))
        newest = {str(folder / entry["relpath"]): entry["md5"] for entry in entries}
        makes_results = (topology.SPLIT, topology.METHOD_DATA, "train_", topology.FIT_CLASSIFIER)
        before = [
            stage.name
            for stage in self._stages
            if stage.name.startswith(makes_results) and any(out.hash_info for out in stage.outs)
            for dep in stage.deps
            if dep.hash_info.value != newest.get(str(self._within(dep.fs_path)), dep.hash_info.value)
        ]
        note = f"{self.name}: not run again since settings or code changed: {_shortened(before)}; {self._again}"
        return [note] * bool(before)

    @property
    def _again(self) -> str:
        return f"{self.study.in_folder} repro"

    @cached_property
    def _stages(self) -> Sequence["Stage"]:
        """The stages with what the lock says of them; none without a lock."""
        from dvc.exceptions import DvcException

        pipeline = self.study.folder / paths.PIPELINE
        if self._content(self.study.folder / paths.LOCK) is None:
            return []
        try:
            return self.repo.stage.load_all(str(pipeline))
        # The latter comes of a parameter that is no list where the pipeline has one.
        except (DvcException, TypeError) as error:
            raise UserError(
                f"{pipeline} in {self.name}: dvc can't fill it in ({first_line(error)}), expected good params files; "
                "run in that revision: make pipelines"
            ) from None

    def _outputs(self, stage: "Stage") -> Iterator[tuple[Path, str | None]]:
        """A stage's outputs, named within the study, with what the lock says of them."""
        for out in stage.outs:
            yield self._within(out.fs_path), out.hash_info.value

    def _within(self, place: str) -> Path:
        """A place of the revision, named within the study."""
        return Path(self.repo.fs.relpath(place, self.repo.root_dir))

    def _cached(self, md5: str) -> Path | None:
        file = Path(self.repo.cache.local.oid_to_path(md5))
        return file if file.is_file() else None

    def _parsed(self, file: Path) -> Settings | None:
        content = self._content(file)
        return None if content is None else _parsed(content.decode("utf-8"), file)

    def _content(self, file: Path) -> bytes | None:
        """A file of the revision by its path from the top folder; None where there is none."""
        if self.lies:
            return file.read_bytes() if file.is_file() else None
        place = self.repo.fs.join("/", *file.parts)
        return self.repo.fs.read_bytes(place) if self.repo.fs.isfile(place) else None

    def _listed(self, folder: Path) -> list[Path]:
        """What lies in a folder of the revision, as paths from the top folder."""
        if self.lies:
            return sorted(folder.iterdir()) if folder.is_dir() else []
        place = self.repo.fs.join("/", *folder.parts)
        names = self.repo.fs.ls(place, detail=False) if self.repo.fs.isdir(place) else []
        return sorted(folder / Path(name).name for name in names)


def _parsed(text: str, file: Path) -> Settings:
    """YAML as dvc reads it."""
    from dvc.utils.serialize import parse_yaml

    return parse_yaml(text, str(file))


def _changed_keys(first: Settings | None, second: Settings | None) -> list[str]:
    """The settings that differ in the sections that both have; none where one side is not known."""
    first, second = first or {}, second or {}
    common = first.keys() & second.keys()
    sides = ({key: side[key] for key in common} for side in (first, second))
    return [key for key, _, _ in changed(*sides)]


def _seed_of(name: str) -> int:
    if not Path(name).stem.isdecimal():
        raise UserError(f"{name}: got a file not named by a seed, expected predictions such as 0.parquet; remove it")
    return int(Path(name).stem)


def _shortened(keys: Sequence[str], most: int = 3) -> str:
    """The first few of a list, and how many more there are."""
    more = len(keys) - most
    return ", ".join(keys[:most]) + (f" and {more} more" if more > 0 else "")
