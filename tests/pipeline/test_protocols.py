"""The protocol ``released`` through the stages on a small set of folds: what its switches do to weights and rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_project
from sklearn.metrics import f1_score
from tiny_project import ENCODER, contents

from threephase.base import paths

STUDY = Path()
TRAINED = ("three_phase", "joint", "ft")


@pytest.fixture(scope="module")
def released(released_study) -> Path:
    root, _ = released_study
    return root


def report(root: Path, variant: str, phase: str) -> dict:
    return json.loads((root / paths.run_report(STUDY, ENCODER, variant, 0, phase)).read_text(encoding="utf-8"))


def test_phases_1_and_2_see_every_row_and_phase_3_what_the_fold_leaves(released):
    split = pd.read_parquet(released / paths.splits(STUDY, 0) / "split.parquet")
    assert set(split["part"]) == {"train", "test"} and split["adapts"].all()
    assert report(released, "dae", "encoder")["rows"] == split["part"].value_counts().to_dict()
    pairs = pd.read_parquet(released / paths.splits(STUDY, 0) / "contrastive_normal.parquet")
    assert set(split["example_id"]) <= set(pairs["example_id"])
    assert report(released, "ft", "classifier")["rows"] == split["part"].value_counts().to_dict()


def test_a_sentence_encoder_is_frozen_though_the_settings_train_it(released):
    assert "freeze_encoder: false" in tiny_project.read(released, tiny_project.STUDY)
    for variant in TRAINED:
        facts = report(released, variant, "classifier")
        assert [candidate["freeze_encoder"] for candidate in facts["settings"]["classifiers"]] == [True]
        assert facts["sequence_updates"] == 0


def test_the_best_epoch_is_that_of_the_test_rows(released):
    for variant in TRAINED:
        facts = report(released, variant, "classifier")
        predictions = pd.read_parquet(released / paths.predictions(STUDY, ENCODER, variant, 0))
        assert set(predictions["split"]) == {"test"}
        history = pd.read_csv(released / paths.history(STUDY, ENCODER, variant, 0, "classifier"))
        best = history.set_index("epoch")["validation_metric"].dropna()
        assert best[facts["best_epoch"]] == best.max() == facts["best_of_each_metric"]["macro_f1"]
        found = f1_score(predictions["label"], predictions["predicted"], average="macro")
        assert 100 * found == pytest.approx(best.max())


def test_a_tenth_of_the_pairs_is_held_back_and_batches_are_a_fifth(released):
    facts = report(released, "three_phase", "encoder")
    batch = max(1, int(0.2 * tiny_project.STUDY_VALUES[f"hyperparameters.{ENCODER}.batch_size"]))
    assert facts["settings"]["contrastive"]["batch_size"] == facts["settings"]["small_sets"]["batch_size"] == batch
    assert facts["updates"] == -(-facts["pairs"] // batch)
    # Balanced pairs are an even number; so is a tenth of them only by chance.
    whole = round(facts["pairs"] / 0.9)
    assert whole - round(0.1 * whole) == facts["pairs"]


def test_added_layers_are_left_out_and_vectors_normalized(released):
    folder = released / paths.trained_encoder(STUDY, ENCODER, "three_phase", 0)
    modules = [module["type"].rsplit(".", 1)[1] for module in json.loads((folder / "modules.json").read_text())]
    assert modules == ["Transformer", "Pooling", "Normalize"]


def test_texts_are_lower_cased_where_nothing_is_corrected(released):
    folder = released / paths.splits(STUDY, 0)
    texts = {name: pd.read_parquet(folder / f"contrastive_{name}.parquet")["text"] for name in ("none", "normal")}
    assert (texts["none"] == texts["none"].str.lower()).all()
    assert len(texts["none"]) == len(pd.read_parquet(folder / "split.parquet"))


def test_a_setting_that_changes_no_row_takes_three_phases_results_over(released):
    # The texts are in lower case anyway, and classes of equal size are not enlarged.
    for kind in (paths.trained_encoder, paths.predictions):
        own, other = (released / kind(STUDY, ENCODER, variant, 0) for variant in ("no_imbalance", "three_phase"))
        if own.is_file():
            assert own.read_bytes() == other.read_bytes()
        else:
            assert contents(own) == contents(other)
    for phase in ("encoder", "classifier"):
        assert report(released, "no_imbalance", phase)["same_training_as"] == "three_phase"


def test_joint_training_wants_every_pair_apart():
    from threephase.phases.pairs import Pairs

    pairs = Pairs(np.array([0, 1]), np.array([1, 2]), np.array([1.0, 0.0], dtype=np.float32))
    zeros = pairs.with_zero_targets()
    assert (zeros.similarity == 0).all() and zeros.similarity.dtype == np.float32
    assert (zeros.left == pairs.left).all() and (zeros.right == pairs.right).all()


def test_joint_training_uses_the_defaults_of_the_code(released):
    history = pd.read_csv(released / paths.history(STUDY, ENCODER, "joint", 0, "encoder"))
    assert history["learning_rate"].max() == pytest.approx(2e-5)
    assert history["learning_rate"].idxmax() == -(-len(history) // 2)
