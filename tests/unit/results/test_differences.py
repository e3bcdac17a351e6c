"""Every pair of cells compared on the same seeds and rows, the claims among them, and what is refused."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score
from small_project import OF_TESTS, REPOSITORY

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import write_table
from threephase.results.cells import summarize
from threephase.results.differences import CellRows, claims_frame, compare, differences_frame
from threephase.results.results import CLAIM_COLUMNS, DIFFERENCE_COLUMNS
from threephase.scores.statistics import BY_FOLD, ROWS_ONLY, SEEDS_AND_ROWS
from threephase.study.params import Claim
from threephase.study.read_params import load_study
from threephase.study.topology import cells

CLASSES, ROWS = ["a", "b", "c"], 40
SEEDS = [0, 1, 2]


def write_predictions(study, cell, seed: int) -> None:
    """Right about 7 times in 10; of a fold other rows than those of another."""
    fold = seed if study.dataset.folds else 0
    labels = np.random.default_rng(fold).choice(CLASSES, ROWS)
    draw = np.random.default_rng([seed, *"".join(cell).encode()])
    frame = pd.DataFrame({"example_id": [f"test-{fold}-{row:03d}" for row in range(ROWS)], "split": "test"})
    frame = frame.assign(label=labels, predicted=np.where(draw.random(ROWS) < 0.7, labels, draw.choice(CLASSES, ROWS)))
    frame = frame.assign(**{f"probability_{name}": np.float32(1 / 3) for name in CLASSES})
    write_table(paths.predictions(study.folder, *cell, seed), frame)


def make_study(seeds: list[int], folds: int | None = None, claims: dict | None = None):
    study = load_study()
    shared = study.shared if claims is None else dataclasses.replace(study.shared, claims=claims)
    params = dataclasses.replace(study.params, seeds=seeds, variants=OF_TESTS["variants"])
    return dataclasses.replace(
        study, shared=shared, params=params, dataset=dataclasses.replace(study.dataset, folds=folds)
    )


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Make the default study with other seeds, folds or claims, and predictions of every cell."""

    def make(*arguments, **changes):
        monkeypatch.chdir(REPOSITORY)
        study = make_study(*arguments, **changes)
        monkeypatch.chdir(tmp_path)
        for cell in cells(study):
            for seed in study.params.seeds:
                write_predictions(study, cell, seed)
        return study

    return make


def predictions(variant: str, encoder: str = "minilm_l6", seeds=SEEDS) -> list[pd.DataFrame]:
    return [pd.read_parquet(paths.predictions(Path(), encoder, variant, seed)) for seed in seeds]


def right_alone(first: pd.DataFrame, other: pd.DataFrame) -> tuple[int, int]:
    rights = [frame["label"] == frame["predicted"] for frame in (first, other)]
    return int((rights[0] & ~rights[1]).sum()), int((~rights[0] & rights[1]).sum())


def test_every_pair_of_an_encoder_is_there_once(make):
    study = make(SEEDS)
    differences = differences_frame(study)
    assert list(differences) == DIFFERENCE_COLUMNS
    pairs = [frozenset(pair) for pair in zip(differences["variant"], differences["other"], strict=True)]
    names = [variant for _, variant in cells(study)]
    assert len(pairs) == len(set(pairs)) == len(names) * (len(names) - 1) / 2
    assert all(len(pair) == 2 for pair in pairs) and set().union(*pairs) == set(names)
    without = differences["variant"].isin(["majority", "tfidf_logistic"]) & differences["other"].isin(
        ["majority", "tfidf_logistic"]
    )
    assert differences.loc[without, "encoder"].tolist() == [""]
    assert set(differences.loc[~without, "encoder"]) == {"minilm_l6"}
    known = {"n_seeds": {3}, "n_test": {ROWS}, "ci_kind": {SEEDS_AND_ROWS}}
    assert {name: set(differences[name]) for name in known} == known


def test_two_encoders_are_not_compared_with_each_other(make, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    both = ["minilm_l6", "minilm_l12"]
    two = dataclasses.replace(load_study().params, encoders=both, seeds=SEEDS)
    study = dataclasses.replace(make(SEEDS), params=two)
    for cell in cells(study):
        for seed in SEEDS:
            write_predictions(study, cell, seed)
    differences = differences_frame(study)
    assert list(differences["encoder"].unique()) == [*both, ""]
    # Nine cells with an encoder and two without: 36 + 18 pairs for each encoder, one for none.
    assert Counter(differences["encoder"]) == {"minilm_l6": 54, "minilm_l12": 54, "": 1}


def test_a_row_is_what_its_predictions_say(make):
    row = differences_frame(make(SEEDS)).set_index(["variant", "other"]).loc[("joint", "majority")]
    ours, other = predictions("joint"), predictions("majority", encoder="")
    scores = [
        [100 * f1_score(frame["label"], frame["predicted"], average="macro") for frame in frames]
        for frames in (ours, other)
    ]
    differences = np.subtract(*scores)
    assert row["metric"] == "macro_f1" and row["difference"] == pytest.approx(differences.mean())
    assert row["by_seed"] == ", ".join(f"{difference:+.1f}" for difference in differences)
    tables = [right_alone(*pair) for pair in zip(ours, other, strict=True)]
    values = [binomtest(gained, gained + lost).pvalue for gained, lost in tables]
    assert row["mcnemar_p"] == pytest.approx(min(1, 2 * np.median(values)))
    assert (row["p_value"] < 0.05) == (row["ci_low"] > 0 or row["ci_high"] < 0)
    assert row["detectable"] > (row["ci_high"] - row["ci_low"]) / 2 > 0


def test_folds_are_pooled(make):
    row = differences_frame(make(SEEDS, folds=3)).set_index(["variant", "other"]).loc[("three_phase", "ft")]
    gained, lost = np.sum(
        [right_alone(*pair) for pair in zip(predictions("three_phase"), predictions("ft"), strict=True)], axis=0
    )
    assert row["mcnemar_p"] == pytest.approx(binomtest(gained, gained + lost).pvalue)
    assert (row["n_test"], row["ci_kind"]) == (3 * ROWS, BY_FOLD) and 0 < row["p_value"] < 1


def test_fewer_seeds_than_the_rule_asks_for_give_no_p_value(make):
    study = make([0, 1])
    differences = differences_frame(study)
    assert set(differences["ci_kind"]) == {ROWS_ONLY}
    assert differences[["p_value", "detectable"]].isna().all(axis=None) and differences["mcnemar_p"].between(0, 1).all()
    assert set(claims_frame(study, differences)["verdict"]) == {"too few seeds"}


@pytest.mark.parametrize(("seeds", "p_value"), [([0, 1], None), (SEEDS, 1)])
def test_cells_that_are_always_right_are_shown_as_they_are(make, seeds, p_value):
    study = make(seeds)
    for variant in ("ft", "joint"):
        for seed, frame in zip(seeds, predictions(variant, seeds=seeds), strict=True):
            right = frame.assign(predicted=frame["label"])
            write_table(paths.predictions(Path(), "minilm_l6", variant, seed), right)
    shown = summarize(study, ("minilm_l6", "ft"))["metrics"]["accuracy"]
    assert [shown[name] for name in ("mean", "std", "ci_low", "ci_high")] == [100, 0, 100, 100]
    row = differences_frame(study).set_index(["variant", "other"]).loc[("joint", "ft")]
    assert (row["difference"], row["ci_low"], row["ci_high"], row["mcnemar_p"]) == (0, 0, 0, 1)
    assert pd.isna(row["detectable"]) and (pd.isna(row["p_value"]) if p_value is None else row["p_value"] == p_value)


def test_claims_are_rows_of_the_differences(make):
    study = make(SEEDS)
    differences = differences_frame(study)
    claims = claims_frame(study, differences)
    assert list(claims) == CLAIM_COLUMNS and len(claims) == 6
    shared = [name for name in DIFFERENCE_COLUMNS if name not in ("encoder", "variant", "other")]
    rows = differences.set_index(["encoder", "variant", "other"])
    for claim in claims.to_dict("records"):
        assert {name: claim[name] for name in shared} == rows.loc[
            (claim["encoder"], claim["variant"], claim["other"]), shared
        ].to_dict()


def test_a_pair_stands_the_way_round_that_a_claim_has_it(make):
    as_usual = differences_frame(make(SEEDS)).set_index(["variant", "other"]).loc[("joint", "dae_ft")]
    turned = make(SEEDS, claims={"other_way": Claim("DAE is better.", "dae_ft", ["joint"])})
    differences = differences_frame(turned)
    by_pair = differences.set_index(["variant", "other"])
    assert ("joint", "dae_ft") not in by_pair.index
    row = by_pair.loc[("dae_ft", "joint")]
    assert row["difference"] == pytest.approx(-as_usual["difference"])
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((-as_usual["ci_high"], -as_usual["ci_low"]))
    assert row["p_value"] == pytest.approx(as_usual["p_value"]) and row["mcnemar_p"] == as_usual["mcnemar_p"]
    assert claims_frame(turned, differences)["difference"].tolist() == [row["difference"]]
    both = {"one": Claim("x", "joint", ["dae_ft"]), "two": Claim("y", "dae_ft", ["joint"])}
    twice = make(SEEDS, claims=both)
    assert claims_frame(twice, differences_frame(twice))["difference"].tolist() == pytest.approx(
        [as_usual["difference"], -as_usual["difference"]]
    )


def test_each_file_of_predictions_is_read_once(make, monkeypatch):
    study, read, counted = make(SEEDS), pd.read_parquet, Counter()

    def counting(file, *arguments, **options):
        counted[file] += 1
        return read(file, *arguments, **options)

    monkeypatch.setattr(pd, "read_parquet", counting)
    differences_frame(study)
    assert counted == {paths.predictions(Path(), *cell, seed): 1 for cell in cells(study) for seed in SEEDS}


def test_other_labels_of_the_same_examples_are_refused(make):
    study = make(SEEDS)
    for seed in SEEDS:
        (frame,) = predictions("ft", seeds=[seed])
        label = next(name for name in CLASSES if name != frame.loc[4, "label"])
        frame.loc[4, "label"] = label
        write_table(paths.predictions(Path(), "minilm_l6", "ft", seed), frame)
    said = f"minilm_l6-three_phase and minilm_l6-ft: test row 4: label: got '{label}' in the second cell, expected"
    with pytest.raises(UserError, match=said):
        differences_frame(study)


@pytest.mark.parametrize("other_ids", [["a", "c", "b"], ["a", "b"], ["a", "b", "c", "d"]])
def test_other_rows_or_seeds_are_not_paired(make, other_ids):
    study, pair = make(SEEDS), [("minilm_l6", "ft"), ("", "majority")]

    def rows(ids: list[str], seeds: int = 3) -> CellRows:
        return CellRows(ids, ["x"] * len(ids), np.ones((seeds, len(ids))), np.ones((seeds, len(ids)), bool), None)

    with pytest.raises(UserError, match="minilm_l6-ft and majority: .* example_ids.* same ones in the same order"):
        compare(study, pair, rows(["a", "b", "c"]), rows(other_ids))
    with pytest.raises(UserError, match="seeds: got 3 and 2 of them, expected the same seeds"):
        compare(study, pair, rows(["a", "b"]), rows(["a", "b"], seeds=2))
