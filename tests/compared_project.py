"""A small repository with real dvc and git in which a stand-in for training writes predictions by its parameters."""

import shutil
from pathlib import Path

from small_project import BENCHMARK, REPOSITORY, change, make_project
from tiny_project import commit, run

CELL, OTHER, BASELINE = "minilm_l6-three_phase", "minilm_l6-ft", "majority"
RATE = f"{BENCHMARK}:hyperparameters.minilm_l6.lr_classifier.three_phase"
TEST_ROWS, VALIDATION_ROWS = 60, 10
# Predictions are right more often the higher the learning rate; the labels are those of the rows, whatever the seed.
TRAIN = f"""
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

variant, *seeds = sys.argv[1:]
params = YAML(typ="safe", pure=True).load(Path("benchmarks/small/params.yaml"))
rate = params["hyperparameters"]["minilm_l6"]["lr_classifier"].get(variant, 0.0)
for seed in map(int, seeds or params["seeds"]):
    draw, classes = np.random.default_rng(seed), np.array(["fruit", "metal", "tree"])
    rows = {TEST_ROWS + VALIDATION_ROWS}
    labels = np.arange(rows) % 3
    chosen = np.where(draw.random(rows) < 0.5 + 100 * rate, labels, draw.integers(0, 3, rows))
    frame = pd.DataFrame({{"example_id": [f"train-{{number}}" for number in range(rows)]}})
    frame["split"] = ["test"] * {TEST_ROWS} + ["validation"] * {VALIDATION_ROWS}
    frame["label"], frame["predicted"] = classes[labels], classes[chosen]
    for number, name in enumerate(classes):
        frame[f"probability_{{name}}"] = np.where(chosen == number, 0.8, 0.1).astype(np.float32)
    folder = Path("runs/small/predictions") / (variant if variant == "majority" else f"minilm_l6-{{variant}}")
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / f"{{seed}}.parquet", index=False)
    split = Path(f"runs/small/splits/{{seed}}/split.parquet")
    split.parent.mkdir(parents=True, exist_ok=True)
    frame[["example_id", "split"]].rename(columns={{"split": "part"}}).to_parquet(split, index=False)
"""
PIPELINE = """
stages:
  train_classifier:
    wdir: ../..
    matrix:
      variant: [three_phase, ft]
      seed: ${seeds}
    cmd: python train.py ${item.variant} ${item.seed}
    params:
      - benchmarks/${name}/params.yaml: ["hyperparameters.minilm_l6.lr_classifier.${item.variant}"]
    deps: [train.py]
    outs: ["runs/${name}/predictions/minilm_l6-${item.variant}/${item.seed}.parquet"]
  train_baselines:
    wdir: ../..
    cmd: python train.py majority
    params:
      - benchmarks/${name}/params.yaml: [seeds]
    deps: [train.py]
    outs: ["runs/${name}/predictions/majority"]
  summarize_cell:
    wdir: ../..
    matrix:
      variant: [three_phase, ft]
    cmd: python -m stages.summarize_cell --benchmark ${name} --encoder minilm_l6 --variant ${item.variant}
    params:
      - benchmarks/${name}/params.yaml: [seeds]
    deps: ["runs/${name}/predictions/minilm_l6-${item.variant}"]
    outs: ["reports/${name}/cells/minilm_l6-${item.variant}.json"]
    metrics:
      - reports/${name}/metrics/minilm_l6-${item.variant}.json: {cache: false}
  summarize_cell_without_encoder:
    wdir: ../..
    cmd: python -m stages.summarize_cell --benchmark ${name} --variant majority
    params:
      - benchmarks/${name}/params.yaml: [seeds]
    deps: ["runs/${name}/predictions/majority"]
    outs: ["reports/${name}/cells/majority.json"]
    metrics:
      - reports/${name}/metrics/majority.json: {cache: false}
"""
LISTS = (
    "train_dae", "train_contrastive", "train_contrastive_ablation", "train_contrastive_from_pretrained", "train_joint",
    "train_classifier", "train_classifier_ablation", "train_classifier_ordinary", "train_classifier_from_pretrained",
    "train_baselines", "train_baselines_on_embeddings", "summarize_cell", "summarize_cell_without_encoder",
)  # fmt: skip
RUN = {
    "train_dae": ["dae_ft"],
    "train_contrastive": ["three_phase"],
    "train_classifier": ["three_phase"],
    "train_classifier_from_pretrained": ["ft"],
    "train_baselines": ["majority"],
    "summarize_cell": ["three_phase", "ft"],
    "summarize_cell_without_encoder": ["majority"],
}


def make_compared_project(root: Path) -> Path:
    """Commits ``empty`` (nothing run), ``before`` and ``after`` (another learning rate of one variant), as tags."""
    make_project(root)
    for file in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        (root / file).parent.mkdir(exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)
    shutil.rmtree(root / "paper")
    (root / "train.py").write_text(TRAIN, encoding="utf-8")
    (root / "data/small/dvc.yaml").unlink()
    (root / "benchmarks/small/dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    lists = {f"run_variants.{name}": RUN.get(name, []) for name in LISTS}
    change(root, BENCHMARK, lists | {"hyperparameters.minilm_l6.lr_classifier": {"three_phase": 1e-3, "ft": 2e-3}})
    run(root, "git", "init", "--quiet")
    for key, value in (("user.name", "A Tester"), ("user.email", "tester@example.org"), ("gc.auto", "0")):
        run(root, "git", "config", key, value)
    commit_as(root, "empty")
    dvc(root, "repro", "--all-pipelines")
    commit_as(root, "before")
    change(root, BENCHMARK, {"hyperparameters.minilm_l6.lr_classifier.three_phase": 3e-3})
    dvc(root, "repro", "--all-pipelines")
    commit_as(root, "after")
    return root


def commit_as(root: Path, tag: str) -> None:
    commit(root)
    run(root, "git", "tag", tag)


def dvc(root: Path, *arguments: str) -> str:
    """Run dvc with the repository's stages."""
    return run(root, "dvc", *arguments, PYTHONPATH=str(REPOSITORY))
