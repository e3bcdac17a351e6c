"""What git keeps of a finished study: numbers, tables, page, predictions by id, run reports; no text, no weight."""

import json
import shutil
from pathlib import Path

import pandas as pd

from stages.common import paths
from stages.common.analysis.cells import cells, read_predictions
from stages.common.costs import read_reports
from stages.common.errors import UserError
from stages.common.files import new_folder, write_table
from stages.common.settings import Study

FILES = ("results.csv", "runs.csv", "claims.csv", "index.html")
FOLDERS = ("cells", "tables")
COPIED = ("example_id", "split", "label", "predicted")


def publish(study: Study) -> Path:
    """Copy a benchmark's results to ``reports/published/<benchmark>``; returns that folder.

    Refuses a study that lacks a table, a cell's predictions or a run's report.
    """
    name = study.benchmark.name
    source, target = paths.REPORTS / name, paths.published(name)
    predictions, reports = all_predictions(study), all_reports(study)
    for one in (*FILES, *FOLDERS):
        if not (source / one).exists():
            raise UserError(f"{source / one}: no such file; run: dvc repro {paths.BENCHMARKS / name}/dvc.yaml")
    with new_folder(target) as new:
        for one in FILES:
            shutil.copyfile(source / one, new / one)
        for one in FOLDERS:
            shutil.copytree(source / one, new / one, copy_function=shutil.copyfile)
        write_table(new / "predictions.parquet", predictions)
        lines = [json.dumps(report, ensure_ascii=False) for report in reports]
        (new / "run_reports.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        shutil.copyfile(paths.benchmark_params(name), new / "params.yaml")
    return target


def all_predictions(study: Study) -> pd.DataFrame:
    """The predictions of all cells and seeds below each other: encoder, variant, seed, then the columns of each."""
    frames = []
    for encoder, variant in cells(study):
        for seed, frame in read_predictions(study, (encoder, variant)).items():
            probabilities = [column for column in frame if column.startswith("probability_")]
            kept = frame[[*COPIED, *probabilities]]
            who = {"encoder": encoder, "variant": variant, "seed": seed}
            frames.append(kept.assign(**who)[[*who, *kept.columns]])
    return pd.concat(frames, ignore_index=True)


def all_reports(study: Study) -> list[dict]:
    """The report of every training, in the order of the stages."""
    runs = read_reports(study)
    missing = [run.stage for run in runs if run.report is None]
    if missing:
        raise UserError(
            f"{paths.RUNS / study.benchmark.name}/reports: {len(missing)} run reports are missing, the first of "
            f"{missing[0]}; run: dvc repro {paths.BENCHMARKS / study.benchmark.name}/dvc.yaml"
        )
    return [run.report for run in runs]
