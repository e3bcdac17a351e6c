"""Where everything lies, relative to the repository's root, in which every stage runs."""

import os
from pathlib import Path

from stages.common.errors import UserError

SHARED_PARAMS = Path("params.yaml")
DATA = Path("data")
BENCHMARKS = Path("benchmarks")
ENCODERS = Path("encoders")
RUNS = Path("runs")
REPORTS = Path("reports")
PAPER = Path("paper")
PAPER_PARAMS = PAPER / "params.yaml"
PAPER_NUMBERS = PAPER / "tables.csv"
PAPER_SETTINGS = PAPER / "hyperparameters.yaml"
PAPER_REFERENCES = PAPER / "references.csv"
PAPER_PIPELINE = PAPER / "dvc.yaml"
PAPER_COMMANDS = PAPER / "commands.csv"
PAPER_REPORTS = REPORTS / "paper"
DEVIATIONS = PAPER / "deviations.yaml"
CITATION = Path("CITATION.cff")
PAPER_TABLES_SO_FAR = PAPER_REPORTS / "so_far"
PAPER_AUDIT = PAPER_REPORTS / "audit.json"
PUBLISHED = REPORTS / "published"
PUBLISHED_AUDIT = PUBLISHED / "audit.json"
DATA_AUDIT = PUBLISHED / "data_audit.json"
README = Path("README.md")
ENGINE_CHOICE = Path(".engine.json")
DATA_FOLDER, ENCODERS_FOLDER = "DATA_FOLDER", "ENCODERS_FOLDER"  # environment variables


def named_folder(variable: str, setting: str | None, key: str) -> Path | None:
    """A local folder of the user's: the environment variable's, else the parameter's; None where neither names one."""
    for named_by, folder in ((variable, os.environ.get(variable)), (f"{SHARED_PARAMS}: {key}", setting)):
        if folder:
            if not Path(folder).is_dir():
                raise UserError(f"{named_by}: {folder}: no such folder")
            return Path(folder)
    return None


def dataset_params(dataset: str) -> Path:
    return DATA / dataset / "params.yaml"


def raw_rows(dataset: str) -> Path:
    return DATA / dataset / "raw.parquet"


def used_source(dataset: str) -> Path:
    """Which of the data set's sources the raw rows come from."""
    return DATA / dataset / "source.json"


def examples(dataset: str) -> Path:
    return DATA / dataset / "examples.parquet"


def manifest(dataset: str) -> Path:
    return DATA / dataset / "manifest.json"


def pretrained_encoder(encoder: str) -> Path:
    return ENCODERS / encoder


def encoder_source(encoder: str) -> Path:
    """Where the pre-trained encoder's files come from; beside its folder, which holds the files alone."""
    return ENCODERS / f"{encoder}.json"


def benchmark_params(benchmark: str) -> Path:
    return BENCHMARKS / benchmark / "params.yaml"


def pipeline_of(file: Path) -> Path:
    """The ``dvc.yaml`` with the stage that makes a file below data/, runs/ or reports/."""
    match file.parts:
        case ("reports", "paper", "audit.json" | "audit.md"):
            return Path("dvc.yaml")
        case ("reports", "paper", *_):
            return PAPER_PIPELINE
        case ("data", name, *_):
            return DATA / name / "dvc.yaml"
        case ("runs" | "reports", name, *_):
            return BENCHMARKS / name / "dvc.yaml"
    return Path("dvc.yaml")


def cell_name(encoder: str, variant: str) -> str:
    """A cell of a table; ``encoder`` is empty for what needs none."""
    return f"{encoder}-{variant}" if encoder else variant


def splits(benchmark: str, seed: int) -> Path:
    """Folder of one seed's split: ``split.parquet``, ``contrastive_<setting>.parquet``, ``class_counts.csv``."""
    return RUNS / benchmark / "splits" / str(seed)


def trained_encoder(benchmark: str, encoder: str, variant: str, seed: int) -> Path:
    return RUNS / benchmark / "encoders" / cell_name(encoder, variant) / str(seed)


def predictions(benchmark: str, encoder: str, variant: str, seed: int) -> Path:
    return RUNS / benchmark / "predictions" / cell_name(encoder, variant) / f"{seed}.parquet"


def vectors(benchmark: str, encoder: str, variant: str, seed: int) -> Path:
    """Sentence vectors of a fine-tuned encoder, for the pictures."""
    return RUNS / benchmark / "vectors" / cell_name(encoder, variant) / f"{seed}.safetensors"


def history(benchmark: str, encoder: str, variant: str, seed: int, phase: str) -> Path:
    return RUNS / benchmark / "histories" / cell_name(encoder, variant) / f"{seed}-{phase}.csv"


def report(benchmark: str, encoder: str, variant: str, seed: int, phase: str) -> Path:
    return RUNS / benchmark / "reports" / cell_name(encoder, variant) / f"{seed}-{phase}.json"


def cell_summary(benchmark: str, encoder: str, variant: str, reports: Path = REPORTS) -> Path:
    return reports / benchmark / "cells" / f"{cell_name(encoder, variant)}.json"


def cell_metrics(benchmark: str, encoder: str, variant: str) -> Path:
    return REPORTS / benchmark / "metrics" / f"{cell_name(encoder, variant)}.json"


def results(benchmark: str) -> Path:
    return REPORTS / benchmark / "results.csv"


def paper_table(table: int, encoder: str, protocol: str, folder: Path = PAPER_REPORTS) -> Path:
    """A table of the paper beside ours as CSV; ``encoder`` and ``protocol`` are empty for the tables of data.

    The protocol ``described``, which is the paper's text, is not named.
    """
    suffix = "" if protocol in ("", "described") else f"-{protocol}"
    return folder / f"{'-'.join(filter(None, [f'table_{table}', encoder]))}{suffix}.csv"


def published(benchmark: str) -> Path:
    """What git keeps of a finished study."""
    return PUBLISHED / benchmark


def pictures(benchmark: str) -> Path:
    """Folder of what is drawn from encoders and single predictions: below it confusions and representations."""
    return REPORTS / benchmark / "pictures"


def mistakes(benchmark: str) -> Path:
    """Folder of ``confusion.csv`` with its figure, and ``disagreements.csv``."""
    return pictures(benchmark) / "mistakes"


def representations(benchmark: str, encoder: str) -> Path:
    """Folder of ``representations.csv``, ``separation.csv`` and a figure a projection."""
    return pictures(benchmark) / f"representations-{encoder}"


def plot_data(benchmark: str, name: str) -> Path:
    """What ``dvc plots`` draws."""
    return REPORTS / benchmark / "plots" / f"{name}.csv"
