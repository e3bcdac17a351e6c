"""The report page of a study: one HTML file without network access, made from results and run reports."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from threephase.audit.one_switch import is_switch_study
from threephase.base import paths
from threephase.report.answer import BY_ORDINARY, ORDINARY, lead, metric_name
from threephase.report.cells import FACTS, PERCENT, behind, cell_rows, details, drawn, metrics_of_cells, training_facts
from threephase.report.citation import citation
from threephase.report.claims import NO_VERDICTS, claims_context, with_names
from threephase.report.curves import curves_context
from threephase.report.deviations import deviation_rows, how_run, shown_protocols
from threephase.report.drawing import colour, scale_of
from threephase.report.encoder_pictures import representations_context
from threephase.report.finished import Finished, has_more_seeds
from threephase.report.judged import AHEAD, FEW, judged
from threephase.report.layout import link, render
from threephase.report.mistake_pictures import mistakes_context
from threephase.report.own_answer import own_answer
from threephase.report.rows import Row, rows_of
from threephase.results.choice import GUESSING
from threephase.results.costs import costs, environment, inputs
from threephase.results.curves import LEAST_STEPS
from threephase.results.tables import METRIC_TITLES, format_setting
from threephase.scores.statistics import NOT_RUN, ROWS_ONLY
from threephase.study.params import SPLIT_SETTINGS, Study
from threephase.study.rules import counts_all_labels
from threephase.study.topology import trainings


def render_page(finished: Finished, texts: bool, with_costs: bool, beside: Sequence[Finished] = ()) -> str:
    """The whole page as text, with ``texts`` of the data set only where it stays with the reader.

    ``with_costs``: what the trainings took and on which machine. Without them the page is the same after a run with the
    same results, and refers to ``render_costs``. All else is made from the files of ``finished.folder``. A study on a
    reader's own texts begins with what to use on them, and leaves out what is asked of the paper. ``beside``: studies
    whose pages lie beside this one; it points to those that ask the same with more seeds.
    """
    study, rows = finished.study, cell_rows(finished)
    run = [row for row in rows if row["first"] is not None]
    several = len(study.params.encoders) > 1
    for row in run:
        remarks = ["baseline" * row["baseline"], row["encoder"] * several, row["note"]]
        row |= {"drawing": drawn(finished, row["row"]), "remarks": [remark for remark in remarks if remark]}
    metrics = metrics_of_cells(finished)
    own = own_answer(finished) if study.asks_what_to_use else None
    return render(
        "report.html.j2" if own is None else "own_report.html.j2",
        all_studies=link(finished.all_studies(), finished.folder),
        study=study,
        dataset=study.dataset,
        encoders=[study.shared.encoders[encoder] for encoder in study.params.encoders],
        answer=_answer(finished) if own is None else own,
        labels_page=link(paths.PUBLISHED_LABELS, finished.folder) if counts_all_labels(study.protocol) else None,
        learning_rate=_learning_rate(study),
        methods={} if own is None else {(method.row.encoder, method.row.variant): method for method in own.methods},
        how_run=how_run(study),
        more_seeds=[other for other in beside if has_more_seeds(other.study, study)],
        elsewhere=None if finished.is_published else link(paths.PUBLISHED_STUDIES, finished.folder),
        single_switch=is_switch_study(study),
        metric=metric_name(study.params.primary_metric),
        metrics=METRIC_TITLES,
        metric_order=metrics,
        extra=[name for name in metrics[1:] if "precision" in name or "recall" in name],
        percent=PERCENT,
        seeds=[(seed, colour(number)) for number, seed in enumerate(study.params.seeds)],
        confidence=f"{study.shared.statistics.confidence:.0%}",
        intervals=[kind for kind in dict.fromkeys(finished.results["ci_kind"]) if kind != ROWS_ONLY],
        margin=f"{study.shared.verdicts.claim_margin:g}",
        results=run,
        of_study="" if study.folder == Path() else f" STUDY={study.params.name}",
        **_not_run(finished, rows),
        details=[details(finished, row, with_costs) for row in run],
        addresses={number["anchor"] for row in run for number in row["numbers"] if number},
        claims=claims_context([finished], with_names(study, finished.claims), NO_VERDICTS),
        curves=curves_context(finished),
        least_steps=LEAST_STEPS,
        representations=representations_context(finished),
        mistakes=mistakes_context(finished, texts),
        splits=_class_counts(finished),
        imbalance_settings=[*study.shared.imbalance, "none"],
        deviations=deviation_rows(study.shared)[0],
        measured=False,
        protocols=shown_protocols(study.shared),
        settings=_settings(study),
        citation=citation(),
        **(made_on(finished) if with_costs else {"costs": None}),
    )


def _learning_rate(study: Study) -> str:
    """How the ordinary recipe came by its learning rate, within a sentence."""
    protocol = study.protocol
    return "fixed beforehand" if counts_all_labels(protocol) else f"chosen on the {protocol.selection_split} rows"


def _answer(finished: Finished) -> dict[str, Any]:
    """The first claim: its text, and what became of it on each encoder, by main settings and ordinary recipe.

    A study of few labels asks another question, so that what it does not run is left out.
    """
    study, (name, claim) = finished.study, next(iter(finished.study.shared.claims.items()))
    lines = finished.claims[finished.claims["claim"] == name]
    if counts_all_labels(study.protocol):
        lines = lines[lines["verdict"] != NOT_RUN]
    lines = lines.to_dict("records")
    found = [(line["encoder"], line["variant"], judged(study, line)) for line in lines]
    # Where the study runs the ordinary recipe, the claim is as much one on that.
    found += [
        (encoder, ORDINARY, leading)
        for encoder in study.params.encoders
        if (leading := lead(finished, encoder, *BY_ORDINARY))
    ]
    scale = scale_of([0.0, *(value for *_, comparison in found for value in comparison.reach)])
    recipe = f" (encoder trained, learning rate {_learning_rate(study)})"
    rows = [
        {
            "encoder_title": study.shared.encoders[encoder].title,
            "judged": comparison,
            "how": f"{comparison.first} minus {comparison.second}{recipe * (variant == ORDINARY)}",
            "drawing": comparison.drawn(scale),
            "caveat": _caveat(finished, encoder, variant),
        }
        for encoder, variant, comparison in found
    ]
    return {"text": claim.text, "rows": rows, "scale": scale}


def _caveat(finished: Finished, encoder: str, variant: str) -> str:
    """What a comparison is worth whose first side may have learned nothing; empty where it beats guessing."""
    found = lead(finished, encoder, variant, GUESSING)
    if found is None or found.outcome in (AHEAD, FEW):
        return ""
    return f"Distrust it: “{found.first}” is not shown to beat always naming the commonest class."


def _not_run(finished: Finished, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The cells without results, and how many trainings of their own they wait for."""
    missing = [row for row in rows if row["first"] is None]
    cells = {(row["row"].encoder, row["row"].variant) for row in missing}
    own = [training for training in trainings(finished.study) if (training.encoder, training.variant) in cells]
    return {"not_run": missing, "trainings": len(own) * len(finished.study.params.seeds)}


def render_costs(finished: Finished) -> str:
    """The page of what a study's trainings took here, on which machine, and with which versions."""
    study = finished.study
    return render(
        "costs.html.j2",
        study=study,
        dataset=study.dataset,
        methods=seconds_of_methods(finished),
        unit="seed" if study.dataset.folds is None else "fold",
        trainings=[training_facts(study, training) | {"encoder": training.encoder} for training in finished.trainings],
        facts=list(FACTS.values()),
        **made_on(finished),
    )


def seconds_of_methods(finished: Finished) -> dict[Row, float | None]:
    """By cell the seconds of all trainings behind it, shared ones included, for one seed: the mean of the seeds.

    None where one came from the cache: it was not timed here.
    """
    found = {}
    for row in rows_of(finished.study):
        reports = [training.report for training in behind(finished, row)]
        timed = None not in reports
        seconds = sum(report["seconds"] for report in reports) if timed else 0.0
        found[row] = seconds / len(finished.study.params.seeds) if timed else None
    return found


def made_on(finished: Finished) -> dict[str, Any]:
    """What a study's trainings cost, where they ran and what they started from."""
    runs = finished.trainings
    return {"costs": costs(runs), "environment": environment(runs), "inputs": inputs(runs)}


def _class_counts(finished: Finished) -> dict[int, list[dict[str, Any]]]:
    """By seed the lines of its class counts, a class each and their sum."""
    lines = {}
    for seed, counts in finished.class_counts.drop_duplicates().groupby("seed"):
        ordered = counts.sort_values(["train", "label"], ascending=[False, True]).to_dict("records")
        lines[seed] = [*ordered, {"label": "all classes", **counts.drop(columns="label").sum().to_dict()}]
    return lines


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
