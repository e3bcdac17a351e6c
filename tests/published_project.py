"""A project in which what git keeps of a finished study is put back where a run leaves it."""

import json
import shutil
from pathlib import Path

import pandas as pd

from stages.common import paths
from stages.common.analysis.cells import predictions_by_cell
from stages.common.config import load_study
from stages.common.files import write_table

REPOSITORY = Path(__file__).resolve().parent.parent
TABLES = ("results.csv", "runs.csv", "differences.csv", "claims.csv")


def params_files() -> list[Path]:
    """The parameters and the texts of the paper that pages are made from, relative to the repository."""
    found = [
        paths.README,
        paths.SHARED_PARAMS,
        paths.PAPER_PARAMS,
        paths.PAPER_NUMBERS,
        paths.DEVIATIONS,
        paths.CITATION,
    ]
    for root in (paths.DATA, paths.BENCHMARKS):
        found += [file.relative_to(REPOSITORY) for file in (REPOSITORY / root).glob("*/params.yaml")]
    return found


def copy_params(root: Path) -> None:
    for file in params_files():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)


def put_back(name: str, root: Path) -> None:
    """Write a published benchmark's tables, cells and run reports below ``root``, the working directory, as run.

    Learning curves and class counts are not kept, so that pages show them as not recorded.
    """
    source, target = REPOSITORY / paths.published(name), root / paths.REPORTS / name
    target.mkdir(parents=True)
    for table in TABLES:
        shutil.copyfile(source / table, target / table)
    shutil.copytree(source / "cells", target / "cells")
    known = load_study(name).benchmark
    for line in (source / "run_reports.jsonl").read_text(encoding="utf-8").splitlines():
        report = json.loads(line)
        run = (report["encoder"], report["variant"], report["seed"], report["phase"])
        file = root / paths.report(known.name, *run)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(line, encoding="utf-8")


def make_published_project(root: Path, name: str) -> Path:
    """Write the params and predictions of a published benchmark below ``root`` as its own run, and nothing else of it.

    Returns the folder in which the repository keeps the published benchmark.
    """
    folder = REPOSITORY / paths.published(name)
    copy_params(root)
    shutil.copyfile(folder / "params.yaml", root / paths.benchmark_params(name))
    for cell, by_seed in predictions_by_cell(pd.read_parquet(folder / "predictions.parquet")).items():
        for seed, rows in by_seed.items():
            write_table(root / paths.predictions(name, *cell, seed), rows)
    return folder
