"""The results that a page shows, as read from a study's folder: one that was run here, or one that git keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.results.costs import RecordedTraining, read_published_reports, read_reports
from threephase.results.results import read_results
from threephase.study.params import Study


@dataclass(frozen=True)
class Finished:
    """A study with its tables (columns of results.csv, runs.csv, differences.csv and claims.csv) and its trainings.

    ``folder``: where its page lies.
    """

    study: Study
    results: pd.DataFrame
    runs: pd.DataFrame
    differences: pd.DataFrame
    claims: pd.DataFrame
    trainings: list[RecordedTraining]
    folder: Path

    @property
    def name(self) -> str:
        return self.study.params.name

    def all_studies(self) -> Path:
        """The page over several studies that this one's page belongs to."""
        return paths.PUBLISHED_STUDIES if self.folder.parent == paths.PUBLISHED else paths.ALL_STUDIES


def read_finished(study: Study, with_costs: bool = True) -> Finished:
    """What was run here: the study's tables and, ``with_costs``, the reports of its runs."""
    return _read(study, paths.reports(study.folder), read_reports(study) if with_costs else [])


def finished_here(studies: Mapping[str, Study]) -> list[Finished]:
    """The studies that have results here."""
    return [read_finished(study) for study in studies.values() if paths.results(study.folder).is_file()]


def finished_published(studies: Mapping[str, Study]) -> list[Finished]:
    """The studies of ``reports/published/``, whose studies are those of ``load_published``."""
    return [
        _read(study, folder, read_published_reports(study, folder / "run_reports.jsonl"))
        for study, folder in ((study, paths.published(name)) for name, study in studies.items())
    ]


def _read(study: Study, folder: Path, trainings: list[RecordedTraining]) -> Finished:
    names = ("results", "runs", "differences", "claims")
    return Finished(study, *(read_results(folder / f"{name}.csv") for name in names), trainings, folder)
