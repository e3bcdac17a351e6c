"""The results that a page shows, as read from a study's folder: one that was run here, or one that git keeps."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.base.files import read_csv
from threephase.results.costs import RecordedTraining, read_published_reports, read_reports
from threephase.results.curves import CURVE_COLUMNS
from threephase.results.results import read_results
from threephase.study.params import Study

# Texts that pandas would take for numbers, or for missing ones.
OF_TEXT = ("label", "predicted", "class", "example_id", "variant")
NAMES = {"dtype": dict.fromkeys(OF_TEXT, str), "keep_default_na": False}
NUMBERS = ("percent", "silhouette", "nearest_mean_accuracy")


@dataclass(frozen=True)
class Finished:
    """A study with its tables (columns of results.csv, runs.csv, differences.csv and claims.csv) and its trainings.

    ``folder``: where its page lies, and the files of all that the page draws. What an older run lacks is an empty
    table of ``curves`` and ``class_counts``, None of ``confusion`` and ``disagreements``, and no key of
    ``representations``, which holds points and separation by encoder.
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

    @property
    def is_published(self) -> bool:
        return self.folder.parent == paths.PUBLISHED

    def all_studies(self) -> Path:
        """The page over several studies that this one's page belongs to."""
        return paths.PUBLISHED_STUDIES if self.is_published else paths.ALL_STUDIES

    @property
    def curves(self) -> pd.DataFrame:
        frame = _read(self.folder / "curves.csv")
        return pd.DataFrame(columns=CURVE_COLUMNS) if frame is None else frame

    @property
    def class_counts(self) -> pd.DataFrame:
        frame = _read(self.folder / "class_counts.csv")
        return pd.DataFrame(columns=["seed"]) if frame is None else frame

    @property
    def confusion(self) -> pd.DataFrame | None:
        return _read(paths.mistakes(self.folder) / "confusion.csv")

    @property
    def disagreements(self) -> pd.DataFrame | None:
        return _read(paths.mistakes(self.folder) / "disagreements.csv")

    @property
    def representations(self) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
        read = {}
        for encoder in self.study.params.encoders:
            folder = paths.representations(self.folder, encoder)
            points, separation = (_read(folder / f"{name}.csv") for name in ("representations", "separation"))
            if points is not None and separation is not None:
                read[encoder] = (points, separation)
        return read


def read_finished(study: Study, with_costs: bool = True) -> Finished:
    """What was run here: the study's tables and, ``with_costs``, the reports of its runs."""
    return _finished(study, paths.reports(study.folder), read_reports(study) if with_costs else [])


def finished_here(studies: Mapping[str, Study]) -> list[Finished]:
    """The studies that have results here."""
    return [read_finished(study) for study in studies.values() if paths.results(study.folder).is_file()]


def finished_published(studies: Mapping[str, Study]) -> list[Finished]:
    """The studies of ``reports/published/``, whose studies are those of ``load_published``."""
    return [
        _finished(study, folder, read_published_reports(study, folder / "run_reports.jsonl"))
        for study, folder in ((study, paths.published(name)) for name, study in studies.items())
    ]


def has_more_seeds(study: Study, other: Study) -> bool:
    """Whether a study asks what the other asks, in the same way and with its seeds, but with more of them.

    One that leaves out a trained variant, as those do that train none, does not ask it.
    """
    own = study.params
    asks = {*own.trained()} >= {*other.params.trained()}
    may_differ = {name: getattr(own, name) for name in ("name", "seeds", "variants", "baselines", "draw_encoders")}
    return asks and {*own.seeds} > {*other.params.seeds} and dataclasses.replace(other.params, **may_differ) == own


def _finished(study: Study, folder: Path, trainings: list[RecordedTraining]) -> Finished:
    names = ("results", "runs", "differences", "claims")
    return Finished(study, *(read_results(folder / f"{name}.csv") for name in names), trainings, folder)


def _read(file: Path) -> pd.DataFrame | None:
    """A table that only pages read; None where it is not there."""
    return read_csv(file, **NAMES, na_values=dict.fromkeys(NUMBERS, "")) if file.is_file() else None
