"""The report page of a benchmark: one HTML file without network access, made from results, figures and run reports."""

import base64
import dataclasses
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from stages.common import paths
from stages.common.analysis.tables import METRIC_TITLES, MISSING, format_interval, format_number, format_signed
from stages.common.answer import sentences
from stages.common.costs import NOT_RECORDED, costs, environment, read_reports
from stages.common.display import Row, captions, curves_of, figure_file, rows_of
from stages.common.scores.metrics import METRICS
from stages.common.settings import Study
from stages.common.source_settings import Dataset

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
MOST_SVG_BYTES = 500_000


def render_page(study: Study, dataset: Dataset, results: pd.DataFrame, claims: pd.DataFrame) -> str:
    """The whole page as text.

    ``results`` and ``claims`` are as ``results.read_results`` gives them. Figures, class counts and run reports of
    the study are read by name, never by listing a folder; one that does not exist shows as not recorded.
    """
    rows, runs = rows_of(study), read_reports(study)
    return (
        template_engine()
        .get_template("report.html.j2")
        .render(
            study=study,
            benchmark=study.benchmark,
            dataset=dataset,
            encoders=[study.shared.encoders[encoder] for encoder in study.benchmark.run_encoders],
            answer=sentences(study, rows, results, claims),
            metrics=METRIC_TITLES,
            metric_order=_metric_order(study),
            results=[_result(study, row, results) for row in rows],
            claims={
                text: [_claim(study, claim) for _, claim in compared.iterrows()]
                for text, compared in claims.groupby("text", sort=False)
            },
            figures=_figures(study),
            curves=[curves.name for curves in curves_of(study)],
            splits={seed: _class_counts(study, seed) for seed in study.benchmark.seeds},
            imbalance_settings=[*study.shared.imbalance, "none"],
            settings=_settings(study),
            costs=costs(runs),
            environment=environment(runs),
            not_recorded=NOT_RECORDED,
            missing=MISSING,
        )
    )


def template_engine() -> jinja2.Environment:
    """What fills the pages' templates: every value is escaped, and a name that is not given is an error."""
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    engine.filters["quantity"] = _quantity
    return engine


def _quantity(value: float | None, digits: int = 0) -> str:
    """A count, time or rate with thousands separated; dashed where nothing was recorded."""
    return NOT_RECORDED if value is None else f"{value:,.{digits}f}"


def _metric_order(study: Study) -> list[str]:
    """The primary metric first, so that a narrow screen shows it without scrolling."""
    return sorted(METRICS, key=lambda metric: metric != study.benchmark.primary_metric)


def _result(study: Study, row: Row, results: pd.DataFrame) -> dict[str, Any]:
    """One line of the results table: a cell's metrics as text, with what they sort by."""
    lines = results[(results["variant"] == row.variant) & (results["encoder"] == row.encoder)].set_index("metric")
    first = None if lines.empty else lines.iloc[0]
    return {
        "title": study.title(row.variant),
        "encoder": study.shared.encoders[row.encoder].title if row.encoder else "no encoder",
        "colour": row.colour,
        "first": first,
        "note": "" if first is None else first["note"],
        "metrics": [_metric(lines.loc[metric]) if metric in lines.index else None for metric in _metric_order(study)],
    }


def _metric(line: pd.Series) -> dict[str, Any]:
    """The texts of one metric of one cell; ``paper`` is empty where the paper has no such cell."""
    paper = ""
    if not pd.isna(line["paper"]):
        paper = f"paper {format_number(line['paper'])}, difference {format_signed(line['delta'])}: {line['verdict']}"
    return {
        "mean": format_number(line["mean"]),
        "sort": float(line["mean"]),
        "interval": format_interval(line["ci_low"], line["ci_high"]),
        "std": "" if pd.isna(line["std"]) else f"std {format_number(line['std'])}",
        "paper": paper,
    }


def _claim(study: Study, claim: pd.Series) -> dict[str, str]:
    known = not pd.isna(claim["difference"])
    return {
        "text": claim["text"],
        "pair": f"{study.title(claim['variant'])} against {study.title(claim['other'])}",
        "encoder": study.shared.encoders[claim["encoder"]].title,
        "difference": format_signed(claim["difference"]) if known else "",
        "by_seed": claim["by_seed"],
        "interval": format_interval(claim["ci_low"], claim["ci_high"]) if known else "",
        "ci_kind": claim["ci_kind"],
        "verdict": claim["verdict"],
    }


def _figures(study: Study) -> dict[str, dict[str, str]]:
    """By name: data URI, title, caption, alternative text; a figure with very many points is embedded as its PNG."""
    found = {}
    for name, (title, caption, alternative) in captions(study).items():
        file, kind = figure_file(study.benchmark.name, name, "svg"), "image/svg+xml"
        if not file.is_file():
            continue
        if file.stat().st_size > MOST_SVG_BYTES:
            file, kind = file.with_suffix(".png"), "image/png"
        uri = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
        found[name] = {"uri": uri, "title": title, "caption": caption, "alternative": alternative}
    return found


def _class_counts(study: Study, seed: int) -> list[dict[str, Any]]:
    """The lines of one seed's class counts, a class each and their sum; none where the split was not recorded."""
    file = paths.splits(study.benchmark.name, seed) / "class_counts.csv"
    if not file.is_file():
        return []
    counts = pd.read_csv(file, dtype={"label": str}, keep_default_na=False)
    lines = counts.sort_values(["train", "label"], ascending=[False, True]).to_dict("records")
    return [*lines, {"label": "all classes", **counts.drop(columns="label").sum().to_dict()}]


def _settings(study: Study) -> list[tuple[str, dict[str, str]]]:
    """Groups of settings for "how it was made": title, then text by name."""
    benchmark, shared = study.benchmark, study.shared
    rules = dataclasses.asdict(shared.statistics) | {"claim_margin": shared.verdicts.claim_margin}
    split = {name: getattr(benchmark, name) for name in ("validation_share", "long_tail_ratio", "long_tail_largest")}
    groups = [(f"Protocol “{benchmark.protocol}”", dataclasses.asdict(study.protocol)), ("Split", split)]
    for encoder in benchmark.run_encoders:
        title = f"Hyper-parameters, {shared.encoders[encoder].title}"
        groups.append((title, dataclasses.asdict(benchmark.hyperparameters[encoder])))
    groups += [
        ("Training", dataclasses.asdict(shared.training)),
        ("Imbalance correction", {name: dataclasses.asdict(bounds) for name, bounds in shared.imbalance.items()}),
        ("Statistics and verdicts", rules),
    ]
    return [(title, {name: _setting(value) for name, value in group.items()}) for title, group in groups]


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_setting(item)}" for name, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
