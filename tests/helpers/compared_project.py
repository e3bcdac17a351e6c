"""A small repository with real dvc and git in which a stand-in for training writes predictions by its settings."""

import contextlib
import shutil
from pathlib import Path

from small_project import REPOSITORY, STUDY, change, make_project
from tiny_project import commit, run

from threephase.project.project import write_project
from threephase.study.read_params import load_study

CELL, OTHER, BASELINE = "minilm_l6-three_phase", "minilm_l6-ft", "majority"
RATE = "hyperparameters.minilm_l6.lr_classifier.three_phase"
SECOND = "second"  # a study that builds on the default one
TEST_ROWS, VALIDATION_ROWS = 60, 10
# Predictions are right more often the higher the learning rate; the labels are those of the rows, whatever the seed.
STAND_IN = f"""
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

command, *arguments = sys.argv[1:]
study, top = Path.cwd(), Path(__file__).resolve().parent
named = [] if study == top else ["--study", study.name]


def resolve():
    # The stage itself refuses a pipeline that is not the generated one.
    from stages import resolve_settings
    from threephase.project import project

    project.check_pipeline = lambda study: None
    os.chdir(top)
    sys.argv = ["resolve_settings", *named]
    resolve_settings.main()


def summarize(*options):
    from stages import summarize_cell

    os.chdir(top)
    sys.argv = ["summarize_cell", *named, *options]
    summarize_cell.main()


def train(cell, *seeds):
    program = "train_baselines" if cell == "majority" else "train_classifier"
    settings = json.loads(Path(f"runs/settings/{{program}}-{{cell}}.json").read_text())["settings"]
    rate = settings["classifiers"][0]["lr"] if "classifiers" in settings else 0.0
    for seed in map(int, seeds or settings["seeds"]):
        draw, classes = np.random.default_rng(seed), np.array(["fruit", "metal", "tree"])
        rows = {TEST_ROWS + VALIDATION_ROWS}
        labels = np.arange(rows) % 3
        chosen = np.where(draw.random(rows) < 0.5 + 100 * rate, labels, draw.integers(0, 3, rows))
        frame = pd.DataFrame({{"example_id": [f"train-{{number}}" for number in range(rows)]}})
        frame["split"] = ["test"] * {TEST_ROWS} + ["validation"] * {VALIDATION_ROWS}
        frame["label"], frame["predicted"] = classes[labels], classes[chosen]
        for number, name in enumerate(classes):
            frame[f"probability_{{name}}"] = np.where(chosen == number, 0.8, 0.1).astype(np.float32)
        folder = Path("runs/predictions") / cell
        folder.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(folder / f"{{seed}}.parquet", index=False)
        split = Path(f"runs/splits/{{seed}}/split.parquet")
        split.parent.mkdir(parents=True, exist_ok=True)
        frame[["example_id", "split"]].rename(columns={{"split": "part"}}).to_parquet(split, index=False)


{{"resolve": resolve, "summarize": summarize, "train": train}}[command](*arguments)
"""
PIPELINE = """
params:
  - resolved.yaml
stages:
  resolve_settings:
    cmd: python $(git rev-parse --show-toplevel)/stand_in.py resolve
    deps: [params.yaml]
    outs:
      - runs/settings
      - resolved.yaml: {cache: false}
  train_classifier:
    matrix:
      variant: [three_phase, ft]
      seed: ${seeds}
    cmd: python $(git rev-parse --show-toplevel)/stand_in.py train minilm_l6-${item.variant} ${item.seed}
    deps: ["runs/settings/train_classifier-minilm_l6-${item.variant}.json"]
    outs: ["runs/predictions/minilm_l6-${item.variant}/${item.seed}.parquet"]
  train_baselines:
    cmd: python $(git rev-parse --show-toplevel)/stand_in.py train majority
    deps: [runs/settings/train_baselines-majority.json]
    outs: [runs/predictions/majority]
  summarize_cell:
    matrix:
      variant: [three_phase, ft]
    cmd: >-
      python $(git rev-parse --show-toplevel)/stand_in.py summarize --encoder minilm_l6 --variant ${item.variant}
    deps: ["runs/predictions/minilm_l6-${item.variant}"]
    outs: ["reports/cells/minilm_l6-${item.variant}.json"]
    metrics:
      - reports/metrics/minilm_l6-${item.variant}.json: {cache: false}
  summarize_cell_without_encoder:
    cmd: python $(git rev-parse --show-toplevel)/stand_in.py summarize --variant majority
    deps: [runs/predictions/majority]
    outs: [reports/cells/majority.json]
    metrics:
      - reports/metrics/majority.json: {cache: false}
"""


def make_compared_project(root: Path) -> Path:
    """Commits ``empty`` (nothing run), ``before`` and ``after`` (another learning rate of one variant), as tags.

    The study ``SECOND`` has the learning rate of ``after`` from ``before`` on.
    """
    make_project(root)
    for file in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        (root / file).parent.mkdir(exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)
    (root / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
    values = {"variants": ["three_phase", "ft"], "baselines": ["majority"], "draw_encoders": False}
    change(root, STUDY, values | {"hyperparameters.minilm_l6.lr_classifier": {"three_phase": 1e-3, "ft": 2e-3}})
    (root / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    run(root, "git", "init", "--quiet")
    for key, value in (("user.name", "A Tester"), ("user.email", "tester@example.org"), ("gc.auto", "0")):
        run(root, "git", "config", key, value)
    commit_as(root, "empty")
    _add_second_study(root)
    repro(root)
    commit_as(root, "before")
    change(root, STUDY, {RATE: 3e-3})
    repro(root)
    commit_as(root, "after")
    return root


def _add_second_study(root: Path) -> None:
    folder = root / "studies" / SECOND
    folder.mkdir(parents=True)
    rates = "hyperparameters: {minilm_l6: {lr_classifier: {three_phase: 3.0e-3, ft: 2.0e-3}}}"
    (folder / "params.yaml").write_text(f"base: small\nseeds: [0, 1]\n{rates}\n", encoding="utf-8")
    with contextlib.chdir(root):
        write_project(load_study(SECOND))
    base = PIPELINE.replace("deps: [params.yaml]", "deps: [params.yaml, ../../params.yaml]")
    (folder / "dvc.yaml").write_text(base, encoding="utf-8")


def repro(root: Path) -> None:
    """Bring both studies up to date."""
    dvc(root, "repro")
    dvc(root, "--cd", f"studies/{SECOND}", "repro")


def commit_as(root: Path, tag: str) -> None:
    commit(root)
    run(root, "git", "tag", tag)


def dvc(root: Path, *arguments: str) -> str:
    """Run dvc with the repository's stages."""
    return run(root, "dvc", *arguments, PYTHONPATH=str(REPOSITORY))
