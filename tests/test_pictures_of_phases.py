"""The pictures that the whole pipeline draws of its encoders before and after the phases."""

import pandas as pd
from tiny_project import ENCODER, SEEDS, TEST_ROWS


def test_pictures_show_the_same_test_rows_in_every_phase(study):
    folder = study.root / "reports/bbc" / f"pictures/representations-{ENCODER}"
    points = pd.read_csv(folder / "representations.csv", keep_default_na=False)
    test = pd.read_parquet(study.root / f"runs/bbc/predictions/{ENCODER}-ft/{SEEDS[0]}.parquet").query(
        "split == 'test'"
    )
    phases = {("pretrained", ""), ("phase_1", "dae_ft"), ("phases_1_2", "three_phase"), ("phase_2", "cl_ft")}
    by_phase = dict(list(points.groupby(["phase", "variant"])))
    assert set(by_phase) == phases | {("joint", "joint")}
    for rows in by_phase.values():
        assert rows["example_id"].tolist() == test["example_id"].tolist()
        assert rows["class"].tolist() == test["label"].tolist()
    # Five encoders, and none of them drawn twice.
    assert points.groupby("phase")["pca_x"].apply(tuple).nunique() == len(by_phase)
    separation = pd.read_csv(folder / "separation.csv")
    assert separation["silhouette"].between(-1, 1).all() and separation["nearest_mean_accuracy"].between(0, 100).all()
    assert set(separation["n_test"]) == {TEST_ROWS} and set(separation["seed"]) == {SEEDS[0]}
