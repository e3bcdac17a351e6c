"""A project in which what git keeps of a finished study is put back where a run leaves it."""

import json
import shutil
from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.base.files import sha256_of, write_table
from threephase.base.run_reports import RESULT
from threephase.results.cells import predictions_by_cell
from threephase.study.params import Study
from threephase.study.read_params import load_study, study_folders
from threephase.study.topology import BASELINE

REPOSITORY = Path(__file__).resolve().parents[2]
TABLES = ("results.csv", "runs.csv", "differences.csv", "claims.csv")


def params_files() -> list[Path]:
    """The parameters and the texts of the paper that pages are made from, relative to the repository."""
    files = [
        paths.README,
        Path("docs/findings.md"),
        Path(paths.PARAMS),
        paths.SHARED_PARAMS,
        paths.PAPER_PARAMS,
        paths.PAPER_NUMBERS,
        paths.DEVIATIONS,
        paths.CITATION,
    ]
    for pattern in (f"{paths.DATA}/*.yaml", f"{paths.ENCODERS}/*.yaml", f"{paths.STUDIES}/*/{paths.PARAMS}"):
        files += [file.relative_to(REPOSITORY) for file in REPOSITORY.glob(pattern)]
    return files


def copy_params(root: Path) -> None:
    for file in params_files():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)


def put_back(name: str, root: Path) -> None:
    """Write a published study's tables, cells and run reports below ``root``, the working directory, as run.

    Learning curves and class counts are not kept, so that pages show them as not recorded.
    """
    study = load_study(name)
    source, target = REPOSITORY / paths.published(name), root / paths.reports(study.folder)
    target.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        shutil.copyfile(source / table, target / table)
    shutil.copytree(source / "cells", target / "cells")
    write_predictions(study, root)
    write_run_reports(study, root)


def write_predictions(study: Study, root: Path) -> None:
    """Write what is published of a study's predictions as its own run has them."""
    table = pd.read_parquet(REPOSITORY / paths.published(study.params.name) / "predictions.parquet")
    for cell, by_seed in predictions_by_cell(table).items():
        for seed, rows in by_seed.items():
            write_table(root / paths.predictions(study.folder, *cell, seed), rows)


def write_run_reports(study: Study, root: Path) -> None:
    """Write the published run reports as the study's own run has them, each beside an empty history."""
    lines = (REPOSITORY / paths.published(study.params.name) / "run_reports.jsonl").read_text(encoding="utf-8")
    for report in map(json.loads, lines.splitlines()):
        run = (report["encoder"], report["variant"], report["seed"], report["phase"])
        result = root / paths.predictions(study.folder, *run[:3])
        if report["stage"] != BASELINE:
            result = root / paths.history(study.folder, *run)
            result.parent.mkdir(parents=True, exist_ok=True)
            result.touch()
        file = root / paths.run_report(study.folder, *run)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report | {RESULT: sha256_of(result)}), encoding="utf-8")


def make_published_project(root: Path, name: str) -> Path:
    """Write the params and predictions of a published study below ``root``, the working directory, as its own run.

    Nothing else of it is there. Returns the folder in which the repository keeps the published study.
    """
    folder = REPOSITORY / paths.published(name)
    copy_params(root)
    own = study_folders()[name]
    named = f"name: {name}\n" if own == Path() else ""
    params = named + (folder / paths.PARAMS).read_text(encoding="utf-8")
    (root / paths.study_params(own)).write_text(params, encoding="utf-8")
    write_predictions(load_study(name), root)
    return folder
