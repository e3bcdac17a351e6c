"""Studies of few labels through ``dvc repro``: no validation label is learnt, and phase 1 is trained once for all."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from small_project import change
from test_pipeline import RUNS, same_but_for_labels
from tiny_project import (
    ENCODER,
    SHARED,
    STUDY,
    TEST_ROWS,
    contents,
    make_pipelines,
    make_tiny_project,
    run,
    run_recorded,
)

EIGHT = "studies/eight"
VARIANTS = ("three_phase_ordinary", "cl_ft", "ncm_ft", "supcon", "setfit")
BASELINES = ("tfidf_logistic", "embedding_logistic")
CELLS = (*(f"{ENCODER}-{name}" for name in (*VARIANTS, BASELINES[1])), BASELINES[0])


@pytest.fixture(scope="module")
def four_and_eight(tmp_path_factory) -> tuple[Path, str, str]:
    """A project with studies of four and of eight labels a class, and what dvc printed of each."""
    root = make_tiny_project(tmp_path_factory.mktemp("labels") / "project")
    values = {"protocol": "few_labels", "shots": 4, "seeds": [0], "long_tail_ratio": None, "long_tail_largest": None}
    lists = {"variants": list(VARIANTS), "baselines": list(BASELINES), "draw_encoders": False}
    change(root, STUDY, values | lists)
    # All recipes are this one.
    change(root, SHARED, {"variants.three_phase_ordinary.recipe.min_updates_classifier": 16})
    (root / EIGHT).mkdir(parents=True)
    (root / EIGHT / STUDY).write_text("base: bbc\nseeds: [0]\nshots: 8\n", encoding="utf-8")
    make_pipelines(root)
    return root, run(root, "dvc", "repro"), run(root, "dvc", "--cd", EIGHT, "repro")


def split_of(root: Path) -> pd.DataFrame:
    return pd.read_parquet(root / RUNS / "splits/0/split.parquet").set_index("example_id")


def predictions_of(root: Path, cell: str) -> pd.DataFrame:
    return pd.read_parquet(root / RUNS / f"predictions/{cell}/0.parquet")


def test_both_studies_have_the_same_rows_but_for_the_labels(four_and_eight):
    root, _, _ = four_and_eight
    four, eight = split_of(root), split_of(root / EIGHT)
    labels = pd.read_parquet(root / "runs/data/examples.parquet").set_index("example_id")["label"]
    for split, shots in ((four, 4), (eight, 8)):
        assert labels[split.index[split["part"] == "train"]].value_counts().tolist() == [shots] * 4
    assert set(four.index[four["part"] == "train"]) < set(eight.index[eight["part"] == "train"])
    for part in ("validation", "test"):
        assert ((four["part"] == part) == (eight["part"] == part)).all() and (four["part"] == part).any()
    results = pd.read_csv(root / "reports/results.csv")
    assert set(results["n_test"]) == {TEST_ROWS} and results[["mean", "ci_low"]].notna().all(axis=None)


def test_phase_1_is_trained_once_for_both(four_and_eight):
    root, of_four, of_eight = four_and_eight
    phase_1 = f"train_dae@{ENCODER}-dae-0"
    assert f"Running stage '{phase_1}'" in of_four
    cached = set(re.findall("Stage '(.*)' is cached", of_eight))
    assert phase_1 in cached
    ran = set(re.findall("Running stage '(.*)'", of_eight))
    assert not ran & cached and f"train_contrastive@{ENCODER}-three_phase-0" in ran
    folder = f"encoders/{ENCODER}-dae"
    assert contents(root / RUNS / folder) == contents(root / EIGHT / RUNS / folder)
    files = [study / RUNS / "splits/0/phase_1.parquet" for study in (root, root / EIGHT)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_phase_3_is_one_training_to_the_end_without_a_score(four_and_eight):
    root, _, _ = four_and_eight
    for variant in ("three_phase_ordinary", "cl_ft", "ncm_ft"):
        where = f"{ENCODER}-{variant}/0-classifier"
        report = json.loads((root / RUNS / f"reports/{where}.json").read_text(encoding="utf-8"))
        (candidate,) = report["settings"]["classifiers"]
        epochs = 6 if variant == "cl_ft" else 16
        assert report["best_epoch"] == report["epochs"] == epochs and report["updates"] == 2 * epochs
        assert candidate["lr"] == (1e-2 if variant == "cl_ft" else 1e-4)
        history = pd.read_csv(root / RUNS / f"histories/{where}.csv")
        assert history["validation_metric"].isna().all() and history["loss"].notna().all()
    assert "validation" not in set(pd.read_csv(root / "reports/curves.csv")["curve"])
    # The benchmark reads their scores all the same: by them a method is recommended.
    runs = pd.read_csv(root / "reports/runs.csv")
    assert set(runs.loc[runs["split"] == "validation", "variant"]) == {*VARIANTS, *BASELINES}


def test_poisoned_validation_labels_change_no_weight_and_no_prediction(four_and_eight, tmp_path):
    finished, output, _ = four_and_eight
    root = tmp_path / "project"
    shutil.copytree(finished, root, symlinks=True)
    file, split = root / RUNS / "data/examples.parquet", split_of(root)
    examples = pd.read_parquet(file)
    chosen = examples["example_id"].map(split["part"]) == "validation"
    names = sorted(examples["label"].unique())
    following = dict(zip(names, names[1:] + names[:1], strict=True))
    examples.loc[chosen, "label"] = examples.loc[chosen, "label"].map(following)
    file.unlink()
    examples.to_parquet(file, index=False)
    for folder in ("encoders", "histories", "predictions"):
        shutil.rmtree(root / RUNS / folder)
    commands = re.findall("^> (.*)$", output, flags=re.MULTILINE)
    run_recorded(root, [line for line in commands if re.search(r'/stages" (train|fit)_', line)])
    for folder in ("encoders", "histories"):
        made, clean = (contents(place / RUNS / folder) for place in (root, finished))
        assert made and made == clean, folder
    for cell in CELLS:
        clean, poisoned = predictions_of(finished, cell), predictions_of(root, cell)
        assert same_but_for_labels(clean, poisoned), cell
        assert ((clean["label"] != poisoned["label"]) == (clean["split"] == "validation")).all(), cell
