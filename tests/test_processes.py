"""Trainings in several processes: the losses, weights and predictions of one process, and one set of results."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from small_project import change
from tiny_project import ENCODER, ORIGIN, REPOSITORY, SHARED, run

from stages.common import paths
from stages.common.config import load_study
from stages.common.engine import processes
from stages.common.engine.dropout import kept
from stages.common.engine.runs import Run
from stages.common.errors import UserError
from stages.common.scores.predictions import PROBABILITY

TRAININGS = {
    "train_dae": "dae_ft",
    "train_contrastive": "three_phase",
    "train_joint": "joint",
    "train_classifier": "three_phase",
}
RUN = ("bbc", ENCODER)


def command_of(stage: str, variant: str) -> list[str]:
    named = [] if stage in ("train_dae", "train_joint") else ["--variant", variant]
    return [sys.executable, "-m", f"stages.{stage}", "--benchmark", "bbc", "--encoder", ENCODER, *named, "--seed", "0"]


@pytest.fixture(scope="module")
def project(study, tmp_path_factory):
    """The trained study with dropout off, whose random numbers depend on how a batch is cut."""
    root = study.copy(tmp_path_factory.mktemp("processes") / "project")
    for folder in (root / ORIGIN, root / paths.pretrained_encoder(ENCODER)):
        file = folder / "config.json"
        off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        text = json.dumps(json.loads(file.read_text()) | off)
        file.unlink()  # dvc's link to its cache
        file.write_text(text)
    change(root, SHARED, {"training.head_dropout": 0.0})
    return root


def train(root, count: int) -> dict[str, tuple]:
    """By stage its losses, weights or probabilities, and report, trained in so many processes."""
    change(root, SHARED, {"engine.processes": count})
    found = {}
    for stage, variant in TRAININGS.items():
        output = run(root, *command_of(stage, variant), DVC_STAGE=stage)
        phase = "classifier" if stage == "train_classifier" else "encoder"
        losses = pd.read_csv(root / paths.history(*RUN, variant, 0, phase))["loss"].to_numpy()
        if phase == "encoder":
            weights = load_file(root / paths.trained_encoder(*RUN, variant, 0) / "model.safetensors")
            result = np.concatenate([one.ravel() for _, one in sorted(weights.items())])
        else:
            table = pd.read_parquet(root / paths.predictions(*RUN, variant, 0))
            result = table.filter(like=PROBABILITY).to_numpy()
        report = json.loads((root / paths.report(*RUN, variant, 0, phase)).read_text())
        found[stage] = losses, result, report, output
    return found


def test_two_processes_take_the_steps_of_one(project):
    alone, together = train(project, 1), train(project, 2)
    for stage in TRAININGS:
        losses, result, report, _ = alone[stage]
        others, other_result, other_report, output = together[stage]
        assert len(losses) == len(others) > 5
        assert np.abs(losses - others).max() < 1e-5
        assert result.shape == other_result.shape and result.size and np.abs(result - other_result).max() < 1e-3
        assert (report["processes"], other_report["processes"]) == (1, 2)
        told = re.findall(r"update (\d+)/", output)
        assert len(told) == len(set(told)), "one process tells how far it is"


def test_an_error_ends_all_processes_and_is_no_traceback(project):
    change(project, SHARED, {"engine.processes": 2})
    (project / paths.trained_encoder(*RUN, "dae_ft", 0) / "config.json").unlink()
    output = run(project, *command_of("train_contrastive", "three_phase"), expected=2)
    (line,) = set(output.splitlines())  # of each process that came so far
    assert line.startswith("error: runs/bbc/encoders/minilm_l6-dae_ft/0") and "dvc repro" in line


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(processes.torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="engine.processes: got 3, expected at most 2, the number of GPUs here"):
        processes.start(3, "cuda")


def test_gradients_are_those_of_the_whole_batch_even_with_fewer_rows_than_processes():
    started = ("torch.distributed.run", "--standalone", "--nproc-per-node=3", "--module", "tests.summed_gradients")
    output = run(REPOSITORY, sys.executable, "-m", *started)
    assert output.count("as one process") == 3


def test_processes_draw_different_dropout(study, monkeypatch):
    monkeypatch.chdir(study.root)
    drawn = []
    for number in (0, 1):
        monkeypatch.setattr(processes, "number", lambda number=number: number)
        Run(load_study("bbc"), "train_dae", ENCODER, "dae_ft", 0, "encoder").seed_dropout()
        drawn.append(kept(torch.Size([64]), 0.5, torch.float32))
    assert not torch.equal(*drawn)


@pytest.mark.parametrize("exitcode", [-9, 2])
def test_how_a_process_ended_is_told(monkeypatch, exitcode):
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

    def fail(_):
        raise ChildFailedError("stages.train_dae", {1: ProcessFailure(1, 1, exitcode, "no file")})

    monkeypatch.setattr("torch.distributed.run.run", fail)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name="stages.train_dae"))
    if exitcode == 2:
        with pytest.raises(SystemExit) as left:
            processes.start(2, "cpu")
        assert left.value.code == 2
    else:
        with pytest.raises(UserError, match="stages.train_dae: process 1 of 2 was ended by signal 9, expected it to"):
            processes.start(2, "cpu")
