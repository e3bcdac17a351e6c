"""Tables 1 and 2 of the paper, rows and words of its data sets, beside what the prepared data hold."""

from collections.abc import Iterable, Mapping

import pandas as pd

from threephase.base import paths
from threephase.base.files import read_table
from threephase.paper.numbers import DESCRIBED, MISSING, Reproduction, studies_of
from threephase.scores.statistics import AGREES, DISAGREES
from threephase.study.params import Dataset, Study

COLUMNS = ["table", "dataset", "metric", "paper", "reproduced", "delta", "verdict", "note"]
Prepared = tuple[Dataset, pd.DataFrame]


def statistics(dataset: Dataset, examples: pd.DataFrame) -> dict[str, int]:
    """The figures of tables 1 and 2 from a data set's examples, counted as the paper seems to have counted.

    Rows before any validation rows are cut off; of a data set that is tested in folds, those of the smallest training
    part and of the smallest fold. Words are what white space parts, after short tags are removed; their average is
    over the training and validation rows and rounded down, their maximum over these and the test rows.
    """
    rows, words = examples["split"].value_counts(), examples["text"].str.split().str.len()
    train, test = int(rows.get("train", 0)), int(rows.get("test", 0))
    if dataset.folds is not None:
        test, train = train // dataset.folds, train * (dataset.folds - 1) // dataset.folds
    return {
        "train_dae_rows": train + int(rows.get("unlabelled", 0)),
        "train_contrastive_rows": train,
        "test_rows": test,
        "average_words": int(words[examples["split"].isin(["train", "validation"])].mean()),
        "max_words": int(words[examples["split"] != "unlabelled"].max()),
    }


def data_studies(work: Reproduction) -> dict[str, Study]:
    """By data set of the paper the study whose prepared data its tables 1 and 2 are counted in, where there is one."""
    names = dict.fromkeys(work.numbers["dataset"])
    return {name: studies[0] for name in names if (studies := studies_of(work, name, DESCRIBED))}


def read_prepared(studies: Iterable[Study]) -> dict[str, Prepared]:
    """The data sets that some of the studies have prepared, with their examples; of several studies the first."""
    prepared = {}
    for study in studies:
        file = paths.examples(study.folder)
        if study.dataset.name not in prepared and file.is_file():
            prepared[study.dataset.name] = (study.dataset, read_table(file))
    return prepared


def comparison(
    numbers: pd.DataFrame, table: int, prepared: Mapping[str, Prepared], stand_ins: Mapping[str, str]
) -> pd.DataFrame:
    """Table 1 or 2 with ``COLUMNS``: a row for every number of the paper; of data that are not there it is missing.

    ``prepared``: data set and examples by name. One that stands in for a data set that is not there (``stand_ins``:
    its original by its name) has that one's test rows and no other figure.
    """
    figures = {name: statistics(*of_name) for name, of_name in prepared.items()}
    notes = {name: f"{dataset.folds} folds" for name, (dataset, _) in prepared.items() if dataset.folds and table == 1}
    for name, original in stand_ins.items():
        if name in figures and original not in figures:
            figures[original] = {"test_rows": figures[name]["test_rows"]}
            notes[original] = f"only the test rows, of {name}"
    rows = []
    for number in numbers[numbers["table"] == table].to_dict("records"):
        figure = figures.get(number["dataset"], {}).get(number["metric"])
        row = {name: number[name] for name in ("table", "dataset", "metric")}
        row |= {"paper": int(number["value"]), "verdict": MISSING}
        if figure is not None:
            delta = figure - row["paper"]
            row |= {"reproduced": figure, "delta": delta, "verdict": DISAGREES if delta else AGREES}
        row["note"] = "; ".join(filter(None, [number["note"], notes.get(number["dataset"], "")]))
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS).astype({"reproduced": "Int64", "delta": "Int64"})
