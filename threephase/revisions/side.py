"""One side of a comparison: what a study has in a revision or as it lies; nothing is checked out."""

from typing import Any

import pandas as pd

from threephase.base.errors import UserError, first_line
from threephase.results.cells import check_predictions
from threephase.revisions.study_files import StudyFiles
from threephase.study.params import Study

WORKSPACE = "workspace"  # dvc's name for the files as they lie
CACHE, PUBLISHED, WORKING_TREE = "cache", "published", "working tree"


class Side:
    """What a study has in a revision, named as dvc takes it (commit, HEAD~1, experiment, workspace).

    Without a name it is the study as it lies (``is_study``). ``lies``: whether it is the files as they lie; ``commit``:
    the revision's, or the one that the working tree is on. Cells go by their name, such as ``minilm_l6-three_phase``.
    ``params``: the settings, None where they are not known; ``stored``: what was trained; ``published``: what git keeps
    of a finished study, by cell and seed; ``points``: the metrics that git keeps of a cell, in percent; ``notes``: what
    does not fit together.
    """

    def __init__(self, study: Study, name: str = ""):
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.repo import Repo

        self.study, self.is_study, self.name = study, not name, name or study.params.name
        self.lies = self.is_study or name == WORKSPACE
        try:
            with Repo(str(study.folder)) as repo:
                self.commit = _commit(repo.scm, "HEAD" if self.lies else name)
                with repo.switch(WORKSPACE if self.lies else self.commit):
                    files = StudyFiles(repo, study, self.name, self.lies)
                    self.params, self.notes = files.params()
                    self.stored, self.published, self.points = files.stored(), files.published(), files.points()
                    self.notes += files.trained_before()
                    if any(self.source(cell) == PUBLISHED for cell in self.published):
                        self.notes += files.published_otherwise(self.params)
        except NotDvcRepoError as error:
            said = f"{study.file} in {self.name}: {first_line(error)}, expected a revision with the study"
            raise UserError(said) from None
        except DvcException as error:
            raise UserError(f"dvc: {first_line(error)}") from None

    def describe(self) -> str:
        """The name, and what it is."""
        if self.is_study:
            return f"{self.name} (study of {self.study.params.dataset}, protocol {self.study.params.protocol})"
        return f"{self.name} ({'files as they lie, on commit ' * self.lies}{self.commit[:7]})"

    def source(self, cell: str) -> str:
        """Where a cell's predictions come from: working tree or cache, else what is published; empty without any."""
        stored = self.stored.get(cell)
        if stored is not None and stored.complete:
            return WORKING_TREE if stored.lies else CACHE
        return PUBLISHED if cell in self.published else ""

    def predictions(self, cell: str) -> dict[int, pd.DataFrame]:
        """A cell's predictions by seed, from ``source``."""
        if self.source(cell) not in (CACHE, WORKING_TREE):
            return self.published.get(cell, {})
        frames = {}
        for seed, file in self.stored[cell].files.items():
            frames[seed] = pd.read_parquet(file)
            check_predictions(frames[seed], file)
        return frames

    def checksums(self, cell: str) -> dict[str, str]:
        """What the lock says of a cell's predictions; empty where there is none or the files are taken as they lie."""
        return self.stored[cell].locked if cell in self.stored and not self.stored[cell].lies else {}

    def cells(self) -> list[str]:
        """Every cell of which there is anything."""
        return list(self.stored | self.published | self.points)


def is_revision(name: str) -> bool:
    """Whether git or dvc knows a revision of this name."""
    from dvc.scm import SCM

    try:
        _commit(SCM("."), name)
    except UserError:
        return False
    return True


def _commit(scm: Any, name: str) -> str:
    from dvc.scm import NoSCMError, RevError, resolve_rev

    try:
        return resolve_rev(scm, name)
    except (RevError, NoSCMError, NotImplementedError):
        raise UserError(
            f"revision: got {name!r}, expected a commit, branch or tag (git log --oneline), an experiment "
            f"(dvc exp list --all) or {WORKSPACE}"
        ) from None
