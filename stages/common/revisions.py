"""What a revision of the repository holds: parameters, predictions and metrics, by git and dvc, nothing checked out."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stages.common import paths
from stages.common.analysis.cells import check_predictions, predictions_by_cell
from stages.common.errors import UserError, first_line

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

WORKSPACE = "workspace"  # dvc's name for the files as they lie
CACHE, PUBLISHED, WORKING_TREE = "cache", "published", "working tree"
TRAINING = ("split_data", "train_")


@dataclass(frozen=True)
class Stored:
    """The predictions that a pipeline has written for one cell.

    ``checksums``: what dvc's lock says of them, by output, empty for files taken as they lie; ``files``: where they
    are, by seed, None where one of them is neither in the working tree nor in the cache.
    """

    checksums: dict[str, str]
    files: dict[int, Path] | None


@dataclass(frozen=True)
class Held:
    """What a revision holds of one benchmark; cells go by their name, such as ``minilm_l6-three_phase``.

    ``stored``: what was trained; ``published``: what git keeps of a finished study, by cell and seed; ``points``: the
    metrics that git keeps of each cell, in percent; ``notes``: what does not fit together.
    """

    stored: dict[str, Stored]
    published: dict[str, dict[int, pd.DataFrame]]
    points: dict[str, dict[str, float]]
    notes: list[str]

    def predictions(self, cell: str) -> tuple[str, dict[int, pd.DataFrame]]:
        """Where a cell's predictions come from, and they by seed: working tree or cache, else published, else none."""
        stored = self.stored.get(cell)
        if stored is not None and stored.files:
            return CACHE if stored.checksums else WORKING_TREE, {seed: _read(one) for seed, one in stored.files.items()}
        if cell in self.published:
            return PUBLISHED, self.published[cell]
        return "", {}

    def checksums(self, cell: str) -> dict[str, str]:
        """What the lock says of a cell's predictions; empty where there is none or the files are taken as they lie."""
        return self.stored[cell].checksums if cell in self.stored else {}

    def cells(self) -> list[str]:
        """Every cell of which the revision has anything."""
        return list(dict.fromkeys([*self.stored, *self.published, *self.points]))


@dataclass(frozen=True)
class Revision:
    """A revision under the name that the reader gave; ``commit`` is its whole hash, or the one it is based on."""

    name: str
    commit: str
    params: dict[str, bytes]
    benchmarks: dict[str, Held]

    def describe(self) -> str:
        """The name and the commit behind it."""
        return f"{self.name} ({'files as they lie, on commit ' * (self.name == WORKSPACE)}{self.commit[:7]})"


def read_revisions(names: tuple[str, str]) -> list[Revision]:
    """What the two revisions hold; names as dvc takes them: commit, branch, tag, HEAD~1, experiment, workspace."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            commits = [_commit(repo, name) for name in names]
            return [_read_revision(repo, *one) for one in zip(names, commits, strict=True)]
    except NotDvcRepoError as error:
        raise UserError(f"{first_line(error)}; expected the root of this repository") from None
    except DvcException as error:
        raise UserError(f"dvc: {first_line(error)}") from None


def _commit(repo: "Repo", name: str) -> str:
    from dvc.scm import NoSCMError, RevError, resolve_rev

    try:
        return resolve_rev(repo.scm, "HEAD" if name == WORKSPACE else name)
    except (RevError, NoSCMError, NotImplementedError):
        raise UserError(
            f"revision: got {name!r}, expected a commit, branch or tag (git log --oneline), an experiment "
            f"(dvc exp list --all) or {WORKSPACE}"
        ) from None


def _read_revision(repo: "Repo", name: str, commit: str) -> Revision:
    with repo.switch(WORKSPACE if name == WORKSPACE else commit):
        params = {str(paths.SHARED_PARAMS): _content(repo, paths.SHARED_PARAMS)}
        for root in (paths.BENCHMARKS, paths.DATA):
            for folder in _listed(repo, root):
                params[f"{folder}/params.yaml"] = _content(repo, Path(folder) / "params.yaml")
        params = {file: content for file, content in params.items() if content is not None}
        known = [Path(file).parent.name for file in params if Path(file).parent.parent == paths.BENCHMARKS]
        held = {benchmark: _held(repo, benchmark, name) for benchmark in known}
    return Revision(name, commit, params, {benchmark: one for benchmark, one in held.items() if one.cells()})


def _held(repo: "Repo", benchmark: str, name: str) -> Held:
    points = {}
    for file in _listed(repo, paths.cell_metrics(benchmark, "", "x").parent):
        if file.endswith(".json"):
            points[Path(file).stem] = json.loads(_content(repo, Path(file)))
    folder, published, notes = paths.published(benchmark), {}, []
    table = _content(repo, folder / "predictions.parquet")
    if table is not None:
        by_cell = predictions_by_cell(pd.read_parquet(io.BytesIO(table)))
        published = {paths.cell_name(*cell): by_seed for cell, by_seed in by_cell.items()}
        sides = [_content(repo, file) for file in (folder / "params.yaml", paths.benchmark_params(benchmark))]
        changed = changed_params(*({"params.yaml": side} for side in sides)) if None not in sides else []
        if changed:
            notes.append(
                f"{name}: {folder} was made with other values of {shortened([key for _, key, _, _ in changed])}"
            )
    pipeline = paths.BENCHMARKS / benchmark / "dvc.yaml"
    if _content(repo, pipeline.with_name("dvc.lock")) is None:
        return Held({}, published, points, notes)
    stages = _stages(repo, pipeline, name)
    if stale := _other_params(stages):
        notes.append(
            f"{name}: trained with other values than its files say of {shortened(stale)}; dvc repro {pipeline}"
        )
    return Held(_stored(repo, stages, benchmark, name), published, points, notes)


def _stages(repo: "Repo", pipeline: Path, name: str) -> list["Stage"]:
    from dvc.exceptions import DvcException

    try:
        return repo.stage.load_all(str(pipeline))
    # The latter comes of a parameter that is no list where the pipeline has one.
    except (DvcException, TypeError) as error:
        raise UserError(
            f"{pipeline} in {name}: dvc can't fill it in ({first_line(error)}), expected good params files; "
            f"run in that revision: python -m stages.check_params"
        ) from None


def _stored(repo: "Repo", stages: Sequence["Stage"], benchmark: str, name: str) -> dict[str, Stored]:
    """The predictions that the stages of a pipeline have written, by cell."""
    root = paths.predictions(benchmark, "", "x", 0).parent.parent
    found: dict[str, list[Stored]] = {}
    for out in (out for stage in stages for out in stage.outs):
        path, md5 = Path(repo.fs.relpath(out.fs_path, repo.root_dir)), out.hash_info.value
        if path.is_relative_to(root):
            # A trained cell has a file a seed, a baseline one folder for all of them.
            cell = path.parent.name if path.suffix else path.name
            one = _lying(path) if name == WORKSPACE and path.exists() else _locked(repo, path, md5) if md5 else None
            found.setdefault(cell, []).extend([one] if one else [])
    return {cell: _together(parts) for cell, parts in found.items() if parts}


def _lying(path: Path) -> Stored:
    """An output as it lies in the working tree."""
    files = [path] if path.suffix else sorted(path.glob("*.parquet"))
    return Stored({}, {_seed_of(file): file for file in files})


def _seed_of(file: Path) -> int:
    if not file.stem.isdecimal():
        raise UserError(f"{file}: got a file not named by a seed, expected predictions such as 0.parquet; remove it")
    return int(file.stem)


def _locked(repo: "Repo", path: Path, md5: str) -> Stored:
    """An output as dvc's lock names it and the cache of this repository holds it."""

    def cached(checksum: str) -> Path | None:
        file = Path(repo.cache.local.oid_to_path(checksum))
        return file if file.is_file() else None

    files: dict[str, Path | None] = {path.name: cached(md5)}
    if not path.suffix and files[path.name]:
        listing = json.loads(files[path.name].read_text(encoding="utf-8"))
        files = {one["relpath"]: cached(one["md5"]) for one in listing}
    there = {_seed_of(Path(name)): file for name, file in files.items() if file is not None}
    return Stored({str(path): md5}, there if len(there) == len(files) else None)


def _together(parts: Sequence[Stored]) -> Stored:
    """The outputs of one cell; without files where one of them lacks some, without checksums where one has none."""
    files = {seed: file for part in parts for seed, file in (part.files or {}).items()}
    checksums = {path: md5 for part in parts for path, md5 in part.checksums.items()}
    complete = all(part.files is not None for part in parts)
    return Stored(checksums if all(part.checksums for part in parts) else {}, files if complete else None)


def _read(file: Path) -> pd.DataFrame:
    frame = pd.read_parquet(file)
    check_predictions(frame, file)
    return frame


def _other_params(stages: Sequence["Stage"]) -> list[str]:
    """The parameters whose values a lock and the params files of the same revision disagree about."""
    from dvc.dependency.param import ParamsDependency

    trained = (
        stage for stage in stages if stage.name.startswith(TRAINING) and any(out.hash_info for out in stage.outs)
    )
    return sorted(
        {
            f"{file}: {key}"
            for stage in trained
            for dependency in stage.deps
            if isinstance(dependency, ParamsDependency)
            for file, keys in dependency.status().items()
            # One that is "new" to the lock was declared since and may have had this value before; so may a whole file.
            if isinstance(keys, dict)
            for key, status in keys.items()
            if status == "modified"
        }
    )


def changed_params(first: Mapping[str, bytes], second: Mapping[str, bytes]) -> list[tuple[str, str, Any, Any]]:
    """File, key, first and second value of every parameter that differs, by dvc's own reading and difference.

    Arguments: the content of each params file; a file that only one side has is left out. The same as
    ``dvc params diff`` says of these files, which would load every pipeline of the repository first.
    """
    from dvc.utils.diff import diff, format_dict
    from dvc.utils.serialize import parse_yaml

    files = [file for file in first if file in second and first[file] != second[file]]
    read = [
        {file: {"data": parse_yaml(side[file].decode("utf-8"), file)} for file in files} for side in (first, second)
    ]
    found = diff(*map(format_dict, read))
    return [
        (file, key, values["old"], values["new"])
        for file in files
        for key, values in sorted(found.get(file, {}).items())
    ]


def _content(repo: "Repo", file: Path) -> bytes | None:
    """A file of the revision that the repository is switched to; None where it has none."""
    place = repo.fs.join(repo.root_dir, *file.parts)
    if not repo.fs.isfile(place):
        return None
    with repo.fs.open(place, "rb") as opened:
        return opened.read()


def _listed(repo: "Repo", folder: Path) -> list[str]:
    """What lies in a folder of the revision, as paths from the root."""
    place = repo.fs.join(repo.root_dir, *folder.parts)
    found = repo.fs.ls(place, detail=False) if repo.fs.isdir(place) else []
    return sorted(str(folder / Path(one).name) for one in found)


def shortened(keys: Sequence[str], most: int = 3) -> str:
    """The first few of a list, and how many more there are."""
    more = len(keys) - most
    return ", ".join(keys[:most]) + (f" and {more} more" if more > 0 else "")
