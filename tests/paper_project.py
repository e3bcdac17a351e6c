"""A project in a folder with the paper's six data sets and benchmarks, so far as their params files go.

``make_paper_project`` writes them; nothing is prepared or trained. ``write_cell`` stands for a finished cell.
"""

import shutil
import statistics
from pathlib import Path

from ruamel.yaml import YAML
from small_project import BENCHMARK, SHARED, change, make_project

from stages.common import paths
from stages.common.files import write_json
from stages.common.scores.metrics import metrics_of

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
    """Write everything below ``root``; the stages stay in the repository."""
    make_project(root)
    shared = YAML(typ="safe").load(root / SHARED)
    encoders = {name: shared["encoders"]["minilm_l6"] | {"title": name} for name in OTHERS}
    change(root, SHARED, {f"encoders.{name}": value for name, value in encoders.items()})
    change(root, SHARED, {"protocols.released": shared["protocols"]["described"]})
    for dataset in ROWS:
        add_dataset(root, dataset)
    for protocol in PROTOCOLS:
        suffix = "" if protocol == "described" else f"_{protocol}"
        for dataset, encoder in MAIN.items():
            add_benchmark(root, f"{dataset}{suffix}", dataset, protocol, encoder, ALL)
            if dataset != "imdb":
                add_benchmark(root, f"{dataset}{suffix}_other", dataset, protocol, OTHERS[encoder], THREE)
    for dataset in ("snips", "ag_news_partial"):
        add_benchmark(root, f"{dataset}_l6", dataset, "described", "minilm_l6", ALL)
    return root


def add_dataset(root: Path, name: str) -> None:
    shutil.copytree(root / "data/small", root / "data" / name)
    rows = ROWS[name]
    labelled = sum(rows.values()) - rows.get("unlabelled", 0)
    sizes = [labelled // CLASSES[name]] * (CLASSES[name] - 1)
    labels = {f"class{number}": size for number, size in enumerate([*sizes, labelled - sum(sizes)])}
    values = {"name": name, "title": f"The {name}", "test_rows": None, "folds": 5 if name == "snips" else None}
    values |= {"positive_class": "class1" if CLASSES[name] == 2 else None}
    values |= {"expected": {"rows": sum(rows.values()), "rows_by_split": rows, "labels": labels}}
    change(root, f"data/{name}/params.yaml", values)


def add_benchmark(root: Path, name: str, dataset: str, protocol: str, encoder: str, variants: list[str]) -> None:
    shutil.copytree(root / "benchmarks/small", root / "benchmarks" / name)
    settings = YAML(typ="safe").load(root / BENCHMARK)["hyperparameters"]["minilm_l6"]
    settings |= {"lr_classifier": 1e-5, "max_epochs_classifier": 70}
    values = {"name": name, "dataset": dataset, "protocol": protocol, "reproduces_paper": True, "seeds": [0, 1, 2]}
    values |= {"run_encoders": [encoder], "run_representations": [encoder], "hyperparameters": {encoder: settings}}
    values |= {"long_tail_ratio": None, "long_tail_largest": None, "validation_share": 0.2}
    ablations = [name for name in variants if name in ("extra_imbalance", "no_imbalance")]
    lists = {
        "train_dae": ["dae_ft"],
        "train_contrastive": ["three_phase"],
        "train_contrastive_ablation": ablations,
        "train_contrastive_from_pretrained": [name for name in variants if name == "cl_ft"],
        "train_joint": ["joint"],
        "train_classifier": [name for name in variants if name not in ("ft", *ablations)],
        "train_classifier_ablation": ablations,
        "train_classifier_ordinary": [],
        "train_classifier_from_pretrained": ["ft"],
        "train_baselines": [],
        "train_baselines_on_embeddings": [EXTRA],
        "summarize_cell": [*variants, EXTRA],
        "summarize_cell_without_encoder": [],
    }
    change(root, f"benchmarks/{name}/params.yaml", values | {"run_variants": lists})


def write_cell(root: Path, benchmark: str, encoder: str, variant: str, *of_seeds: float, **others: list[float]) -> None:
    """A cell's summary as summarize_cell leaves it, every metric with the values ``of_seeds`` but for ``others``."""
    metrics, binary = {}, benchmark.startswith(("sst2", "imdb"))
    for metric in metrics_of("class1" if binary else None):
        values = others.get(metric, of_seeds)
        metrics[metric] = {"mean": statistics.fmean(values), "by_seed": dict(enumerate(values))}
        metrics[metric] |= {"std": statistics.stdev(values) if len(values) > 1 else None}
        metrics[metric] |= {"ci_low": min(values), "ci_high": max(values), "ci_kind": "seeds and test rows"}
    summary = {"seeds": list(range(len(of_seeds))), "n_test": 100, "metrics": metrics}
    write_json(root / paths.cell_summary(benchmark, encoder, variant), summary)
