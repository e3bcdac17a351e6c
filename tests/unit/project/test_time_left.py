"""When a distributed run tells the time left, and from which stages."""

import pytest

from threephase.project.distribution import Distribution, Task
from threephase.study import topology

CLASSIFIERS = (topology.CLASSIFY, topology.CLASSIFY_ABLATION, topology.CLASSIFY_ON_HEAD)
STAGES = (*topology.ENCODER_STAGES, *CLASSIFIERS, *(f"{topology.CLASSIFY}_from_{of}" for of in ("dae", "cl_ft")))


def left(seconds: dict[str, list[float]], *stages: str) -> float | None:
    distribution = Distribution([], None, 2)
    distribution.ready = [Task(None, stage, set(), 0.0) for stage in stages]
    distribution.seconds = seconds
    return distribution._seconds_left()


@pytest.mark.parametrize("stage", [f"{stage}{of}@cell-0" for stage in STAGES for of in ("", "_minilm_l12")])
def test_every_training_waits_for_one_of_its_phase(stage):
    phase = Task(None, stage, set(), 0.0).program
    assert left({}, stage) is None and left({"split_data": [1.0]}, stage) is None
    assert left({phase: [10.0, 30.0]}, stage, stage) == 20.0


def test_the_phases_are_the_modules_of_the_stages():
    assert {Task(None, stage, set(), 0.0).program for stage in STAGES} == {
        topology.DENOISE, topology.CONTRAST, topology.JOINT_TRAINING, topology.METHOD, topology.CLASSIFY,
    }  # fmt: skip
    for stage in (*topology.BASELINE_STAGES, topology.SPLIT):
        assert Task(None, f"{stage}@x", set(), 0.0).program == stage


def test_what_trains_nothing_has_a_time_before_it_has_run():
    assert left({}, "split_data@0", "summarize_cell@x") == 1.0
