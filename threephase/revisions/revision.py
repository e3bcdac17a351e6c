"""What a study has in a revision or as it lies: predictions, metrics and settings; nothing is checked out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base.errors import UserError, first_line
from threephase.results.cells import check_predictions
from threephase.revisions.revision_files import Stored, StudyFiles
from threephase.study.params import Study

WORKSPACE = "workspace"  # dvc's name for the files as they lie
CACHE, PUBLISHED, WORKING_TREE = "cache", "published", "working tree"


@dataclass(frozen=True)
class Side:
    """What a study has in a revision or in the working tree, under the name that the reader gave.

    ``commit``: the revision's, or the one that the working tree is on; ``is_study``: whether the reader named a study,
    which then stands as it lies. Cells go by their name, such as ``minilm_l6-three_phase``. ``params``: the settings,
    None where they are not known; ``stored``: what was trained; ``published``: what git keeps of a finished study, by
    cell and seed; ``points``: the metrics that git keeps of a cell, in percent; ``notes``: what does not fit together.
    """

    name: str
    commit: str
    study: Study
    is_study: bool
    params: dict[str, Any] | None
    stored: dict[str, Stored]
    published: dict[str, dict[int, pd.DataFrame]]
    points: dict[str, dict[str, float]]
    notes: list[str]

    @property
    def lies(self) -> bool:
        """Whether it is the files as they lie."""
        return self.is_study or self.name == WORKSPACE

    def describe(self) -> str:
        """The name, and what it is."""
        if self.is_study:
            return f"{self.name} (study of {self.study.params.dataset}, protocol {self.study.params.protocol})"
        return f"{self.name} ({'files as they lie, on commit ' * self.lies}{self.commit[:7]})"

    def source(self, cell: str) -> str:
        """Where a cell's predictions come from: working tree or cache, else what is published; empty without any."""
        stored = self.stored.get(cell)
        if stored is not None and stored.files:
            return CACHE if stored.checksums else WORKING_TREE
        return PUBLISHED if cell in self.published else ""

    def predictions(self, cell: str) -> dict[int, pd.DataFrame]:
        """A cell's predictions by seed, from ``source``."""
        if self.source(cell) in (CACHE, WORKING_TREE):
            return {seed: _read(file) for seed, file in self.stored[cell].files.items()}
        return self.published.get(cell, {})

    def checksums(self, cell: str) -> dict[str, str]:
        """What the lock says of a cell's predictions; empty where there is none or the files are taken as they lie."""
        return self.stored[cell].checksums if cell in self.stored else {}

    def cells(self) -> list[str]:
        """Every cell of which there is anything."""
        return list(dict.fromkeys([*self.stored, *self.published, *self.points]))


def is_revision(name: str) -> bool:
    """Whether git or dvc knows a revision of this name."""
    from dvc.scm import SCM

    try:
        _commit(SCM("."), name)
    except UserError:
        return False
    return True


def read_revisions(study: Study, names: Sequence[str]) -> list[Side]:
    """What there is of a study in revisions, by names as dvc takes them: commit, HEAD~1, experiment, workspace."""
    return [_side(study, name, is_study=False) for name in names]


def read_studies(studies: Sequence[Study]) -> list[Side]:
    """What there is of each study as it lies."""
    return [_side(study, study.params.name, is_study=True) for study in studies]


def _side(study: Study, name: str, is_study: bool) -> Side:
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    lies = is_study or name == WORKSPACE
    try:
        with Repo(str(study.folder)) as repo:
            commit = _commit(repo.scm, "HEAD" if lies else name)
            with repo.switch(WORKSPACE if lies else commit):
                files = StudyFiles(repo, study, name, lies)
                params, notes = files.params()
                found = files.stored(), files.published(), files.points()
                side = Side(name, commit, study, is_study, params, *found, [*notes, *files.trained_before()])
                if any(side.source(cell) == PUBLISHED for cell in side.published):
                    side.notes.extend(files.published_otherwise(params))
            return side
    except NotDvcRepoError as error:
        raise UserError(f"{study.file} in {name}: {first_line(error)}, expected a revision with the study") from None
    except DvcException as error:
        raise UserError(f"dvc: {first_line(error)}") from None


def _commit(scm: Any, name: str) -> str:
    from dvc.scm import NoSCMError, RevError, resolve_rev

    try:
        return resolve_rev(scm, name)
    except (RevError, NoSCMError, NotImplementedError):
        raise UserError(
            f"revision: got {name!r}, expected a commit, branch or tag (git log --oneline), an experiment "
            f"(dvc exp list --all) or {WORKSPACE}"
        ) from None


def _read(file: Path) -> pd.DataFrame:
    frame = pd.read_parquet(file)
    check_predictions(frame, file)
    return frame
