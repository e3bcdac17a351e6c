"""A project with the params and predictions of a published benchmark as its own run, and nothing else of it."""

import shutil
from pathlib import Path

import pandas as pd
from tiny_project import REPOSITORY

from stages.common import paths
from stages.common.files import write_table
from stages.common.published import cells_of


def make_published_project(root: Path, name: str) -> Path:
    """Write it below ``root``; returns the folder in which the repository keeps the published benchmark."""
    folder = REPOSITORY / paths.published(name)
    params = [one.relative_to(REPOSITORY) for one in (REPOSITORY / paths.DATA).glob("*/params.yaml")]
    for file in (paths.SHARED_PARAMS, paths.PAPER_PARAMS, paths.PAPER_NUMBERS, *params):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)
    (root / paths.benchmark_params(name)).parent.mkdir(parents=True)
    shutil.copyfile(folder / "params.yaml", root / paths.benchmark_params(name))
    for cell, by_seed in cells_of(pd.read_parquet(folder / "predictions.parquet")).items():
        for seed, rows in by_seed.items():
            write_table(root / paths.predictions(name, *cell, seed), rows)
    return folder
