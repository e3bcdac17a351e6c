"""The checks of the paper's numbers, made on every run of ours that is published."""

from collections.abc import Sequence

import pandas as pd

from threephase.audit import balanced_recall, confusion, granularity
from threephase.audit.item import FINDING, PASSES, Item, code_of, table
from threephase.audit.macro_f1 import harmonic_mean
from threephase.audit.published_runs import PublishedStudy
from threephase.results.cells import cells, test_rows
from threephase.scores.statistics import NOT_RUN

CHECKS = ("Accuracies", "Matrices", "Balanced recalls")


def findings_of_run(scores: dict[str, float], labels: pd.Series, positive: str | None) -> dict[str, bool]:
    """Which of ``CHECKS`` apply to a run, and whether each finds something.

    ``scores``: the run's test metrics in percent; they are rounded to two decimals as the paper's are. ``labels``: of
    its test rows; ``positive``: the positive class of a two-class set.
    """
    printed = {metric: round(value, 2) for metric, value in scores.items()}
    counts = labels.value_counts().to_dict()
    wrong = {"Accuracies": not granularity.is_possible(printed["accuracy"], len(labels))}
    if positive is not None:
        p = counts.get(positive, 0)
        wrong["Matrices"] = not confusion.explains(printed, p, len(labels) - p, "positive")
    if balanced_recall.balanced(counts):
        wrong["Balanced recalls"] = not balanced_recall.agrees(printed["accuracy"], printed["macro_recall"])
    return wrong


def row_of(published: PublishedStudy) -> dict:
    """How many numbers of a study's runs were checked and how many are findings, and how far macro F1 lies below."""
    scores = published.runs[published.runs["split"] == "test"].pivot(
        index=["encoder", "variant", "seed"], columns="metric", values="value"
    )
    checked, findings, gaps = dict.fromkeys(CHECKS, 0), dict.fromkeys(CHECKS, 0), []
    for cell in cells(published.study):
        for seed, frame in published.of_cell(cell).items():
            of_run = scores.loc[(*cell, seed)].to_dict()
            gaps.append(harmonic_mean(of_run["macro_precision"], of_run["macro_recall"]) - of_run["macro_f1"])
            labels = test_rows(frame)["label"]
            for check, wrong in findings_of_run(of_run, labels, published.study.dataset.positive_class).items():
                checked[check] += 1
                findings[check] += wrong
    row = {"Study": published.name, "Runs": len(gaps)}
    row |= {check: f"{checked[check]} checked, {findings[check]} findings" for check in CHECKS}
    low, high = (round(gap, 2) + 0.0 for gap in (min(gaps), max(gaps)))  # no minus before a zero
    row["Macro F1 below the harmonic mean by"] = f"{low:.2f} to {high:.2f}"
    return row | {"findings": sum(findings.values()), "checked": sum(checked.values())}


def audit(published: Sequence[PublishedStudy]) -> Item:
    """Every seed of every published cell."""
    rows = [row_of(study) for study in published]
    checked, findings = (sum(row[key] for row in rows) for key in ("checked", "findings"))
    runs = sum(row["Runs"] for row in rows)
    said = f"{checked} checks on {runs} runs of {len(rows)} published studies: {findings} findings."
    if unused := [name for name in CHECKS if all(row[name].startswith("0 checked") for row in rows)]:
        said += f" No published test set is one to check these on: {', '.join(unused).lower()}."
    return Item(
        id="own_runs",
        title="The same checks on our own runs",
        question="Do our own numbers pass what the paper's are asked?",
        method=(
            "Three checks for every seed of every published cell, rounded to two decimals. Accuracy is a number of "
            "right answers; one confusion matrix gives the positive class's metrics (two classes); macro recall is "
            "accuracy (balanced test rows). The last column shows how far the mean of the classes' F1 really lies "
            "below the harmonic mean."
        ),
        finding=said if rows else "No study is published.",
        outcome=(FINDING if findings else PASSES) if rows else NOT_RUN,
        **table(["Study", "Runs", *CHECKS, "Macro F1 below the harmonic mean by"], rows),
        code=code_of(__name__),
        falsify="A run in reports/published whose numbers fail one of the checks.",
        data="reports/published/*: runs.csv and the labels of predictions.parquet",
    )
