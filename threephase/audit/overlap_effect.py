"""What test rows that also stand in the training rows can have done to accuracies: the paper's, and ours."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from threephase.audit.item import FINDING, PASSES, Item, code_of, points, table
from threephase.audit.printed import Printed
from threephase.audit.published_runs import PublishedStudy
from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import read_json
from threephase.results.cells import cells, test_rows
from threephase.results.tables import MISSING, format_printed
from threephase.scores.statistics import NOT_RUN
from threephase.study.params import Dataset

REMEDY = "run: make audit, where the data set is prepared"
Entries = Mapping[str, dict[str, Any]]


def read_entries(datasets: Mapping[str, Dataset]) -> dict[str, dict[str, Any]]:
    """The entries of data_audit.json by data set; refuses one that was counted on other content."""
    if not paths.DATA_AUDIT.is_file():
        return {}
    entries = read_json(paths.DATA_AUDIT)
    for name, entry in entries.items():
        expected = datasets[name].expected.sha256 if name in datasets else None
        if expected is not None and entry["content_sha256"] != expected:
            got = f"{name}: content_sha256: got {entry['content_sha256']}, expected {expected}"
            raise UserError(f"{paths.DATA_AUDIT}: {got} of {paths.dataset_definition(name)}; {REMEDY}")
    return entries


def largest_effect(accuracy: float, rows: int, shared: int) -> float:
    """The largest change, in points and in either direction, of an accuracy when ``shared`` test rows are left out.

    Over all numbers of right answers that the shared rows can have.
    """
    right = accuracy / 100 * rows
    least, most = max(0.0, right + shared - rows), min(float(shared), right)
    without = [100 * (right - among) / (rows - shared) for among in (least, most)]
    return max(abs(value - accuracy) for value in without)


def audit_data(printed: Printed, entries: Entries) -> Item:
    """Every data set that was counted, and those of the paper that were not."""
    rows, most, overlapping = [], {}, []
    for name in dict.fromkeys([*printed.datasets, *entries]):
        if name not in entries:
            rows.append({"Data set": name} | dict.fromkeys(SHOWN_DATA[1:], MISSING))
            continue
        entry = entries[name]
        exact, loose = entry["exact"], entry["normalised"]
        shared, split = loose["test_rows_in_train"], entry["rows_by_split"]
        row = {"Data set": name, "Training rows": split["train"], "Test rows": split.get("test", "folds")}
        row |= {title: f"{exact[key]} / {loose[key]}" for title, key in COUNTED.items()}
        row["With another label"] = loose["test_rows_in_train_with_another_label"]
        if shared:
            overlapping.append(f"{name} {shared}")
        if name in printed.datasets:
            accuracies, n = printed.measured(3, 4), printed.rows(name)
            of_dataset = accuracies.loc[accuracies["dataset"] == name, "value"]
            most[name] = max(largest_effect(value, n, shared) for value in of_dataset) if shared else 0.0
            row["At most on a printed accuracy"] = format_printed(most[name])
        rows.append(row)
    said = ", ".join(f"{name} {format_printed(value)}" for name, value in most.items() if value)
    finding = (
        f"Test rows that also stand in the training rows: {', '.join(overlapping) or 'none'}"
        f"; left out, they change no printed accuracy by more than so many points: {said or 'none'}."
    )
    return Item(
        id="overlap",
        title="Texts in both training and test",
        question="How many test texts also stand in the training rows, and how far can that have moved a number?",
        method=(
            "Prepared data, each text compared with every other as it is / in lower case with single spaces. The last "
            "column is a bound for the paper's numbers: over everything that its runs can have answered on those rows. "
            "Of snips, whose test rows are folds, both rows of a repeated text are counted."
        ),
        finding=finding if entries else f"No data set was counted; {REMEDY}.",
        outcome=(FINDING if overlapping else PASSES) if entries else NOT_RUN,
        **table(SHOWN_DATA, rows),
        code=code_of(__name__),
        falsify=(
            "The counts on the authors' copies of the data; near-duplicates, which are not counted, could make the "
            "overlap larger."
        ),
        data="reports/published/data_audit.json, counted on the prepared data; paper/tables.csv",
    )


COUNTED = {
    "Repeats in training": "repeats_in_train",
    "Repeats in test": "repeats_in_test",
    "Validation rows in training": "validation_rows_in_train",
    "Test rows in training": "test_rows_in_train",
}
SHOWN_DATA = [
    "Data set", "Training rows", "Test rows", *COUNTED, "With another label", "At most on a printed accuracy",
]  # fmt: skip
SHOWN_RUNS = [
    "Study", "Encoder", "Variant", "Test rows", "Of them in training", "Accuracy", "Without them", "Change",
]  # fmt: skip


def in_training(frame: pd.DataFrame, groups: list[list[str]]) -> pd.Series:
    """Which test rows of a run have the text of one of its training rows; ``frame``: the run's predictions.

    A run predicts its test and validation rows. What else has an id of the training set counts as trained on. A
    study on some of the training rows leaves most of them out.
    """
    tested = test_rows(frame)
    held_out = set(frame["example_id"])
    trained = {
        example
        for group in groups
        for example in group
        if any(twin != example and twin not in held_out and twin.startswith("train-") for twin in group)
    }
    return tested["example_id"].isin(trained)


def audit_runs(published: Sequence[PublishedStudy], entries: Entries) -> Item:
    """The accuracy of every published cell with and without such test rows."""
    rows, changes, beyond = [], [], False
    for study in published:
        name = study.study.params.dataset
        if name not in entries:
            rows.append({"Study": study.name} | dict.fromkeys(SHOWN_RUNS[1:], MISSING))
            continue
        for encoder, variant in cells(study.study):
            frames = study.of_cell((encoder, variant)).values()
            tested = pd.concat([test_rows(frame) for frame in frames])
            shared = pd.concat([in_training(frame, entries[name]["twins"]) for frame in frames])
            right = tested["label"] == tested["predicted"]
            accuracy, without = 100 * right.mean(), 100 * right[~shared].mean()
            changes.append((abs(without - accuracy), f"{study.name}, {variant}"))
            beyond |= changes[-1][0] >= study.study.shared.verdicts.claim_margin
            row = {"Study": study.name, "Encoder": encoder, "Variant": variant}
            row |= {"Test rows": len(tested), "Of them in training": shared.sum()}
            row |= {"Accuracy": format_printed(accuracy), "Without them": format_printed(without)}
            rows.append(row | {"Change": points(without - accuracy)})
    finding = "No published study has a data set that was counted."
    if changes:
        largest, where = max(changes)
        finding = (
            f"Left out, the test rows that also stand in the training rows change none of {len(changes)} accuracies of "
            f"ours by more than {largest:.2f} points" + (f" ({where})." if largest else ".")
        )
    return Item(
        id="overlap_runs",
        title="Our accuracies without such test rows",
        question="What do our own accuracies become without the test rows whose text was trained on?",
        method=(
            "All test predictions of a published cell, seeds taken together, in percent. The same without the rows "
            "whose text (in lower case, single spaces) stands in that run's own training rows. A change below the "
            "margin of the claims (shared.yaml) passes. Where a study trains on some rows the count is an upper bound. "
            "Under released, folds have all test rows among those of phases 1 and 2: not counted here."
        ),
        finding=finding,
        outcome=(FINDING if beyond else PASSES) if changes else NOT_RUN,
        **table(SHOWN_RUNS, rows),
        code=code_of(__name__),
        falsify="The same predictions counted otherwise; near-duplicates, which are not counted.",
        data="reports/published/data_audit.json; reports/published/*: predictions.parquet",
    )
