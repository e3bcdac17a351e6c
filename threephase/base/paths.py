"""Where everything lies, relative to the repository's top folder, in which every stage and command works.

``folder`` is that of a study: the top folder itself for the default study, ``studies/<name>`` for another.
"""

import os
from pathlib import Path

from threephase.base.errors import UserError

SHARED_PARAMS = Path("shared.yaml")
DATA = Path("data")
STUDIES = Path("studies")
LABEL_CURVES = STUDIES / "label_curves.yaml"
ENCODERS = Path("encoders")
METHODS = Path("threephase/methods")
PAPER = Path("paper")
PAPER_PARAMS = PAPER / "params.yaml"
PAPER_NUMBERS = PAPER / "tables.csv"
PAPER_SETTINGS = PAPER / "hyperparameters.yaml"
PAPER_REFERENCES = PAPER / "references.csv"
PAPER_COMMANDS = PAPER / "commands.csv"
DEVIATIONS = PAPER / "deviations.yaml"
CITATION = Path("CITATION.cff")
REPORTS = Path("reports")
PAPER_REPORTS = REPORTS / "paper"
PAPER_AUDIT = PAPER_REPORTS / "audit.json"
PUBLISHED = REPORTS / "published"
ALL_STUDIES, PUBLISHED_STUDIES = REPORTS / "studies.html", PUBLISHED / "index.html"  # pages over several studies
PUBLISHED_AUDIT = PUBLISHED / "audit.json"
DATA_AUDIT = PUBLISHED / "data_audit.json"
PUBLISHED_LABELS = PUBLISHED / "labels" / "index.html"  # how many labels each method needs
README = Path("README.md")
ENGINE_CHOICE = Path(".engine.json")
PARAMS, RESOLVED, PIPELINE, LOCK, RUNS = "params.yaml", "resolved.yaml", "dvc.yaml", "dvc.lock", "runs"  # of a study
DATA_FOLDER, ENCODERS_FOLDER = "DATA_FOLDER", "ENCODERS_FOLDER"  # environment variables


def named_folder(variable: str, setting: str | None, key: str) -> Path | None:
    """A local folder of the user's: the environment variable's, else the parameter's; None where neither names one."""
    for named_by, folder in ((variable, os.environ.get(variable)), (f"{SHARED_PARAMS}: {key}", setting)):
        if folder:
            if not Path(folder).is_dir():
                raise UserError(f"{named_by}: {folder}: no such folder")
            return Path(folder)
    return None


def dataset_definition(dataset: str) -> Path:
    return DATA / f"{dataset}.yaml"


def encoder_definition(encoder: str) -> Path:
    return ENCODERS / f"{encoder}.yaml"


def study_params(folder: Path) -> Path:
    return folder / PARAMS


def raw_rows(folder: Path) -> Path:
    return folder / RUNS / "data" / "raw.parquet"


def used_source(folder: Path) -> Path:
    """Which of the data set's sources the raw rows come from."""
    return folder / RUNS / "data" / "source.json"


def examples(folder: Path) -> Path:
    return folder / RUNS / "data" / "examples.parquet"


def method_data(folder: Path, method: str) -> Path:
    """The training texts of another data set that a method uses."""
    return folder / RUNS / "method_data" / f"{method}.parquet"


def manifest(folder: Path) -> Path:
    return folder / RUNS / "data" / "manifest.json"


def pretrained_encoder(folder: Path, encoder: str) -> Path:
    return folder / RUNS / "pretrained" / encoder


def encoder_source(folder: Path, encoder: str) -> Path:
    """Where the pre-trained encoder's files come from; beside its folder, which holds the files alone."""
    return folder / RUNS / "pretrained" / f"{encoder}.json"


def settings(folder: Path, stage: str, item: str = "") -> Path:
    """What a stage uses, resolved, and its code's checksums; ``item``: which training, encoder or cell."""
    return folder / RUNS / "settings" / f"{'-'.join(filter(None, [stage, item]))}.json"


def cell_name(encoder: str, variant: str) -> str:
    """A cell of a table; ``encoder`` is empty for what needs none."""
    return f"{encoder}-{variant}" if encoder else variant


def splits(folder: Path, seed: int) -> Path:
    """Folder of one seed's split.

    ``split.parquet``, ``phase_1.parquet`` (as phase 1 is told it), ``contrastive_<setting>.parquet``,
    ``class_counts.csv``.
    """
    return folder / RUNS / "splits" / str(seed)


def trained_encoder(folder: Path, encoder: str, variant: str, seed: int) -> Path:
    return folder / RUNS / "encoders" / cell_name(encoder, variant) / str(seed)


def predictions(folder: Path, encoder: str, variant: str, seed: int) -> Path:
    return folder / RUNS / "predictions" / cell_name(encoder, variant) / f"{seed}.parquet"


def vectors(folder: Path, encoder: str, variant: str, seed: int) -> Path:
    """Sentence vectors of a fine-tuned encoder, for the pictures."""
    return folder / RUNS / "vectors" / cell_name(encoder, variant) / f"{seed}.safetensors"


def history(folder: Path, encoder: str, variant: str, seed: int, phase: str) -> Path:
    return folder / RUNS / "histories" / cell_name(encoder, variant) / f"{seed}-{phase}.csv"


def unfinished(folder: Path, stage: str, encoder: str, variant: str, seed: int) -> Path:
    """Folder of what a training that is not over has saved of itself. No output of dvc."""
    return all_unfinished(folder) / f"{stage}-{cell_name(encoder, variant)}-{seed}"


def all_unfinished(folder: Path) -> Path:
    return folder / RUNS / "unfinished"


def run_report(folder: Path, encoder: str, variant: str, seed: int, phase: str) -> Path:
    """What two identical trainings may differ in: seconds, memory, machine. No output of dvc."""
    return folder / RUNS / "reports" / cell_name(encoder, variant) / f"{seed}-{phase}.json"


def kept_classifier(folder: Path) -> Path:
    """The classifier that the study hands over, made on request."""
    return folder / "classifier"


def reports(folder: Path) -> Path:
    """The folder of a study's tables, figures and page; ``published`` is its counterpart that git keeps."""
    return folder / REPORTS


def published(study: str) -> Path:
    """What git keeps of a finished study."""
    return PUBLISHED / study


def cell_summary(reports: Path, encoder: str, variant: str) -> Path:
    return reports / "cells" / f"{cell_name(encoder, variant)}.json"


def cell_metrics(folder: Path, encoder: str, variant: str) -> Path:
    return reports(folder) / "metrics" / f"{cell_name(encoder, variant)}.json"


def results(folder: Path) -> Path:
    return reports(folder) / "results.csv"


def seed_scores(folder: Path) -> Path:
    """Of every cell and seed, which a method is chosen by."""
    return reports(folder) / "runs.csv"


def paper_table(table: int, encoder: str, protocol: str) -> Path:
    """A table of the paper beside ours as CSV; ``encoder`` and ``protocol`` are empty for the tables of data.

    The protocol ``described``, which is the paper's text, is not named.
    """
    suffix = "" if protocol in ("", "described") else f"-{protocol}"
    return PAPER_REPORTS / f"{'-'.join(filter(None, [f'table_{table}', encoder]))}{suffix}.csv"


def mistakes(reports: Path) -> Path:
    """Folder of ``confusion.csv`` and ``disagreements.csv``."""
    return reports / "pictures" / "mistakes"


def representations(reports: Path, encoder: str) -> Path:
    """Folder of ``representations.csv`` and ``separation.csv``."""
    return reports / "pictures" / f"representations-{encoder}"


def plot_data(folder: Path, name: str) -> Path:
    """What ``dvc plots`` draws."""
    return reports(folder) / "plots" / f"{name}.csv"
