"""What git keeps of a finished study: numbers, tables, predictions by id, run reports; no text, no weight.

Its page is made from these files alone, by ``python -m commands.render_index --published``.
"""

import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import new_folder, read_json, write_table, write_text
from threephase.paper import numbers
from threephase.paper.tables import write_comparison
from threephase.project.project import yaml_text
from threephase.results import mistakes
from threephase.results.cells import cells, read_predictions, summarize
from threephase.results.costs import read_reports
from threephase.results.prediction_checksums import checksums
from threephase.results.results import read_frame
from threephase.revisions.study_files import own_settings
from threephase.scores.predictions import PROBABILITY, classes_of
from threephase.study.paper_params import Paper
from threephase.study.params import Study

FILES = ("results.csv", "runs.csv", "differences.csv", "claims.csv", "curves.csv", "class_counts.csv")
FOLDERS = ("cells", "tables", "pictures")
COPIED = ("example_id", "split", "label", "predicted")
HEADER = "# All settings of the published run. What the names of protocols and variants stand for: shared.yaml.\n"


def publish(study: Study, settings: Paper, titles: Mapping[str, str]) -> Path:
    """Copy a study's results to ``reports/published/<study>``; returns that folder.

    ``titles``: of the data sets by name. Refuses a study that lacks a table or a cell's predictions, and tables that
    are not those of the predictions. A training that came from the cache has no report, and the page says so.
    """
    source, target = paths.reports(study.folder), paths.published(study.params.name)
    for name in (*FILES, *FOLDERS):
        if not (source / name).exists():
            raise UserError(f"{source / name}: no such file; run: make repro STUDY={study.params.name}")
    predictions = all_predictions(study)
    check_tables(study, settings, source)
    check_mistakes(study)
    with new_folder(target) as new:
        for name in FILES:
            shutil.copyfile(source / name, new / name)
        for name in FOLDERS:
            shutil.copytree(source / name, new / name, copy_function=shutil.copyfile)
        write_paper_tables(study, settings, titles, new / "tables")
        _write_small(new / "predictions.parquet", predictions)
        write_table(new / "checksums.csv", checksums(predictions))
        lines = [json.dumps(run.report, ensure_ascii=False) + "\n" for run in read_reports(study) if run.report]
        write_text(new / "run_reports.jsonl", "".join(lines))
        write_text(new / paths.PARAMS, params_text(study))
    return target


def params_text(study: Study) -> str:
    """The study's settings, those of its base filled in, so that they stand alone."""
    return HEADER + yaml_text(own_settings(study))


def check_tables(study: Study, settings: Paper, folder: Path) -> None:
    """Refuse a table in ``folder`` that differs from what the predictions of the study's runs give."""
    summaries = {cell: summarize(study, cell) for cell in cells(study)}
    for (encoder, variant), summary in summaries.items():
        file = paths.cell_summary(folder, encoder, variant)
        _refuse_others(file, pd.json_normalize(read_json(file)), pd.json_normalize(summary), study)
    for name, table in numbers.result_tables(study, list(summaries.values()), settings).items():
        _refuse_others(folder / name, read_frame(folder / name), table, study)


def check_mistakes(study: Study) -> None:
    """The same for the study's confusions and disagreements."""
    predictions, classes = mistakes.trained_predictions(study)
    confusions, place = mistakes.confusion_frame(predictions, classes), paths.mistakes(paths.reports(study.folder))
    tables = {"confusion.csv": confusions, "disagreements.csv": mistakes.disagreements_frame(predictions)}
    for name, table in tables.items():
        _refuse_others(place / name, read_frame(place / name), table, study)


def _refuse_others(file: Path, written: pd.DataFrame, expected: pd.DataFrame, study: Study) -> None:
    """Texts must be the same and numbers all but: another machine rounds the last digit in another way."""
    try:
        # By a copy of each as text, so that both have the types that a file gives them.
        read = [pd.read_csv(io.StringIO(frame.to_csv(index=False))) for frame in (written, expected)]
        pd.testing.assert_frame_equal(*read, check_dtype=False, rtol=1e-9)
    except AssertionError:
        what = "got other numbers than the predictions of the runs give, expected those"
        raise UserError(f"{file}: {what}; run: make repro STUDY={study.params.name}") from None


def write_paper_tables(study: Study, settings: Paper, titles: Mapping[str, str], folder: Path) -> None:
    """The numbers that the paper prints for the study's data set, beside its cells; none where it has no such."""
    params = study.params
    work = numbers.Reproduction(numbers.read_numbers(), settings, study.shared, {params.name: study})
    dataset = settings.stand_in_datasets.get(params.dataset, params.dataset)
    for table, encoder, protocol in numbers.measured_tables(work) if params.reproduces_paper else ():
        frame = numbers.comparison(work, table, encoder, protocol, with_extra=True)
        frame = frame[(frame["dataset"] == dataset) & (frame["verdict"] != numbers.QUOTED)]
        if protocol == params.protocol and encoder in params.encoders and len(frame):
            write_comparison(frame, table, encoder, protocol, study.shared, titles, folder)


def all_predictions(study: Study) -> pd.DataFrame:
    """The predictions of all cells and seeds below each other: encoder, variant, seed, then the columns of each."""
    frames = []
    for encoder, variant in cells(study):
        for seed, frame in read_predictions(study, (encoder, variant)).items():
            kept = frame[[*COPIED, *(PROBABILITY + name for name in classes_of(frame))]]
            who = {"encoder": encoder, "variant": variant, "seed": seed}
            frames.append(kept.assign(**who)[[*who, *kept.columns]])
    return pd.concat(frames, ignore_index=True)


def _write_small(file: Path, predictions: pd.DataFrame) -> None:
    """As small as Parquet allows, as git keeps every version of it: about half of what ``write_table`` writes."""
    # No two probabilities are alike as a whole, but their first bytes are.
    split = [PROBABILITY + name for name in classes_of(predictions)]
    options = {"compression": "zstd", "compression_level": 19, "use_byte_stream_split": split}
    predictions.to_parquet(file, index=False, use_dictionary=[*predictions.columns.difference(split)], **options)
