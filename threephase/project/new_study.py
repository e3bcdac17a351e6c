"""What a user's own texts need: a data set's definition, and a study's folder that runs as it stands."""

import dataclasses
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError, shortened
from threephase.base.files import write_text
from threephase.data import cleaning
from threephase.data.labels import MISSING, canonical
from threephase.data.raw_rows import READ_FROM, ROW
from threephase.data.sources import read_source
from threephase.project import project
from threephase.study import read_params
from threephase.study.params import Shared, Study, StudyParams
from threephase.study.schema import build, named
from threephase.study.source_params import WORDS, Dataset, EncoderSource, Sources

TEST_SHARE = 0.2
# The fewest that answer "what should I use?": each way of training an encoder that may be worth its time, with those
# that few labels did best by, and all baselines. What has a phase 3 chooses its learning rate on the reader's
# validation rows (the ordinary recipe): by one fixed rate a method wins or loses by how well that rate happens to fit.
# Ablations of phase 2, phase 1 alone and joint training tell which part of the method helps, not what to use.
VARIANTS = ("three_phase_ordinary", "cl_ft_ordinary", "ft_ordinary", "ncm_ft", "setfit")
REPORT = "data.md"
ABOUT_DATA = "# Your own texts: data/README.md says what each key means.\n"
ABOUT_STUDY = """\
# The study on your own texts, under the protocol of the paper's text. The variants are the fewest that answer "what
# should I use?": fine-tuning, contrastive learning before it, all three phases, fine-tuning from class means, SetFit,
# and every baseline. The first four are trained by the ordinary recipe: the learning rate of phase 3 is chosen on your
# validation rows. The hyper-parameters below are defaults for a few hundred short texts, minutes on two cores; they
# were not chosen on your data. data/README.md says how to choose those of phases 1 and 2.
# After an edit of encoders, variants or baselines, type make pipelines.
"""


def check_name(name: str) -> None:
    """Refuse a name that is no plain word, or that is taken."""
    if expected := named(name):
        raise UserError(f"name: got {shortened(repr(name))}, expected {expected}")
    folders = read_params.study_folders()
    files = [paths.dataset_definition(name), paths.STUDIES / name, paths.published(name)]
    taken = [file for file in files if file.exists()]
    taken += [paths.study_params(folders[name])] if name in folders else []
    if taken:
        raise UserError(
            f"name: got {name!r}, for which {taken[0]} exists; expected another name "
            "(data/README.md: to take a study away)"
        )


def dataset_definition(
    name: str,
    source: dict[str, Any],
    texts: list[str],
    labels: list[str],
    contradicting_labels: str = "first",
    sample_rows: int | None = None,
) -> dict[str, Any]:
    """The content of ``data/<name>.yaml``; ``source``: where the rows are and how they are read."""
    return {
        "title": name,
        "source": source,
        "text_columns": texts,
        "label_columns": labels,
        "deduplicate": True,
        "contradicting_labels": contradicting_labels,
        "sample_rows": sample_rows,
        "test_rows": None,
        "stratified_test_rows": True,
        "folds": None,
        "positive_class": None,
        "units": WORDS,
        "text_lengths": ["short", "medium"],
        "licence": "Your own texts.",
    }


def read_examples(
    name: str, definition: dict[str, Any], settings: Sources, classes: Sequence[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What the content of a data set's definition names, read and checked as the stages will.

    Where each row stands, the cleaned rows with a number for each distinct text, and the examples that stay of them.
    ``classes``: labels that are none, or several, but for being named here, such as None; the definition then declares
    all labels.
    """
    file = paths.dataset_definition(name)
    named = {label: label for label in classes} or None
    dataset = build(Dataset, {"name": name, "class_names": named} | definition, file)
    rows, used = read_source(dataset, settings, file)
    if classes:
        labels = {canonical(label) for column in dataset.label_columns for label in rows[column].dropna()}
        kept = sorted(label for label in labels if label and label not in MISSING or label in classes)
        definition["class_names"] = {label: label for label in kept}
        dataset = dataclasses.replace(dataset, class_names=definition["class_names"])
    places, cleaned = rows[[READ_FROM, ROW]], cleaning.clean(rows, dataset)
    del rows  # as large as the file
    examples = cleaning.chosen(cleaned, dataset)
    cleaning.check_content(examples, dataset, used["origin"])
    return places, cleaned.assign(text=pd.factorize(cleaned["text"])[0]), examples


def check_labels(examples: pd.DataFrame, label_columns: Sequence[str]) -> None:
    """Refuse what has so many labels that a test set has no row of some, as a column of ids has."""
    labels = examples["label"].nunique()
    if len(examples) * TEST_SHARE < labels:
        raise UserError(
            f"LABEL= (--label-column): got {', '.join(label_columns)} with {labels} labels in {len(examples)} rows, "
            f"expected {1 / TEST_SHARE:.0f} rows a label or more; name the column that holds the classes"
        )


def alike_labels(labels: Iterable[str]) -> list[list[str]]:
    """The labels that differ in case or spaces alone, in groups."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault("".join(label.split()).casefold(), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def test_rows(examples: pd.DataFrame) -> int | None:
    """How many rows to set apart for the test; None where the examples have a test split."""
    splits = examples["split"].value_counts()
    return None if "test" in splits else max(2, round(TEST_SHARE * int(splits["train"])))


def study_params(name: str, default: Study) -> dict[str, Any]:
    """The content of ``studies/<name>/params.yaml``: the default study's first encoder, ``VARIANTS`` and all baselines.

    Nothing is left to a ``base``: an experiment with the default study must not change this one.
    """
    content = dataclasses.asdict(default.params)
    del content["name"]
    encoder = default.params.encoders[0]
    settings = {"lr_classifier": 2e-4, "max_epochs_classifier": 10, "max_length": 128}
    return content | {
        "dataset": name,
        "protocol": "described",
        "reproduces_paper": False,
        "primary_metric": "macro_f1",
        "seeds": [0, 1, 2],
        "encoders": [encoder],
        "variants": list(VARIANTS),
        "baselines": list(default.shared.baselines),
        "draw_encoders": True,
        "validation_share": 0.2,
        "train_rows": None,
        "long_tail_ratio": None,
        "long_tail_largest": None,
        "hyperparameters": {encoder: content["hyperparameters"][encoder] | settings},
    }


def with_encoder(default: Study, encoder: str, definition: dict[str, Any] | None) -> Study:
    """The default study on another encoder, with the settings of its first one.

    ``definition``: the content of the encoder's file, where it has none yet.
    """
    shared, params = default.shared, default.params
    if definition is not None:
        built = build(EncoderSource, definition, paths.encoder_definition(encoder))
        shared = dataclasses.replace(shared, encoders=shared.encoders | {encoder: built})
    settings = {encoder: params.hyperparameters[params.encoders[0]]}
    params = dataclasses.replace(params, encoders=[encoder], hyperparameters=settings)
    return dataclasses.replace(default, shared=shared, params=params)


def study_of(name: str, definition: dict[str, Any], params: dict[str, Any], shared: Shared) -> Study:
    """The study that the contents of both files make, before anything is written."""
    folder = paths.STUDIES / name
    dataset = build(Dataset, {"name": name} | definition, paths.dataset_definition(name))
    return Study(shared, build(StudyParams, {"name": name} | params, paths.study_params(folder)), dataset, folder)


def read_here(study: Study) -> list[str]:
    """What a study reads in this folder besides its definitions: texts, labels, and an encoder in a folder."""
    encoders = [study.shared.encoders[encoder] for encoder in study.params.encoders]
    folders = [Path(encoder.folder) for encoder in encoders if encoder.source == "folder"]
    return [str(file) for file in [*study.dataset.source.own_files, *folders] if not file.is_absolute()]


def write(
    name: str,
    definition: dict[str, Any],
    params: dict[str, Any],
    report: str = "",
    encoders: Mapping[str, dict[str, Any]] = {},
) -> list[str]:
    """Write the definitions, of the data and of new ``encoders``, and the study's whole folder, or nothing.

    ``report``: what is known of the data, as Markdown. Returns the names of what is written.
    """
    folder = paths.STUDIES / name
    files = {paths.dataset_definition(name): ABOUT_DATA + project.yaml_text(definition)}
    files |= {paths.encoder_definition(encoder): project.yaml_text(content) for encoder, content in encoders.items()}
    try:
        for file, text in files.items():
            write_text(file, text)
        write_text(paths.study_params(folder), ABOUT_STUDY + project.yaml_text(params))
        write_text(folder / REPORT, report)
        project.write_project(read_params.load_study(name))
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return [*map(str, files), str(folder)]
