"""What trainings are expected to cost, by hand, and beside the pairs and rates that are measured."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_project import ROWS, make_paper_project
from small_project import REPOSITORY, SHARED, change

from threephase.base.errors import UserError
from threephase.paper.cost_model import (
    ANY_MACHINE,
    Cost,
    class_sizes,
    expected_pairs,
    is_shared,
    sequence_updates,
    total,
    training_cost,
    training_rows,
    uncut_rows,
)
from threephase.paper.numbers import read_numbers
from threephase.phases.pairs import make_pairs
from threephase.study.read_params import load_paper, load_studies
from threephase.study.resolve import training_settings
from threephase.study.topology import trainings


def training_of(study, stage, encoder, variant):
    (wanted,) = (
        training
        for training in trainings(study)
        if (training.stage, training.encoder, training.variant) == (stage, encoder, variant)
    )
    return wanted


def updates_of(study, *training):
    return sequence_updates(study, training_of(study, *training))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_paper_project(tmp_path_factory.mktemp("costs") / "project")


@pytest.fixture(autouse=True)
def in_project(root, monkeypatch):
    monkeypatch.chdir(root)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(6, 60), min_size=2, max_size=6), st.integers(1, 6), st.integers(0, 99))
def test_expected_pairs_are_near_what_is_drawn(sizes, epochs, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    drawn = [
        len(
            make_pairs(np.arange(len(labels)), labels[:, None], epochs, len(sizes), np.random.default_rng([seed, draw]))
        )
        for draw in range(20)
    ]
    expected = expected_pairs(sizes, epochs, len(sizes))
    # The scarcer kind of a draw is scarcer than on average, and small sets scatter.
    assert np.mean(drawn) == pytest.approx(expected, rel=0.1, abs=4 * math.sqrt(expected) + 2)


def test_updates_by_hand():
    study = load_studies()["snips"]
    settings = study.params.hyperparameters["minilm_l12"]
    train = 328 - 65 - round(0.2 * 263)
    assert training_rows(study) == (train, train)
    assert sum(class_sizes(study).values()) == pytest.approx(train, abs=5)
    assert updates_of(study, "train_dae", "minilm_l12", "dae") == (
        train * settings.epochs_dae / settings.batch_size, 2 * train * settings.epochs_dae,
    )  # fmt: skip
    assert updates_of(study, "train_classifier_from_dae", "minilm_l12", "dae_ft") == (70 * train / 16, 70 * train)
    _, pairs = updates_of(study, "train_contrastive", "minilm_l12", "three_phase")
    assert pairs == pytest.approx(2 * expected_pairs(class_sizes(study).values(), settings.epochs_contrastive, 10))
    steps, joint = updates_of(study, "train_joint", "minilm_l12", "joint")
    assert joint == pytest.approx(4 * settings.batch_size * steps)
    assert joint >= 2 * pairs


def test_a_recipe_trains_once_a_learning_rate_and_a_frozen_encoder_costs_no_texts(tmp_path, monkeypatch):
    root = make_paper_project(tmp_path / "project")
    values = {"variants.minilm_l12": ["three_phase", "ft", "ft_ordinary"]}
    change(root, "studies/snips2/params.yaml", values | {"hyperparameters.minilm_l12.freeze_encoder": True})
    monkeypatch.chdir(root)
    study = load_studies()["snips2"]
    train, (recipe, batch_size) = 13084, (study.shared.variants["ft_ordinary"].recipe, 16)
    rows = len(recipe.lr_classifier) * recipe.max_epochs_classifier * train
    assert updates_of(study, "train_classifier_from_pretrained", "minilm_l12", "ft_ordinary") == (
        rows / batch_size,
        rows,
    )
    assert updates_of(study, "train_classifier_from_pretrained", "minilm_l12", "ft") == (70 * train / batch_size, 0)


def test_shots_leave_phase_1_its_texts_and_few_labels_are_passed_over_again(tmp_path, monkeypatch):
    root = make_paper_project(tmp_path / "project")
    change(root, SHARED, {"protocols.described.selection_split": "none"})
    variants = ["three_phase", "ft_ordinary", "supcon", "aligned_phases"]
    few = {"variants.minilm_l12": variants, "shots": 8, "min_updates_contrastive": 100}
    change(root, "studies/snips2/params.yaml", few)
    monkeypatch.chdir(root)
    study = load_studies()["snips2"]
    trained = study.params.hyperparameters["minilm_l12"]
    assert (uncut_rows(study), training_rows(study)) == ((13084, 13084), (56, 56))
    assert set(class_sizes(study).values()) == {8}
    assert updates_of(study, "train_dae", "minilm_l12", "dae")[1] == 2 * trained.epochs_dae * 13084
    once = expected_pairs([8] * 7, trained.epochs_contrastive, 7)
    passes = math.ceil(100 / math.ceil(once / trained.batch_size))
    assert passes > 1
    assert updates_of(study, "train_contrastive", "minilm_l12", "three_phase") == pytest.approx(
        (100, 2 * passes * once)
    )
    aligned = updates_of(study, "train_method_from_dae", "minilm_l12", "aligned_phases")
    assert aligned == pytest.approx((100, 2 * passes * once))
    supcon = updates_of(study, "train_method", "minilm_l12", "supcon")
    assert supcon == pytest.approx((100, 100 * trained.batch_size))
    recipe, batches = study.shared.variants["ft_ordinary"].recipe, math.ceil(56 / trained.batch_size)
    epochs = max(recipe.max_epochs_classifier, math.ceil(recipe.min_updates_classifier / batches))
    phase_3 = updates_of(study, "train_classifier_from_pretrained", "minilm_l12", "ft_ordinary")
    assert phase_3 == (epochs * 56 / trained.batch_size, epochs * 56)
    change(root, "studies/snips2/params.yaml", {"train_rows": 1500})
    study = load_studies()["snips2"]
    assert (uncut_rows(study), training_rows(study)) == ((1500, 1500), (56, 56))


def test_a_method_that_trains_by_both_phases_takes_what_they_take_so_often(tmp_path, monkeypatch):
    root = make_paper_project(tmp_path / "project")
    variants = ["three_phase", "lora_three_phase", "mean_merge", "fisher_merge"]
    change(root, "studies/snips/params.yaml", {"variants.minilm_l12": variants})
    monkeypatch.chdir(root)
    study = load_studies()["snips"]
    phases = [("train_dae", "minilm_l12", "dae"), ("train_contrastive", "minilm_l12", "three_phase")]
    both = np.sum([updates_of(study, *phase) for phase in phases], axis=0)
    rates = study.shared.methods["lora_three_phase"].settings["rate_factors"]
    for times, stage, name in (
        (len(rates), "train_method", "lora_three_phase"),
        (0, "train_method_from_several", "mean_merge"),
        (1, "train_method_from_several", "fisher_merge"),
    ):
        assert updates_of(study, stage, "minilm_l12", name) == pytest.approx(times * both)


def test_a_method_on_pairs_takes_the_updates_of_phase_2_and_the_texts_of_its_passes(tmp_path, monkeypatch):
    root = make_paper_project(tmp_path / "project")
    passes = {"robust_augmentation": 3, "model_augmentation": 2}
    change(root, "studies/snips2/params.yaml", {"variants.minilm_l12": ["cl_ft", *passes, "aligned_phases"]})
    monkeypatch.chdir(root)
    study = load_studies()["snips2"]
    updates, texts = updates_of(study, "train_contrastive_from_pretrained", "minilm_l12", "cl_ft")
    for method, factor in passes.items():
        assert updates_of(study, "train_method", "minilm_l12", method) == pytest.approx((updates, factor * texts))
    aligned = updates_of(study, "train_method_from_dae", "minilm_l12", "aligned_phases")
    assert aligned == pytest.approx((updates, texts))


def test_a_method_takes_the_longest_of_what_it_draws_from_with_its_own_epochs(tmp_path, monkeypatch):
    root = make_paper_project(tmp_path / "project")
    methods = ["co_finetuning", "joint_with_ce", "traceback_dae"]
    shutil.copy(REPOSITORY / "data/newsgroups.yaml", root / "data")
    change(root, "studies/snips2/params.yaml", {"variants.minilm_l12": ["cl_ft", *methods]})
    monkeypatch.chdir(root)
    study = load_studies()["snips2"]
    trained, rows = study.params.hyperparameters["minilm_l12"], study.dataset.expected.rows_by_split
    labelled = trained.epochs_contrastive * training_rows(study)[1]
    noised = labelled + trained.epochs_contrastive * rows.get("unlabelled", 0)
    pairs = updates_of(study, "train_contrastive_from_pretrained", "minilm_l12", "cl_ft")[0] * trained.batch_size
    for stage, method, items, in_each in (
        ("train_method_with_data", "co_finetuning", labelled, 2),
        ("train_method", "joint_with_ce", max(noised, pairs), 5),
        ("train_method_with_data", "traceback_dae", noised, 6),
    ):
        expected = (items / trained.batch_size, in_each * items)
        assert updates_of(study, stage, "minilm_l12", method) == pytest.approx(expected)


def test_a_small_set_is_trained_in_the_batches_that_its_protocol_has_for_it(tmp_path, monkeypatch):
    root = make_paper_project(tmp_path / "project")
    change(root, "shared.yaml", {"protocols.described.batch_of_small_sets": "fifth"})
    monkeypatch.chdir(root)
    for dataset, batch_size in (("snips", 3), ("snips2", 16)):
        study = load_studies()[dataset]
        updates, texts = updates_of(study, "train_dae", "minilm_l12", "dae")
        assert updates == pytest.approx(texts / 2 / batch_size)


def test_variants_share_their_training_where_no_setting_enlarges_a_class(tmp_path, monkeypatch):
    root = make_paper_project(tmp_path / "project")
    # About 118, 90 and 2 of 210 training rows: the smallest class is enlarged by both bounds, differently.
    change(root, "data/snips.yaml", {"expected.labels": {"a": 185, "b": 140, "c": 3}})
    # About 8130, 3147 and 1807 rows: the smaller two are enlarged by the extra setting only.
    change(root, "data/snips2.yaml", {"expected.labels": {"a": 9000, "b": 3484, "c": 2000}})
    monkeypatch.chdir(root)

    def shares(study, training):
        return is_shared(study, training, training_settings(study, training, ANY_MACHINE))

    studies = load_studies()
    shared = {
        name: [
            training.variant
            for training in trainings(study)
            if training.stage == "train_contrastive_ablation" and shares(study, training)
        ]
        for name, study in studies.items()
        if name in ("snips", "snips2", "sst2")
    }
    assert shared == {"snips": [], "snips2": ["no_imbalance"], "sst2": ["extra_imbalance", "no_imbalance"]}
    study = studies["snips2"]
    for stage in ("train_contrastive", "train_classifier"):
        ablation = f"{stage}_ablation"
        assert updates_of(study, ablation, "minilm_l12", "no_imbalance") == (0, 0)
        normal = updates_of(study, stage, "minilm_l12", "three_phase")[0]
        assert updates_of(study, ablation, "minilm_l12", "extra_imbalance")[0] >= normal > 0
    assert not shares(study, training_of(study, "train_contrastive_from_pretrained", "minilm_l12", "cl_ft"))
    assert updates_of(study, "train_classifier", "minilm_l12", "cl_ft")[0] > 0


def test_unlabelled_texts_count_in_phase_1_alone():
    study = load_studies()["sst2"]
    train, labelled = training_rows(study)
    assert train == labelled == round(0.8 * ROWS["sst2"]["train"])
    _, texts = updates_of(study, "train_dae", "roberta_base", "dae")
    assert texts == 2 * (train + 1821) * study.params.hyperparameters["roberta_base"].epochs_dae


def test_a_cost_is_the_slower_of_updates_and_tokens():
    study, costs = load_studies()["snips2"], load_paper().costs
    training = training_of(study, "train_dae", "minilm_l12", "dae")
    short, long = (training_cost(study, training, words, costs) for words in (0.001, 1000))
    updates, texts = sequence_updates(study, training)
    assert short.gpu_minutes == pytest.approx(updates / costs.devices["gpu"].updates_per_second / 60)
    size = costs.encoders["minilm_l12"]
    # Every text is encoded and decoded; the vocabulary's weights act once.
    weights = size.layer_weights_million + size.vocabulary_weights_million / 2
    work = 6 * texts * 1000 * costs.tokens_per_word * weights / 1e6
    assert long.cpu_hours == pytest.approx(work / costs.devices["cpu"].teraflops / 3600)
    assert long.disk_mb == costs.encoders["minilm_l12"].file_mb
    classifier = training_of(study, "train_classifier_from_pretrained", "minilm_l12", "ft")
    assert training_cost(study, classifier, 9, costs).disk_mb == 0
    assert total([short, long]).disk_mb == 2 * long.disk_mb and total([Cost()]) == Cost()


def test_the_plans_processor_is_the_one_of_the_published_measurement():
    """The study's rates on short texts are those that the plan expects of the same work."""
    table = pd.read_csv(REPOSITORY / "reports/performance/engine.csv").query("data == 'snips2'")
    measured = table.groupby("phase")["ours_examples_per_s"].median()
    costs, words = load_paper().costs, paper_words("snips2")
    size, cpu = costs.encoders["minilm_l6"], costs.devices["cpu"]
    layers, vocabulary = size.layer_weights_million, size.vocabulary_weights_million
    weights = {"dae": 2 * layers + vocabulary, "contrastive": 2 * layers, "classifier": layers}
    for phase, millions in weights.items():
        expected = cpu.teraflops * 1e6 / (6 * words * costs.tokens_per_word * millions)
        assert expected == pytest.approx(measured[phase], rel=0.25), phase


def paper_words(dataset: str) -> float:
    numbers = read_numbers()
    chosen = (numbers["dataset"] == dataset) & (numbers["metric"] == "average_words")
    return float(numbers.loc[chosen, "value"].iloc[0])


@pytest.mark.parametrize("key", ["rows_by_split", "labels"])
def test_rows_that_are_not_stated_are_named(tmp_path, monkeypatch, key):
    monkeypatch.chdir(make_paper_project(tmp_path / "project"))
    change(tmp_path / "project", "data/snips.yaml", {f"expected.{key}": None})
    with pytest.raises(UserError, match=f"data/snips.yaml: expected.{key}: the key is missing"):
        updates_of(load_studies()["snips"], "train_joint", "minilm_l12", "joint")
