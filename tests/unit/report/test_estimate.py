"""What a study is said to take: by hand from a known speed, and from real updates of a tiny encoder."""

import dataclasses
import itertools

import pandas as pd
import pytest
from small_project import change, make_project, use_encoder
from tiny_encoder import TEXTS, make_bert

from threephase.base.errors import UserError
from threephase.paper.cost_model import sequence_updates
from threephase.phases.speed import Speed
from threephase.project import new_study
from threephase.report import estimate
from threephase.study import topology
from threephase.study.read_params import load_study

SPEED = Speed(start=2, denoising=0.5, contrastive=0.25, classifying=0.125, text=0.01, fit=0.001, memory_mb=1000)
# A stage of each kind.
VARIANTS = ("three_phase", "joint", "dae_ft", "cl_ft", "extra_imbalance", "no_imbalance", "ft")


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path)
    change(tmp_path, "params.yaml", {"hyperparameters.minilm_l6.max_length": 24})
    default = load_study()
    definition = new_study.dataset_definition("mine", {"files": "rows.csv"}, ["text"], ["label"])
    params = new_study.study_params("mine", default) | {"variants": list(VARIANTS)}
    return new_study.study_of("mine", definition, params, default.shared)


def examples_of(train: int, test: int) -> pd.DataFrame:
    """Two classes of equal size, of words that the tiny encoder knows."""
    rows = [(f"{TEXTS[n % len(TEXTS)]} {n}", "ab"[n % 2]) for n in range(train + test)]
    return pd.DataFrame(rows, columns=["text", "label"]).assign(split=["train"] * train + ["test"] * test)


@pytest.fixture
def counted(study):
    return estimate.with_counts(study, examples_of(400, 100))


def seconds(study, stage: str, variant: str) -> float:
    (training,) = (t for t in topology.trainings(study) if (t.stage, t.variant) == (stage, variant))
    return estimate.training_seconds(study, training, SPEED)


def test_trainings_by_hand(counted):
    """320 of the 400 rows train, in batches of 16; ten epochs of phase 3, each scored on 80 rows."""
    assert seconds(counted, "train_dae", "dae") == pytest.approx(2 + 20 * 0.5)
    assert seconds(counted, "train_classifier_from_pretrained", "ft") == pytest.approx(
        2 + 10 * 20 * 0.125 + (10 * 80 + 2 * 180) * 0.01
    )
    training = next(t for t in topology.trainings(counted) if t.stage == topology.CONTRAST)
    updates, _ = sequence_updates(counted, training)
    assert seconds(counted, "train_contrastive", "three_phase") == pytest.approx(2 + updates * 0.25)
    assert seconds(counted, "train_joint", "joint") == pytest.approx(2 + updates * 0.75)
    on_embeddings = [
        seconds(counted, "train_baselines_on_embeddings", f"embedding_{name}") for name in ("logistic", "nearest_mean")
    ]
    assert on_embeddings == pytest.approx([2 + 500 * 0.01 + 3 * 320 * 0.001, 2 + 500 * 0.01])
    assert seconds(counted, "train_baselines", "tfidf_logistic") == pytest.approx(2 + 3 * 320 * 0.001)
    assert seconds(counted, "train_baselines", "majority") == 2


def test_where_labels_are_few_no_epoch_is_scored(counted):
    """Eight rows a class train, in one batch an epoch; the 80 validation rows and the test rows are predicted once."""
    params, protocols = dataclasses.replace(counted.params, shots=8), counted.shared.protocols
    protocol = dataclasses.replace(counted.protocol, selection_split="none")
    shared = dataclasses.replace(counted.shared, protocols=protocols | {params.protocol: protocol})
    study = dataclasses.replace(counted, params=params, shared=shared)
    assert seconds(study, "train_classifier_from_pretrained", "ft") == pytest.approx(
        2 + 10 * 1 * 0.125 + 2 * 180 * 0.01
    )
    assert seconds(study, "train_dae", "dae") == seconds(counted, "train_dae", "dae")


def test_a_training_that_takes_over_another_costs_its_start_alone(counted):
    """Both classes are equally large, so that no imbalance setting changes anything."""
    for stage in ("train_contrastive_ablation", "train_classifier_ablation"):
        assert seconds(counted, stage, "no_imbalance") == 2


def test_all_of_a_study_is_spread_over_the_workers_down_to_its_longest_way(counted):
    one, two, many = (estimate.of_speed(counted, SPEED, workers, 90) for workers in (1, 2, 1000))
    end = 4 + 17
    assert two.seconds - end == pytest.approx((one.seconds - end) / 2)
    way = [
        seconds(counted, *training)
        for training in (
            ("train_dae", "dae"),
            ("train_contrastive", "three_phase"),
            ("train_classifier", "three_phase"),
        )
    ]
    joint = seconds(counted, "train_joint", "joint") + seconds(counted, "train_classifier", "joint")
    assert many.seconds - end == pytest.approx(max(sum(way), joint))
    assert (two.memory_mb, two.workers) == (2000, 2)
    trained = [t for t in topology.trainings(counted) if t.phase == topology.ENCODER_PHASE]
    assert two.disk_mb == 2 * 90 * (3 * len(trained) + 1)
    stages = list(topology.trainings(counted))
    assert two.baselines == sum(t.stage in topology.BASELINE_STAGES for t in stages)
    assert two.trainings == 3 * (len(stages) - two.baselines)


def test_more_rows_take_longer(study):
    few, many = (
        estimate.of_speed(estimate.with_counts(study, examples_of(rows, 100)), SPEED, 2, 90) for rows in (200, 800)
    )
    assert many.seconds > 2 * few.seconds and many.disk_mb == few.disk_mb


def test_real_updates_of_a_tiny_encoder_are_measured_by_processes_of_their_own(tmp_path, study):
    folder, examples = make_bert(tmp_path / "encoder"), examples_of(40, 10)
    use_encoder(tmp_path, folder)
    workload = estimate.workload_of(study, examples, folder, examples["text"].tolist(), estimate.ANY_MACHINE)
    workload = dataclasses.replace(workload, encoder=dataclasses.replace(workload.encoder, sha256=None))
    measured = estimate.measure(workload, 2)
    assert all(value > 0 for value in dataclasses.astuple(measured))
    # A tiny encoder's update takes milliseconds, its process seconds.
    assert measured.start > max(measured.denoising, measured.contrastive, measured.classifying) > measured.text
    assert 100 < measured.memory_mb < 2000


@pytest.mark.parametrize(("tokens", "rows"), [(10**6, 16), (256, 4), (1, 1)])
def test_of_long_texts_a_few_rows_are_measured_and_count_as_a_whole_batch(tmp_path, study, monkeypatch, tokens, rows):
    """By a clock on which a second passes with each look, so that a batch takes one whatever it holds."""
    from threephase.phases import timed_updates

    folder, examples = make_bert(tmp_path / "encoder"), examples_of(40, 10)
    workload = estimate.workload_of(study, examples, folder, examples["text"].tolist(), estimate.ANY_MACHINE)
    sizes, clock = [], itertools.count()

    def recorded(train, position):
        def run(*arguments):
            sizes.append(arguments[position].batch_size)
            return train(*arguments)

        return run

    for name, position in (("train_denoising", 3), ("train_contrastive", 2), ("train_classifier", 4)):
        monkeypatch.setattr(timed_updates, name, recorded(getattr(timed_updates, name), position))
    monkeypatch.setattr(timed_updates, "MOST_TOKENS", tokens)
    monkeypatch.setattr(timed_updates.time, "perf_counter", lambda: float(next(clock)))
    speed = timed_updates.measure_here(workload)
    assert set(sizes) == {rows}
    assert (speed.denoising, speed.contrastive, speed.classifying) == (16 / rows, 16 / rows, 16 / rows / 2)


def end_the_process(workload):
    import os

    os._exit(1)


def test_a_process_that_the_system_ends_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(estimate, "_measured_here", end_the_process)
    with pytest.raises(UserError, match="got the end of one of 2 processes while it measured, as where memory runs"):
        estimate.measure(None, 2)
