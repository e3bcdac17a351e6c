"""The two folders that a user's own texts need, filled with parameters that run as they stand."""

import dataclasses
import io
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from stages.common import data, paths
from stages.common.errors import UserError
from stages.common.row_files import files_of
from stages.common.schema import build, read_yaml, refuse_unknown
from stages.common.settings import DENOISED, THREE_PHASE, Shared, Study
from stages.common.source_settings import SPLITS, Dataset, Sources
from stages.common.sources import read_source

DEFAULT = "bbc"  # the study whose variants a new one runs
ENCODER = "minilm_l6"
TEST_SHARE = 0.2
RESERVED = ("paper", "published")
ABOUT_DATA = """\
# Your own texts: data/README.md says what each key means.
"""
ABOUT_BENCHMARK = """\
# The study on your own texts, under the protocol of the paper's text. The hyper-parameters are defaults that suit a few
# hundred short texts and take minutes on two cores; they were not chosen on your data. To choose them:
# python -m stages.search_hyperparameters --help
"""
ABOUT_COPY = """\
# A copy of {source} under another name, with another encoder or protocol; not compared with the paper.
"""


class _Representer(RoundTripRepresenter):
    """Writes lists on one line, and null in full."""


_Representer.add_representer(
    list, lambda dumper, entries: dumper.represent_sequence("tag:yaml.org,2002:seq", entries, True)
)
_Representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))


def check_name(name: str) -> None:
    """Refuse a name that is no plain word, or that is taken."""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise UserError(f"name: got {name!r}, expected a letter, then letters, digits or _")
    if name in RESERVED:
        raise UserError(f"name: got {name!r}, under which reports/ holds something else; expected another name")
    for root in (paths.DATA, paths.BENCHMARKS, paths.REPORTS):
        if (root / name).exists():
            raise UserError(
                f"name: got {name!r}, for which {root / name} exists; expected another name "
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
        raise UserError(
            f"--file: got {', '.join(given)}, expected one file or folder, or one file a split "
            f"({'=FILE, '.join(SPLITS)}=FILE)"
        )
    return given[0]


def dataset_params(
    name: str,
    files: str | dict[str, str],
    text_columns: list[str],
    label_columns: list[str],
    split_column: str | None,
    encoding: str | None,
) -> dict[str, Any]:
    """The content of ``data/<name>/params.yaml``."""
    source = {"files": files, "split_column": split_column, "encoding": encoding}
    return {
        "name": name,
        "title": name,
        "source": {key: value for key, value in source.items() if value is not None},
        "text_columns": text_columns,
        "label_columns": label_columns,
        "deduplicate": True,
        "test_rows": None,
        "folds": None,
        "positive_class": None,
        "text_lengths": ["short", "medium"],
        "licence": "Your own texts.",
    }


def read_examples(params: dict[str, Any], settings: Sources) -> pd.DataFrame:
    """The examples that the content of a data set's params file names, read and checked as the stages will."""
    file = paths.dataset_params(params["name"])
    files_of(params["source"]["files"], "--file")
    dataset = build(Dataset, params, file)
    rows, used = read_source(dataset, settings, file)
    examples = data.without_duplicates(data.clean(rows, dataset))
    data.check_content(examples, dataset, used["origin"])
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


def test_rows(examples: pd.DataFrame) -> int | None:
    """How many rows to set apart for the test; None where the examples have a test split."""
    splits = examples["split"].value_counts()
    return None if "test" in splits else max(2, round(TEST_SHARE * int(splits["train"])))


def benchmark_params(name: str, shared: Shared) -> dict[str, Any]:
    """The content of ``benchmarks/<name>/params.yaml``: the default study's variants without its control."""
    content = read_yaml(paths.benchmark_params(DEFAULT))
    controls = [variant for variant, known in shared.variants.items() if known.pairs_as_many_as is not None]
    run_variants = {
        stage: [variant for variant in variants if variant not in controls]
        for stage, variants in content["run_variants"].items()
    }
    settings = content["hyperparameters"][ENCODER] | {
        "lr_classifier": 2e-4,
        "max_epochs_classifier": 10,
        "max_length": 128,
    }
    return content | {
        "name": name,
        "dataset": name,
        "protocol": "described",
        "reproduces_paper": False,
        "primary_metric": "macro_f1",
        "seeds": [0, 1, 2],
        "run_encoders": [ENCODER],
        "run_representations": [ENCODER],
        "run_variants": run_variants,
        "validation_share": 0.2,
        "long_tail_ratio": None,
        "long_tail_largest": None,
        "train_rows": None,
        "hyperparameters": {ENCODER: settings},
    }


def copied_params(
    study: Study, name: str, encoder: str | None, protocol: str | None, variants: Sequence[str] | None
) -> dict[str, Any]:
    """The content of a benchmark's params file under another name, changed in what is given.

    With ``variants`` these alone are run, and nothing is drawn of the encoders. A copy is not compared with the paper:
    two benchmarks of one cell would be refused.
    """
    file, encoders = paths.benchmark_params(study.benchmark.name), study.benchmark.run_encoders
    content = read_yaml(file) | {"name": name, "reproduces_paper": False}
    if protocol is not None:
        content |= {"protocol": protocol}
    if encoder is not None:
        if len(encoders) != 1:
            raise UserError(f"{file}: run_encoders: got {', '.join(encoders)}, expected one, which --encoder replaces")
        content |= {"run_encoders": [encoder], "hyperparameters": {encoder: content["hyperparameters"][encoders[0]]}}
        content |= {"run_representations": [encoder] if content["run_representations"] else []}
    if variants is not None:
        content |= {"run_variants": _only(study, variants), "run_representations": []}
    return content


def _only(study: Study, variants: Sequence[str]) -> dict[str, list[str]]:
    """``run_variants`` for these variants and the encoders that they start from.

    An ablation of phase 2 brings three_phase along, whose training it may share.
    """
    lists = dataclasses.asdict(study.benchmark.run_variants)
    for variant in variants:
        known = lists["summarize_cell"] + lists["summarize_cell_without_encoder"]
        refuse_unknown(paths.benchmark_params(study.benchmark.name), "run_variants", variant, known)
    if {*variants} & {*lists["train_classifier_ablation"]}:
        variants = [*variants, THREE_PHASE]
    trained = {variant: study.shared.variants[variant] for variant in variants if variant in study.shared.variants}
    made = {*trained, *(known.encoder_of for known in trained.values())}
    makers = {known.encoder_from for known in trained.values()}
    if "train_contrastive" in makers:
        made |= {DENOISED}
    encoders = ("train_dae", "train_contrastive", "train_joint")
    return {
        stage: [one for one in listed if one in (made if stage.startswith(encoders) else variants)]
        for stage, listed in lists.items()
    }


def write(folder: Path, content: Mapping[str, Any], about: str, root: Path) -> None:
    """Write ``params.yaml`` with a comment above it, and the copy of the root's pipeline."""
    yaml, text = YAML(), io.StringIO(newline="\n")
    yaml.Representer, yaml.width = _Representer, 200
    yaml.dump(dict(content), text)
    (folder / "params.yaml").write_text(about + text.getvalue(), encoding="utf-8")
    shutil.copyfile(root / "pipeline.yaml", folder / "dvc.yaml")
