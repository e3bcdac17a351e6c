"""A cell on a page: its numbers beside the paper's, and behind each the seeds, the runs and the exact command."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.report.display import Row, rows_of
from threephase.report.finished import Finished
from threephase.report.layout import quantity
from threephase.results.costs import FROM_CACHE, NOT_RECORDED, Run
from threephase.results.tables import METRIC_TITLES, format_interval, format_number, format_printed, format_signed
from threephase.study.params import DENOISED, Study
from threephase.study.topology import CONTRAST, DENOISE, command, maker_of

PHASES = {"encoder": "phases 1 and 2", "classifier": "phase 3"}
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
    """The texts of one metric of one cell; ``paper`` is empty where the paper has no such cell."""
    of_paper = not pd.isna(line["paper"])
    return {
        "key": line["metric"],
        "title": METRIC_TITLES.get(line["metric"], line["metric"]),
        "anchor": anchor(finished.name, row.encoder, row.variant, line["metric"]),
        "details": details_name(finished.name, row.encoder, row.variant),
        "mean": format_number(line["mean"]),
        "sort": float(line["mean"]),
        "interval": format_interval(line["ci_low"], line["ci_high"]),
        "std": "" if pd.isna(line["std"]) else format_number(line["std"]),
        "paper": format_printed(line["paper"]) if of_paper else "",
        "delta": format_signed(line["delta"]) if of_paper else "",
        "verdict": line["verdict"] if of_paper else "",
    }


def cell_rows(finished: Finished) -> list[dict[str, Any]]:
    """A row for every cell that the study's params name, in table order; ``numbers`` is None where it lacks one."""
    metrics = metrics_of_cells(finished)
    return [_cell_row(finished, row, metrics) for row in rows_of(finished.study)]


def _cell_row(finished: Finished, row: Row, metrics: Sequence[str]) -> dict[str, Any]:
    study, results = finished.study, finished.results
    lines = results[(results["variant"] == row.variant) & (results["encoder"] == row.encoder)].set_index(
        "metric", drop=False
    )
    first = None if lines.empty else lines.iloc[0]
    return {
        "row": row,
        "title": study.title(row.variant),
        "encoder": study.shared.encoders[row.encoder].title if row.encoder else "no encoder",
        "colour": row.colour,
        "unit": "seed" if study.dataset.folds is None else "fold",
        "command": command(study, (row.encoder, row.variant)),
        "first": first,
        "note": "" if first is None else first["note"],
        "details": details_name(finished.name, row.encoder, row.variant),
        "metrics": metrics,
        "numbers": [number(finished, row, lines.loc[name]) if name in lines.index else None for name in metrics],
    }


def details(finished: Finished, rows: Sequence[dict[str, Any]], with_runs: bool = True) -> list[dict[str, Any]]:
    """What lies behind each of the rows that ``cell_rows`` gives; ``with_runs``: what each training took, and where."""
    return [_details(finished, line, with_runs) for line in rows]


def _details(finished: Finished, line: dict[str, Any], with_runs: bool) -> dict[str, Any]:
    row, study, runs = line["row"], finished.study, finished.runs
    own = runs[(runs["variant"] == row.variant) & (runs["encoder"] == row.encoder)]
    values = {(one.split, one.seed, one.metric): format_number(one.value) for one in own.itertuples()}
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
        "runs": [run_facts(study, run) for run in _runs_behind(finished, row)] if with_runs else None,
    }


def _runs_behind(finished: Finished, row: Row) -> list[Run]:
    """The trainings that made a cell, shared ones included: phase 1, phase 2, phase 3, by seed."""
    wanted = [(row.variant, phase) for phase in ("encoder", "classifier")]
    variant = finished.study.shared.variants.get(row.variant)
    if variant is not None:
        maker = maker_of(finished.study.shared, row.variant) or row.variant
        denoised = variant.encoder_from == CONTRAST
        wanted = [*([(DENOISED, "encoder")] if denoised else []), (maker, "encoder"), (row.variant, "classifier")]
    return [
        run
        for variant, phase in wanted
        for run in finished.trainings
        if (run.encoder, run.variant, run.phase) == (row.encoder, variant, phase)
    ]


def run_facts(study: Study, run: Run) -> dict[str, Any]:
    """What a training took, as texts: its phase, whose it is, its seed, and ``FACTS``."""
    report = run.report
    texts = [FROM_CACHE, *[""] * (len(FACTS) - 1)] if report is None else [_fact(report, key) for key in FACTS]
    stage = "phase 1" if run.stage == DENOISE else "phase 2" if "contrastive" in run.stage else PHASES[run.phase]
    stage = stage if "baselines" not in run.stage else "fit"
    return {"stage": stage, "of": study.title(run.variant), "seed": run.seed, "facts": texts}


def _fact(report: dict[str, Any], key: str) -> str:
    """A fact of a run report; empty where that kind of run has none."""
    value = report.get(key)
    if value is None:
        return ""
    if key == "seconds":
        return quantity(value, 1)
    return f"{value:g}" if isinstance(value, float) else str(value)
