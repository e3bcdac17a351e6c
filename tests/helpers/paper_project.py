"""A project in a folder with the paper's six data sets and studies of them, so far as their params files go.

``make_paper_project`` writes them; nothing is prepared or trained. ``write_cell`` stands for a finished cell.
"""

import shutil
import statistics
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from small_project import DATASET, SHARED, STUDY, change, make_pipelines, make_project

from threephase.base import paths
from threephase.base.files import write_json
from threephase.paper.numbers import Reproduction, read_numbers
from threephase.scores.metrics import metrics_of
from threephase.study.read_params import load_paper, load_shared, load_studies

PROTOCOLS = ("described", "released")
OTHERS = {"minilm_l12": "roberta_base", "roberta_base": "minilm_l12"}
MAIN = {"snips": "minilm_l12", "snips2": "minilm_l12"} | dict.fromkeys(
    ("sst2", "sst5", "ag_news", "imdb"), "roberta_base"
)
ROWS = {
    "snips": {"train": 328},
    "snips2": {"train": 13084, "validation": 700, "test": 700},
    "sst2": {"train": 67349, "test": 872, "unlabelled": 1821},
    "sst5": {"train": 8544, "validation": 1101, "test": 2210},
    "ag_news": {"train": 120000, "test": 7600},
    "ag_news_partial": {"train": 36568, "test": 7600},
    "imdb": {"train": 25000, "test": 25000},
}
CLASSES = {"snips": 10, "snips2": 7, "sst2": 2, "sst5": 5, "ag_news": 4, "ag_news_partial": 4, "imdb": 2}
ALL = ["three_phase", "joint", "dae_ft", "cl_ft", "extra_imbalance", "no_imbalance", "ft"]
THREE = ["three_phase", "joint", "ft"]
EXTRA = "embedding_logistic"


def make_paper_project(root: Path) -> Path:
    """Write everything below ``root``; the code stays in the repository."""
    make_project(root)
    for name in OTHERS:
        change(root, f"encoders/{name}.yaml", {"title": name})
    described = YAML(typ="safe").load(root / SHARED)["protocols"]["described"]
    change(root, SHARED, {"protocols.released": described})
    for dataset in ROWS:
        add_dataset(root, dataset)
    for protocol in PROTOCOLS:
        suffix = "" if protocol == "described" else f"_{protocol}"
        for dataset, encoder in MAIN.items():
            others = {} if dataset == "imdb" else {OTHERS[encoder]: THREE}
            add_study(root, f"{dataset}{suffix}", dataset, protocol, {encoder: ALL} | others)
    for dataset in ("snips", "ag_news_partial"):
        add_study(root, f"{dataset}_l6", dataset, "described", {"minilm_l6": ALL})
    make_pipelines(root)
    return root


def add_dataset(root: Path, name: str) -> None:
    definition = str(paths.dataset_definition(name))
    shutil.copyfile(root / DATASET, root / definition)
    rows = ROWS[name]
    labelled = sum(rows.values()) - rows.get("unlabelled", 0)
    sizes = [labelled // CLASSES[name]] * (CLASSES[name] - 1)
    labels = {f"class{number}": size for number, size in enumerate([*sizes, labelled - sum(sizes)])}
    values = {"title": f"The {name}", "test_rows": None, "folds": 5 if name == "snips" else None}
    values |= {"positive_class": "class1" if CLASSES[name] == 2 else None}
    values |= {"expected": {"rows": sum(rows.values()), "rows_by_split": rows, "labels": labels}}
    change(root, definition, values)


def add_study(root: Path, name: str, dataset: str, protocol: str, variants: dict[str, list[str]]) -> None:
    """Write the params file of a study that is compared with the paper; ``variants`` by encoder."""
    params = str(paths.study_params(paths.STUDIES / name))
    (root / params).parent.mkdir(parents=True)
    shutil.copyfile(root / STUDY, root / params)
    settings = YAML(typ="safe").load(root / STUDY)["hyperparameters"]["minilm_l6"]
    settings |= {"lr_classifier": 1e-5, "max_epochs_classifier": 70}
    values = {"name": name, "dataset": dataset, "protocol": protocol, "reproduces_paper": True, "seeds": [0, 1, 2]}
    values |= {"encoders": [*variants], "variants": variants, "baselines": [EXTRA], "draw_encoders": False}
    values |= {"long_tail_ratio": None, "long_tail_largest": None, "validation_share": 0.2}
    change(root, params, values | {"hyperparameters": dict.fromkeys(variants, settings)})


def write_cell(root: Path, study: str, encoder: str, variant: str, *of_seeds: float, **others: list[float]) -> None:
    """A cell's summary as summarize_cell leaves it, every metric with the values ``of_seeds`` but for ``others``."""
    metrics, binary = {}, study.startswith(("sst2", "imdb"))
    for metric in metrics_of("class1" if binary else None):
        values = others.get(metric, of_seeds)
        metrics[metric] = {"mean": statistics.fmean(values), "by_seed": dict(enumerate(values))}
        metrics[metric] |= {"std": statistics.stdev(values) if len(values) > 1 else None}
        metrics[metric] |= {"ci_low": min(values), "ci_high": max(values), "ci_kind": "seeds and test rows"}
    summary = {"seeds": list(range(len(of_seeds))), "n_test": 100, "metrics": metrics}
    write_json(root / paths.cell_summary(paths.reports(paths.STUDIES / study), encoder, variant), summary)


def reproduction() -> Reproduction:
    """The work of the project in the current folder."""
    return Reproduction(read_numbers(), load_paper(), load_shared(), load_studies())


def row_of(frame: pd.DataFrame, dataset: str, variant: str, metric: str = "accuracy") -> dict[str, Any]:
    """The one row of a comparison for a cell and metric."""
    fits = (frame["dataset"] == dataset) & (frame["variant"] == variant) & (frame["metric"] == metric)
    (row,) = frame[fits].to_dict("records")
    return row
