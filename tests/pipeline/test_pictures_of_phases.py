"""The pictures that the whole pipeline draws of its encoders before and after the phases."""

from pathlib import Path

import numpy as np
import pandas as pd
from tiny_project import ENCODER, SEEDS, TEST_ROWS

from threephase.model.embedding import embed
from threephase.phases.training_run import TrainingRun
from threephase.phases.vectors import read_vectors, write_vectors


def test_pictures_show_the_same_test_rows_in_every_phase(study):
    folder = study.root / f"reports/pictures/representations-{ENCODER}"
    points = pd.read_csv(folder / "representations.csv", keep_default_na=False)
    test = pd.read_parquet(study.root / f"runs/predictions/{ENCODER}-ft/{SEEDS[0]}.parquet").query("split == 'test'")
    before = {("phase_1", "dae"), ("phases_1_2", "three_phase"), ("phase_2", "cl_ft"), ("joint", "joint")}
    fine_tuned = {("phase_3", variant) for variant in ("ft", "dae_ft", "three_phase", "cl_ft", "joint")}
    by_phase = dict(list(points.groupby(["phase", "variant"])))
    assert set(by_phase) == {("pretrained", "")} | before | fine_tuned
    for rows in by_phase.values():
        assert rows["example_id"].tolist() == test["example_id"].tolist()
        assert rows["class"].tolist() == test["label"].tolist()
    # Ten encoders, and none of them drawn twice.
    assert points.groupby(["phase", "variant"])["pca_x"].apply(tuple).nunique() == len(by_phase)
    separation = pd.read_csv(folder / "separation.csv")
    assert separation["silhouette"].between(-1, 1).all() and separation["nearest_mean_accuracy"].between(0, 100).all()
    assert set(separation["n_test"]) == {TEST_ROWS} and set(separation["seed"]) == {SEEDS[0]}


def test_phase_3_keeps_the_vectors_of_the_pictured_rows_in_their_order(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study.copy(tmp_path / "project"))
    run = TrainingRun.from_settings(Path(), "train_classifier", ENCODER, "ft", SEEDS[0], "classifier")
    encoder = run.load_pretrained()
    tokenizer = run.tokenizer(encoder)
    write_vectors(run, encoder, tokenizer)
    kept = read_vectors(run, "ft")
    texts = [text for part in ("test", "train") for text in run.part(part)["text"]]
    assert len(kept) == len(texts)
    for text, vector in zip(texts, kept, strict=True):
        alone = embed(encoder, tokenizer([text]), tokenizer, run.machine)[0].numpy()
        np.testing.assert_allclose(vector, alone / np.linalg.norm(alone), atol=2e-3)
