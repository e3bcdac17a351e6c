"""The report page of a study: one HTML file without network access, made from results, figures and run reports."""

import dataclasses
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.report import curves, figures
from threephase.report.answer import study_answer
from threephase.report.cells import FACTS, cell_rows, details, metrics_of_cells, training_facts
from threephase.report.citation import citation
from threephase.report.claims import NO_VERDICTS, claims_context, with_names
from threephase.report.deviations import deviation_rows, shown_protocols
from threephase.report.encoder_pictures import representations_context
from threephase.report.figure_style import embedded
from threephase.report.finished import Finished
from threephase.report.layout import link, render
from threephase.report.mistake_pictures import mistakes_context
from threephase.results.costs import costs, environment, inputs
from threephase.results.tables import METRIC_TITLES, format_setting
from threephase.study.params import SPLIT_SETTINGS, Study


def render_page(finished: Finished, texts: bool, with_costs: bool) -> str:
    """The whole page as text, with ``texts`` of the data set only where it stays with the reader.

    ``with_costs``: what the trainings took and on which machine. Without them the page is the same after a run with the
    same results, and refers to ``render_costs``. Figures and class counts are read by name, never by listing a folder;
    one that does not exist shows as not recorded.
    """
    study, rows = finished.study, cell_rows(finished)
    return render(
        "report.html.j2",
        all_studies=link(finished.all_studies(), finished.folder),
        study=study,
        dataset=study.dataset,
        encoders=[study.shared.encoders[encoder] for encoder in study.params.encoders],
        answer=study_answer(study, finished.results, finished.claims),
        metrics=METRIC_TITLES,
        metric_order=metrics_of_cells(finished),
        results=rows,
        details=[details(finished, row, with_costs) for row in rows],
        addresses={number["anchor"] for row in rows for number in row["numbers"] if number},
        claims=claims_context([finished], with_names(study, finished.claims), NO_VERDICTS),
        figures=_figures(study),
        representations=representations_context(study),
        mistakes=mistakes_context(study, texts),
        curves=[drawn.name for drawn in curves.curves_of(study)],
        splits={seed: _class_counts(study, seed) for seed in study.params.seeds},
        imbalance_settings=[*study.shared.imbalance, "none"],
        deviations=deviation_rows(study.shared),
        measured=False,
        protocols=shown_protocols(study.shared),
        settings=_settings(study),
        citation=citation(),
        **(made_on(finished) if with_costs else {"costs": None}),
    )


def render_costs(finished: Finished) -> str:
    """The page of what a study's trainings took here, on which machine, and with which versions."""
    study = finished.study
    return render(
        "costs.html.j2",
        study=study,
        dataset=study.dataset,
        trainings=[training_facts(study, training) | {"encoder": training.encoder} for training in finished.trainings],
        facts=list(FACTS.values()),
        **made_on(finished),
    )


def made_on(finished: Finished) -> dict[str, Any]:
    """What a study's trainings cost, where they ran and what they started from."""
    trainings = finished.trainings
    return {"costs": costs(trainings), "environment": environment(trainings), "inputs": inputs(trainings)}


def _figures(study: Study) -> dict[str, dict[str, str]]:
    """The study's figures by name, without those that were not drawn."""
    captions = figures.captions(study) | {drawn.name: curves.caption(study, drawn) for drawn in curves.curves_of(study)}
    files = {name: figures.figures_folder(study) / f"{name}.svg" for name in captions}
    return {name: embedded(file, *captions[name]) for name, file in files.items() if file.is_file()}


def _class_counts(study: Study, seed: int) -> list[dict[str, Any]]:
    """The lines of one seed's class counts, a class each and their sum; none where the split was not recorded."""
    file = paths.splits(study.folder, seed) / "class_counts.csv"
    if not file.is_file():
        return []
    counts = pd.read_csv(file, dtype={"label": str}, keep_default_na=False)
    lines = counts.sort_values(["train", "label"], ascending=[False, True]).to_dict("records")
    return [*lines, {"label": "all classes", **counts.drop(columns="label").sum().to_dict()}]


def _settings(study: Study) -> list[tuple[str, dict[str, str]]]:
    """Groups of settings for "how it was made": title, then text by name."""
    params, shared = study.params, study.shared
    rules = dataclasses.asdict(shared.statistics) | {"claim_margin": shared.verdicts.claim_margin}
    split = {name: getattr(params, name) for name in SPLIT_SETTINGS}
    groups = [(f"Protocol “{params.protocol}”", dataclasses.asdict(study.protocol)), ("Split", split)]
    for encoder in params.encoders:
        title = f"Hyper-parameters, {shared.encoders[encoder].title}"
        groups.append((title, dataclasses.asdict(params.hyperparameters[encoder])))
    groups += [
        ("Training", dataclasses.asdict(shared.training)),
        ("Imbalance correction", {name: dataclasses.asdict(bounds) for name, bounds in shared.imbalance.items()}),
        ("Statistics and verdicts", rules),
    ]
    return [(title, {name: format_setting(value) for name, value in group.items()}) for title, group in groups]
