"""The files of a study in a revision, read by git and dvc, nothing checked out: lock, cache, metrics, settings."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError, first_line
from threephase.results.cells import predictions_by_cell
from threephase.revisions.revision_params import changed_in_both, of_params_files, parsed
from threephase.study.params import Study

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

RESOLVE, TRAINING = "resolve_settings", ("split_data", "train_")


@dataclass(frozen=True)
class Stored:
    """The predictions that a pipeline has written for one cell.

    ``checksums``: what dvc's lock says of them, by output, empty for files taken as they lie; ``files``: where they
    are, by seed, None where one of them is neither in the working tree nor in the cache.
    """

    checksums: dict[str, str]
    files: dict[int, Path] | None


@dataclass(frozen=True)
class StudyFiles:
    """Reads while ``repo``, the study's, is switched to the revision ``name``; ``lies``: the files as they lie."""

    repo: "Repo"
    study: Study
    name: str
    lies: bool

    def params(self) -> tuple[dict[str, Any] | None, list[str]]:
        """The settings of the last run, else those of the params files, None without either; and where they differ."""
        file = self.study.folder / paths.RESOLVED
        written = None if (content := self._content(file)) is None else parsed(content, file)
        said = of_params_files(self.study.params.name, list(self._params_files()), self._content)
        keys = [key for key, _, _ in changed_in_both(written, said)] if written and said else []
        note = f"{self.name}: its files say other values than the last run had of {shortened(keys)}; {self._again}"
        return written or said, [note] * bool(keys)

    def stored(self) -> dict[str, Stored]:
        """The predictions that the pipeline has written, by cell."""
        root = paths.predictions(Path(), "", "x", 0).parent.parent
        found: dict[str, list[Stored]] = {}
        for path, md5 in (output for stage in self._stages for output in self._outputs(stage)):
            if path.is_relative_to(root):
                # A trained cell has a file a seed, a baseline one folder for all of them.
                cell = path.parent.name if path.suffix else path.name
                one = self._one_output(path, md5)
                found.setdefault(cell, []).extend([one] if one else [])
        return {cell: _together(parts) for cell, parts in found.items() if parts}

    def published(self) -> dict[str, dict[int, pd.DataFrame]]:
        """The predictions that git keeps of the finished study, by cell and seed."""
        table = self._content(paths.published(self.study.params.name) / "predictions.parquet")
        by_cell = {} if table is None else predictions_by_cell(pd.read_parquet(io.BytesIO(table)))
        return {paths.cell_name(*cell): by_seed for cell, by_seed in by_cell.items()}

    def points(self) -> dict[str, dict[str, float]]:
        """The metrics that git keeps of each cell, in percent."""
        files = self._listed(paths.cell_metrics(self.study.folder, "", "x").parent)
        return {file.stem: json.loads(self._content(file)) for file in files if file.suffix == ".json"}

    def published_otherwise(self, params: Mapping[str, Any] | None) -> list[str]:
        """That what is published was made with other settings than ``params``, if so."""
        folder = paths.published(self.study.params.name)
        content = self._content(folder / paths.PARAMS)
        if content is None or params is None:
            return []
        keys = [key for key, _, _ in changed_in_both(parsed(content, folder / paths.PARAMS), params)]
        return [f"{self.name}: {folder} was made with other values of {shortened(keys)}"] * bool(keys)

    def trained_before(self) -> list[str]:
        """That stages were last run before ``resolve_settings`` wrote them other settings, if so."""
        folder = paths.settings(Path(), "x").parent
        resolve = [stage for stage in self._stages if stage.name == RESOLVE]
        md5 = next((md5 for stage in resolve for path, md5 in self._outputs(stage) if path == folder), None)
        listing = self._cached(md5) if md5 else None
        if listing is None:
            return []
        now = {str(folder / one["relpath"]): one["md5"] for one in json.loads(listing.read_text(encoding="utf-8"))}
        before = [
            stage.name
            for stage in self._stages
            if stage.name.startswith(TRAINING) and any(out.hash_info for out in stage.outs)
            for dep in stage.deps
            if dep.hash_info.value != now.get(str(self._within(dep.fs_path)), dep.hash_info.value)
        ]
        note = f"{self.name}: not run again since settings or code changed: {shortened(before)}; {self._again}"
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

    def _one_output(self, path: Path, md5: str | None) -> Stored | None:
        """An output, named within the study: as it lies, else as the lock says."""
        file = self.study.folder / path
        if self.lies and file.exists():
            files = [file] if file.suffix else sorted(file.glob("*.parquet"))
            return Stored({}, {_seed_of(one): one for one in files})
        return self._locked(path, md5) if md5 else None

    def _locked(self, path: Path, md5: str) -> Stored:
        """An output as dvc's lock names it and the cache of this repository holds it."""
        files: dict[str, Path | None] = {path.name: self._cached(md5)}
        if not path.suffix and files[path.name]:
            listing = json.loads(files[path.name].read_text(encoding="utf-8"))
            files = {one["relpath"]: self._cached(one["md5"]) for one in listing}
        there = {_seed_of(Path(name)): file for name, file in files.items() if file is not None}
        return Stored({str(path): md5}, there if len(there) == len(files) else None)

    def _cached(self, md5: str) -> Path | None:
        file = Path(self.repo.cache.local.oid_to_path(md5))
        return file if file.is_file() else None

    def _params_files(self) -> Iterator[Path]:
        """All files that ``config.load_study`` may read."""
        yield from (Path(paths.PARAMS), paths.SHARED_PARAMS)
        yield from (
            file for root in (paths.DATA, paths.ENCODERS) for file in self._listed(root) if file.suffix == ".yaml"
        )
        yield from (folder / paths.PARAMS for folder in self._listed(paths.STUDIES))

    def _content(self, file: Path) -> bytes | None:
        """A file of the revision by its path from the top folder; None where there is none."""
        if self.lies:
            return file.read_bytes() if file.is_file() else None
        place = self.repo.fs.join("/", *file.parts)
        if not self.repo.fs.isfile(place):
            return None
        with self.repo.fs.open(place, "rb") as opened:
            return opened.read()

    def _listed(self, folder: Path) -> list[Path]:
        """What lies in a folder of the revision, as paths from the top folder."""
        if self.lies:
            return sorted(folder.iterdir()) if folder.is_dir() else []
        place = self.repo.fs.join("/", *folder.parts)
        found = self.repo.fs.ls(place, detail=False) if self.repo.fs.isdir(place) else []
        return sorted(folder / Path(one).name for one in found)


def _seed_of(file: Path) -> int:
    if not file.stem.isdecimal():
        raise UserError(f"{file}: got a file not named by a seed, expected predictions such as 0.parquet; remove it")
    return int(file.stem)


def _together(parts: Sequence[Stored]) -> Stored:
    """The outputs of one cell; without files where one of them lacks some, without checksums where one has none."""
    files = {seed: file for part in parts for seed, file in (part.files or {}).items()}
    checksums = {path: md5 for part in parts for path, md5 in part.checksums.items()}
    complete = all(part.files is not None for part in parts)
    return Stored(checksums if all(part.checksums for part in parts) else {}, files if complete else None)


def shortened(keys: Sequence[str], most: int = 3) -> str:
    """The first few of a list, and how many more there are."""
    more = len(keys) - most
    return ", ".join(keys[:most]) + (f" and {more} more" if more > 0 else "")
