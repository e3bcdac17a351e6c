"""A cell on a page: its numbers beside the paper's, and behind each the seeds, the runs and the exact command."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.report.drawing import Scale, colour
from threephase.report.finished import Finished
from threephase.report.layout import quantity
from threephase.report.rows import Row, of_cell, rows_of
from threephase.results.costs import FROM_CACHE, NOT_RECORDED, RecordedTraining
from threephase.results.tables import METRIC_TITLES, format_interval, format_number, format_printed, format_signed
from threephase.scores.statistics import ROWS_ONLY
from threephase.study.params import THREE_PHASE, Study
from threephase.study.topology import command, trainings_behind

PERCENT = Scale(0, 100, 20)
# By how the name of the stage begins that makes a training.
PHASES = {
    "train_dae": "phase 1",
    "train_contrastive": "phase 2",
    "train_joint": "phases 1 and 2",
    "train_method": "method",
    "train_classifier": "phase 3",
    "fit_classifier": "fit",
    "train_baselines": "fit",
}
FACTS = {
    "seconds": "Seconds",
    "device": "Device",
    "precision": "Precision",
    "updates": "Updates",
    "lr": "Learning rate",
    "best_epoch": "Best epoch",
    "epochs": "Epochs",
    "same_training_as": "Same training as",
}


def metrics_of_cells(finished: Finished) -> list[str]:
    """The metrics that the results hold, the primary one first, so that a narrow screen shows it without scrolling."""
    known = dict.fromkeys(finished.results["metric"])
    return sorted(known, key=lambda metric: metric != finished.study.params.primary_metric)


def details_name(study: str, encoder: str, variant: str) -> str:
    """The id of a cell's details."""
    return f"details={study}/{paths.cell_name(encoder, variant)}"


def anchor(study: str, encoder: str, variant: str, metric: str) -> str:
    """The address of one number within a page; a link to it opens the details of its cell."""
    return f"cell={study}/{paths.cell_name(encoder, variant)}/{metric}"


def number(finished: Finished, row: Row, line: pd.Series) -> dict[str, Any]:
    """A metric of a cell as the page shows it."""
    return number_texts(line) | {
        "key": line["metric"],
        "interval": format_interval(line["ci_low"], line["ci_high"]),
        "title": METRIC_TITLES.get(line["metric"], line["metric"]),
        "anchor": anchor(finished.name, row.encoder, row.variant, line["metric"]),
        "details": details_name(finished.name, row.encoder, row.variant),
        "std": "" if pd.isna(line["std"]) else format_number(line["std"]),
    }


def number_texts(line: Mapping[str, Any]) -> dict[str, Any]:
    """Our number with its interval, where that covers seeds; beside it the paper's, empty where it has no such cell."""
    texts = {
        "mean": format_number(line["mean"]),
        "sort": float(line["mean"]),
        "stated": "" if line["ci_kind"] == ROWS_ONLY else format_interval(line["ci_low"], line["ci_high"]),
    }
    if pd.isna(line["paper"]):
        return texts | {"paper": "", "delta": "", "verdict": ""}
    delta = format_signed(line["delta"])
    return texts | {"paper": format_printed(line["paper"]), "delta": delta, "verdict": line["verdict"]}


def cell_rows(finished: Finished) -> list[dict[str, Any]]:
    """A row for every cell that the study's params name; a number that it lacks is None.

    The highest mean of the primary metric comes first, what was not run last.
    """
    metrics = metrics_of_cells(finished)
    rows = [_cell_row(finished, row, metrics) for row in rows_of(finished.study)]
    return sorted(rows, key=lambda row: -row["numbers"][0]["sort"] if metrics and row["numbers"][0] else 1.0)


def _cell_row(finished: Finished, row: Row, metrics: Sequence[str]) -> dict[str, Any]:
    study, lines = finished.study, of_cell(finished.results, row).set_index("metric", drop=False)
    first = None if lines.empty else lines.iloc[0]
    return {
        "row": row,
        "title": study.title(row.variant),
        "encoder": study.shared.encoders[row.encoder].title if row.encoder else "no encoder",
        "unit": "seed" if study.dataset.folds is None else "fold",
        "command": command(study, (row.encoder, row.variant)),
        "first": first,
        "note": "" if first is None else first["note"].replace(THREE_PHASE, f"“{study.title(THREE_PHASE)}”"),
        "baseline": row.variant in study.shared.baselines,
        "details": details_name(finished.name, row.encoder, row.variant),
        "metrics": metrics,
        "numbers": [number(finished, row, lines.loc[name]) if name in lines.index else None for name in metrics],
    }


def drawn(finished: Finished, row: Row) -> dict[str, Any] | None:
    """The mean of a cell's primary metric with its interval, where that covers seeds, and its seeds, for ``forest``."""
    primary = finished.study.params.primary_metric
    lines, runs = (of_cell(table[table["metric"] == primary], row) for table in (finished.results, finished.runs))
    if lines.empty:
        return None
    line, by_seed = lines.iloc[0], runs[runs["split"] == "test"].set_index("seed")["value"]
    numbered = enumerate(finished.study.params.seeds)
    return {
        "middle": PERCENT.x(line["mean"]),
        "span": None if line["ci_kind"] == ROWS_ONLY else (PERCENT.x(line["ci_low"]), PERCENT.x(line["ci_high"])),
        "seeds": [(PERCENT.x(by_seed[seed]), colour(number)) for number, seed in numbered if seed in by_seed],
        "kind": "",
    }


def details(finished: Finished, line: dict[str, Any], with_costs: bool = True) -> dict[str, Any]:
    """What lies behind a row that ``cell_rows`` gives; ``with_costs``: what each training took, and where."""
    row, study = line["row"], finished.study
    runs = of_cell(finished.runs, row).itertuples()
    values = {(run.split, run.seed, run.metric): format_number(run.value) for run in runs}
    primary = study.params.primary_metric
    return {
        **line,
        "id": line["details"],
        "study": finished.name,
        "dataset": study.dataset.title,
        "protocol": study.params.protocol,
        "validation": METRIC_TITLES[primary],
        "seeds": [
            {
                "seed": seed,
                "values": [values.get(("test", seed, metric), NOT_RECORDED) for metric in line["metrics"]],
                "validation": values.get(("validation", seed, primary), NOT_RECORDED),
            }
            for seed in study.params.seeds
        ],
        "facts": list(FACTS.values()),
        "runs": [training_facts(study, training) for training in behind(finished, row)] if with_costs else None,
    }


def behind(finished: Finished, row: Row) -> list[RecordedTraining]:
    """The trainings that made a cell, shared ones included: phase 1, phase 2, phase 3, by seed."""
    return [
        training
        for variant, phase in trainings_behind(finished.study.shared, row.variant)
        for training in finished.trainings
        if (training.encoder, training.variant, training.phase) == (row.encoder, variant, phase)
    ]


def training_facts(study: Study, training: RecordedTraining) -> dict[str, Any]:
    """What a training took, as texts: its phase, whose it is, its seed, and ``FACTS``."""
    report = training.report
    texts = [FROM_CACHE, *[""] * (len(FACTS) - 1)] if report is None else [_fact(report, key) for key in FACTS]
    phase = next(phase for start, phase in PHASES.items() if training.stage.startswith(start))
    return {"stage": phase, "of": study.title(training.variant), "seed": training.seed, "facts": texts}


def _fact(report: dict[str, Any], key: str) -> str:
    """A fact of a run report; empty where that kind of run has none."""
    value = report.get(key)
    if value is None:
        return ""
    if key == "seconds":
        return quantity(value, 1)
    return f"{value:g}" if isinstance(value, float) else str(value)
