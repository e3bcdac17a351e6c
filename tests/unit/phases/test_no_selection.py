"""Where no rows choose: phase 3 keeps its last epoch at a rate fixed beforehand, and C is chosen within the labels."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from small_project import REPOSITORY
from test_baselines import line
from test_classifier import VALIDATION, Training, flipped, folder  # noqa: F401, the fixture

from threephase.base.errors import UserError
from threephase.phases.baselines import best_model, fit_and_predict, logistic_regressions
from threephase.phases.losses import classification_loss
from threephase.study import resolve
from threephase.study.labelled_rows import check_labels
from threephase.study.read_params import load_study
from threephase.study.resolve_trainings import baseline_settings, training_settings
from threephase.study.rules import candidates_for, phase_1_knows_labels
from threephase.study.settings import Machine
from threephase.study.topology import BASELINE, DENOISE, METHOD, trainings

STRENGTHS = [0.01, 0.1, 1.0, 10.0, 100.0]
MACHINE = Machine("cpu", "fp32", 1)


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def changed(study, **values):
    """The study with other parameters; ``protocol``: another switch of it too."""
    protocol = values.pop("switches", {})
    shared = dataclasses.replace(
        study.shared,
        protocols=study.shared.protocols | {study.params.protocol: dataclasses.replace(study.protocol, **protocol)},
    )
    return dataclasses.replace(study, shared=shared, params=dataclasses.replace(study.params, **values))


@pytest.mark.parametrize("of_validation", [VALIDATION, flipped(VALIDATION)], ids=["better", "worse"])
def test_the_last_epoch_is_kept_and_nothing_is_scored(folder, of_validation):  # noqa: F811
    settings = {"max_epochs": 8, "patience": 8, "warmup": 0.0}
    scored = Training(folder, validation=of_validation, **settings)
    done = Training(folder, run=False, **settings | {"patience": 1})
    rows, done.validation = done.validation, None
    done.run()
    assert done.best_epoch == done.trained.epochs == 8 and done.trained.scores == [] and done.trained.score is None
    assert done.history["loss"].equals(scored.history["loss"])
    assert done.history[["validation_metric", "validation_loss"]].isna().all(axis=None)
    # With rows that choose, another epoch's weights would be left; these are the last one's.
    assert scored.best_epoch < 8 or of_validation is VALIDATION
    if of_validation is VALIDATION:
        loss = classification_loss(done.logits(rows), rows.class_ids).item()
        assert loss == pytest.approx(scored.epochs["validation_loss"][8], rel=1e-4)
    facts = done.trained.facts([done.trained])
    assert (facts["best_epoch"], facts["epochs"], facts["best_of_each_metric"]) == (8, 8, {})
    assert [tried["score"] for tried in facts["tried"]] == [None]


def test_of_a_recipes_rates_the_middle_one_is_taken():
    study = load_study("bbc_labels_4")
    assert study.protocol.selection_split == "none"
    assert [each.lr for each in candidates_for(study, "minilm_l6", "ft_ordinary")] == [1e-4]
    assert [each.lr for each in candidates_for(load_study(), "minilm_l6", "ft_ordinary")] == [5e-5, 1e-4, 2e-4]
    for rates, middle in (([3e-4, 1e-4, 2e-4], 2e-4), ([4e-4, 1e-4, 2e-4, 3e-4], 2e-4), ([5e-4], 5e-4)):
        variant = study.shared.variants["ft_ordinary"]
        recipe = dataclasses.replace(variant.recipe, lr_classifier=rates)
        variants = study.shared.variants | {"ft_ordinary": dataclasses.replace(variant, recipe=recipe)}
        other = dataclasses.replace(study, shared=dataclasses.replace(study.shared, variants=variants))
        assert [each.lr for each in candidates_for(other, "minilm_l6", "ft_ordinary")] == [middle]


def chosen_within(features: dict, parts: dict, strengths=STRENGTHS, seed=0):
    labels = {part: rows["label"].to_numpy() for part, rows in parts.items()}
    return best_model(logistic_regressions(strengths), features, labels, ["a", "b"], "macro_f1", "none", seed)


def test_c_is_chosen_by_folds_within_the_training_part():
    features, parts = line()
    # All rows of a class are alike, and of four folds each leaves out 5 of a and 1 of b.
    vectors, labels = np.array([[-1.0]] * 15 + [[1.0]] * 3), ["a"] * 15 + ["b"] * 3
    right = [c for c in STRENGTHS if LogisticRegression(C=c).fit(vectors, labels).predict([[1.0]]) == ["b"]]
    assert STRENGTHS[0] < right[0] < STRENGTHS[-1]
    score, strength, model = chosen_within(features, parts)
    assert (score, strength) == (100, right[0])
    whole = LogisticRegression(C=strength, max_iter=1000).fit(features["train"], parts["train"]["label"])
    np.testing.assert_array_equal(model.coef_, whole.coef_)
    # The parts that are not trained on are asked for nothing.
    alone = {"train": features["train"]}, {"train": parts["train"]}
    assert chosen_within(*alone)[:2] == (score, strength)


def test_the_seed_draws_the_folds_of_c():
    random = np.random.default_rng(0)
    features = {"train": random.normal(size=(40, 5))}
    parts = {"train": pd.DataFrame({"label": random.choice(["a", "b"], 40)})}
    scores = [chosen_within(features, parts, seed=seed)[0] for seed in (0, 0, 1, 2, 3)]
    assert scores[0] == scores[1] and len(set(scores)) > 1


@pytest.mark.parametrize(("strengths", "middle"), [(STRENGTHS, 1.0), (STRENGTHS[:4], 0.1)])
def test_a_class_of_one_row_leaves_the_middle_c(strengths, middle):
    features = {"train": np.array([[-1.0], [-2.0], [1.0]])}
    score, strength, _ = chosen_within(features, {"train": pd.DataFrame({"label": ["a", "a", "b"]})}, strengths)
    assert (score, strength) == (None, middle)


@pytest.mark.parametrize("variant", ["majority", "tfidf_logistic", "embedding_nearest_mean"])
def test_labels_of_validation_and_test_rows_change_no_baseline(variant):
    study = load_study("bbc_labels_4")
    (training,) = (each for each in trainings(study) if each.variant == variant)
    settings, (features, parts) = baseline_settings(study, training, MACHINE), line()
    assert training.program == BASELINE and settings.selection_split == "none"
    clean = fit_and_predict(variant, features, parts, ["a", "b"], settings, 0)
    poisoned = {
        part: rows if part == "train" else rows.assign(label=rows["label"].map({"a": "b", "b": "a"}))
        for part, rows in parts.items()
    }
    again = fit_and_predict(variant, features, poisoned, ["a", "b"], settings, 0)
    assert clean[1] == again[1]
    for part in ("validation", "test"):
        np.testing.assert_array_equal(clean[0][part], again[0][part])


def test_phase_1_has_the_same_settings_for_any_number_of_labels_and_knows_of_them_where_it_must():
    studies = [load_study(name) for name in ("bbc_labels", "bbc_labels_4", "bbc_labels_64", "bbc_ten_seeds")]
    of_phase_1 = []
    for study in studies:
        (training,) = (each for each in trainings(study) if each.stage == DENOISE)
        of_phase_1.append(training_settings(study, training, MACHINE))
        assert not phase_1_knows_labels(study) and not resolve.split_settings(study).phase_1_knows_labels
    assert all(settings == of_phase_1[0] for settings in of_phase_1)
    assert [resolve.split_settings(study).shots for study in studies] == [None, 4, 64, None]
    study, hyperparameters = studies[1], studies[1].params.hyperparameters["minilm_l6"]
    estimating = dataclasses.replace(hyperparameters, max_length="estimate")
    for values in (
        {"switches": {"batch_of_small_sets": "fifth"}},
        {"switches": {"dae_checkpoint": "best_look"}},
        {"hyperparameters": {"minilm_l6": estimating}},
    ):
        assert phase_1_knows_labels(changed(study, **values))


def test_labels_that_are_not_counted_are_refused():
    study = load_study("bbc_labels_4")
    check_labels(study.shared, study.params, study.file)
    other = changed(study, switches={"rows_of_phases_1_2": "all_without_test_set"})
    with pytest.raises(UserError, match=r"^shared.yaml: protocols.few_labels.rows_of_phases_1_2: got 'all_without_"):
        check_labels(other.shared, other.params, other.file)


def test_what_a_method_would_choose_is_fixed_beforehand_where_nothing_may_choose():
    names = ["mean_merge", "fisher_merge", "lora_three_phase", "lora_sum", "supcon"]
    few, usual = (
        {
            training.variant: training_settings(study, training, MACHINE)
            for training in trainings(study)
            if training.variant in names and training.program == METHOD
        }
        for study in (changed(load_study(name), variants=names) for name in ("bbc_labels_4", "bbc_ten_seeds"))
    )
    for name in ("mean_merge", "fisher_merge"):
        assert (few[name].method.settings["candidates"], usual[name].method.settings["candidates"]) == (1, 19)
    for name in ("lora_three_phase", "lora_sum"):
        assert few[name].method.settings["rate_factors"] == [10.0]
        assert usual[name].method.settings["rate_factors"] == [3.0, 10.0, 30.0]
    assert [usual[name].selection_metric for name in names] == [*["macro_f1"] * 4, None]
