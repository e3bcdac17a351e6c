"""A project with what git keeps of a finished study put back where a run leaves it, so that its pages can be rendered.

Learning curves and class counts are not kept, so that they show as not recorded.
"""

import json
import shutil
from pathlib import Path

from stages.common import paths
from stages.common.config import load_study

REPOSITORY = Path(__file__).resolve().parent.parent
TABLES = ("results.csv", "runs.csv", "claims.csv")


def params_files() -> list[Path]:
    """The parameters and the texts of the paper that pages are made from, relative to the repository."""
    found = [paths.SHARED_PARAMS, paths.PAPER_PARAMS, paths.PAPER_NUMBERS, paths.DEVIATIONS, paths.CITATION]
    for root in (paths.DATA, paths.BENCHMARKS):
        found += [file.relative_to(REPOSITORY) for file in (REPOSITORY / root).glob("*/params.yaml")]
    return found


def copy_params(root: Path) -> None:
    for file in params_files():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)


def put_back(name: str, root: Path) -> None:
    """Write a published benchmark's tables, cells and run reports below ``root``, the working directory, as run."""
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
