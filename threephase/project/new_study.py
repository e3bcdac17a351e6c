"""What a user's own texts need: a data set's definition, and a study's folder that runs as it stands."""

import dataclasses
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import write_text
from threephase.data import cleaning
from threephase.data.row_files import files_of
from threephase.data.sources import read_source
from threephase.project import project
from threephase.study import read_params
from threephase.study.params import Study
from threephase.study.schema import build
from threephase.study.source_params import SPLITS, WORDS, Dataset, Sources

TEST_SHARE = 0.2
ABOUT_DATA = "# Your own texts: data/README.md says what each key means.\n"
ABOUT_STUDY = """\
# The study on your own texts, under the protocol of the paper's text. The hyper-parameters are defaults that suit a few
# hundred short texts and take minutes on two cores; they were not chosen on your data. To choose them:
# python -m commands.search_hyperparameters --help
# After an edit of encoders, variants or baselines, type make pipelines.
"""


def check_name(name: str) -> None:
    """Refuse a name that is no plain word, or that is taken."""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise UserError(f"name: got {name!r}, expected a letter, then letters, digits or _")
    folders = read_params.study_folders()
    files = [paths.dataset_definition(name), paths.STUDIES / name, paths.published(name)]
    taken = [file for file in files if file.exists()]
    taken += [paths.study_params(folders[name])] if name in folders else []
    if taken:
        raise UserError(
            f"name: got {name!r}, for which {taken[0]} exists; expected another name "
            "(data/README.md: to take a study away)"
        )


def named_files(given: Sequence[str]) -> str | dict[str, str]:
    """``source.files`` of what the command line names: one path, or one a split."""
    pairs = [text.partition("=") for text in given]
    if all(separator and split in SPLITS for split, separator, _ in pairs):
        files = {split: path for split, _, path in pairs}
        if len(files) < len(pairs):
            raise UserError(f"--file: got {', '.join(given)}, expected each split once")
        return files
    if len(given) > 1:
        splits = "=FILE, ".join(SPLITS)
        raise UserError(
            f"--file: got {', '.join(given)}, expected one file or folder, or one file a split ({splits}=FILE)"
        )
    return given[0]


def dataset_definition(
    name: str, files: str | dict[str, str], texts: list[str], labels: list[str], **options: str | None
):
    """The content of ``data/<name>.yaml``; ``options``: split_column and encoding of the source, as far as named."""
    return {
        "title": name,
        "source": {"files": files} | {key: value for key, value in options.items() if value is not None},
        "text_columns": texts,
        "label_columns": labels,
        "deduplicate": True,
        "test_rows": None,
        "folds": None,
        "positive_class": None,
        "units": WORDS,
        "text_lengths": ["short", "medium"],
        "licence": "Your own texts.",
    }


def read_examples(name: str, definition: dict[str, Any], settings: Sources) -> pd.DataFrame:
    """The examples that the content of a data set's definition names, read and checked as the stages will."""
    file = paths.dataset_definition(name)
    files_of(definition["source"]["files"], "--file")
    dataset = build(Dataset, {"name": name} | definition, file)
    rows, used = read_source(dataset, settings, file)
    examples = cleaning.without_duplicates(cleaning.clean(rows, dataset))
    cleaning.check_content(examples, dataset, used["origin"])
    return examples


def check_labels(examples: pd.DataFrame, label_columns: Sequence[str]) -> None:
    """Refuse what has so many labels that a test set has no row of some, as a column of ids has."""
    labels = examples["label"].nunique()
    if len(examples) * TEST_SHARE < labels:
        raise UserError(
            f"--label-column: got {', '.join(label_columns)} with {labels} labels in {len(examples)} rows, expected "
            f"{1 / TEST_SHARE:.0f} rows a label or more; name the column that holds the classes"
        )


def alike_labels(labels: Iterable[str]) -> list[list[str]]:
    """The labels that differ in case or spaces alone, in groups."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault("".join(label.split()).casefold(), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def untested_labels(examples: pd.DataFrame) -> list[str]:
    """The labels without a row in the test split, or with too few rows to have one where it is still to be drawn."""
    tested = examples[examples["split"] == "test"]
    counts = examples["label"].value_counts()
    return sorted(set(counts.index) - set(tested["label"]) if len(tested) else counts.index[counts * TEST_SHARE < 1])


def test_rows(examples: pd.DataFrame) -> int | None:
    """How many rows to set apart for the test; None where the examples have a test split."""
    splits = examples["split"].value_counts()
    return None if "test" in splits else max(2, round(TEST_SHARE * int(splits["train"])))


def study_params(name: str, default: Study, encoder: str = "") -> dict[str, Any]:
    """The content of ``studies/<name>/params.yaml``: the default study's variants but for controls.

    ``encoder``: with the settings of the default study's first one, which is taken where none is named.

    Nothing is left to a ``base``: an experiment with the default study must not change this one.
    """
    content = dataclasses.asdict(default.params)
    del content["name"]
    first, known = default.params.encoders[0], default.shared.variants
    encoder = encoder or first
    variants = [variant for variant in default.params.variants_of(first) if known[variant].pairs_as_many_as is None]
    settings = {"lr_classifier": 2e-4, "max_epochs_classifier": 10, "max_length": 128}
    return content | {
        "dataset": name,
        "protocol": "described",
        "reproduces_paper": False,
        "primary_metric": "macro_f1",
        "seeds": [0, 1, 2],
        "encoders": [encoder],
        "variants": variants,
        "draw_encoders": True,
        "validation_share": 0.2,
        "train_rows": None,
        "long_tail_ratio": None,
        "long_tail_largest": None,
        "hyperparameters": {encoder: content["hyperparameters"][first] | settings},
    }


def write(
    name: str, definition: dict[str, Any], params: dict[str, Any], encoders: Mapping[str, dict[str, Any]] = {}
) -> list[str]:
    """Write the definitions, of the data and of new ``encoders``, and the study's whole folder, or nothing.

    Returns the names of what is written.
    """
    folder = paths.STUDIES / name
    files = {paths.dataset_definition(name): ABOUT_DATA + project.yaml_text(definition)}
    files |= {paths.encoder_definition(encoder): project.yaml_text(content) for encoder, content in encoders.items()}
    try:
        for file, text in files.items():
            write_text(file, text)
        write_text(paths.study_params(folder), ABOUT_STUDY + project.yaml_text(params))
        project.write_project(read_params.load_study(name))
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return [*map(str, files), str(folder)]
