"""Safety of work: a stage killed at any moment, a killed dvc, losses and weights that no training can use."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load_file, save_file
from small_project import change
from tiny_encoder import tiny_contrastive
from tiny_project import DEFINITION, ENCODER, ORIGIN, REPOSITORY, SEEDS, SHARED, STUDY, contents, environment, run

from threephase.base.errors import UserError
from threephase.base.files import sha256_of
from threephase.phases.optimization import Optimization

SEED = SEEDS[0]
RUNS = Path("runs")
PRETRAINED = RUNS / "pretrained" / ENCODER
WEIGHTS = "model.safetensors"
PATIENCE = 60  # seconds that something may take which normally takes few


def outputs_of(cell: str, kind: str, phase: str) -> list[str]:
    last = f"{kind}/{cell}/{SEED}" + (".parquet" if kind == "predictions" else "")
    records = [f"histories/{cell}/{SEED}-{phase}.csv", f"reports/{cell}/{SEED}-{phase}.json"]
    return [str(RUNS / name) for name in (last, *records)]


def command(study, *words: str) -> str:
    of_seed = [line for line in study.commands if line.endswith(f"--seed {SEED}")]
    (line,) = [line for line in of_seed if all(word in line for word in words)]
    return line


DAE, THREE_PHASE = f"{ENCODER}-dae", f"{ENCODER}-three_phase"
KILLED = {
    "split_data": (("split_data",), [str(RUNS / f"splits/{SEED}")]),
    "train_dae": (("train_dae",), outputs_of(DAE, "encoders", "encoder")),
    "train_classifier": (
        ("train_classifier", "three_phase"),
        [
            *outputs_of(THREE_PHASE, "predictions", "classifier"),
            str(RUNS / f"vectors/{THREE_PHASE}/{SEED}.safetensors"),
        ],
    ),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("stage", KILLED)
def test_a_stage_killed_at_any_moment_leaves_whole_outputs_or_none(study, tmp_path, stage):
    words, outputs = KILLED[stage]
    root = study.copy(tmp_path / "project")
    killer = str(REPOSITORY / "tests/helpers/killed_stage.py")
    lines = run(root, sys.executable, killer, command(study, *words), *outputs).splitlines()
    deaths = [json.loads(line) for line in lines if line.startswith("[")]
    place, finished = deaths.pop()
    assert place is None and len(deaths) >= 2 * len(outputs)
    # Every output was both written and renamed at some moment, and one of them is missing at each.
    assert sum("os.rename" in place for place, _ in deaths) >= len(outputs)
    for place, left in deaths:
        assert len({name for output in outputs for name in left if name.startswith(output)}) < len(finished) or (
            place.startswith("os.remove")
        )
        for output in outputs:
            whole = {name: content for name, content in finished.items() if name.startswith(output)}
            left_over = {name: content for name, content in left.items() if name.startswith(output)}
            assert whole and left_over in ({}, whole), (place, output)
    # The run that was not killed worked beside the leftovers of the others, and gave what it gives without them.
    assert {name for name in finished if "reports" not in name} == {
        name for output in outputs for name in below(study.root, output) if "reports" not in name
    }
    for name in finished:
        assert "reports" in name or (root / name).read_bytes() == (study.root / name).read_bytes()
    # Leftovers are neither committed nor seen by dvc, in whose folders of dependencies they lie.
    assert list((root / outputs[0]).parent.glob(".*.tmp"))
    assert ".tmp" not in run(root, "git", "status", "--porcelain", "--untracked-files=all")
    cell = f"summarize_cell@{THREE_PHASE}"
    assert "up to date" in run(root, "dvc", "status", cell)


def below(root: Path, output: str) -> list[str]:
    place = root / output
    return [str(f.relative_to(root)) for f in place.rglob("*") if f.is_file()] if place.is_dir() else [output]


@contextmanager
def started(root: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """A program in a process group of its own, of which nothing outlives the test."""
    program = subprocess.Popen(
        arguments,
        cwd=root,
        env=environment(root),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield program
    finally:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def wait_for(what: Callable[[], object]) -> object:
    """The first true value of ``what()``; fails where there is none for long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def trainings(ancestor: psutil.Process) -> list[psutil.Process]:
    """The Python processes below ``ancestor`` that train."""
    processes = []
    for process in ancestor.children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(word.endswith("/stages") for word in words) and any(word.startswith("train_") for word in words):
            processes.append(process)
    return processes


@pytest.mark.parametrize("moment", ["while it starts", "while it trains"])
def test_a_training_ends_with_a_killed_dvc(study, tmp_path, moment):
    root = study.copy(tmp_path / "project")
    change(root, STUDY, {f"hyperparameters.{ENCODER}.epochs_dae": 10_000})
    with started(root, "dvc", "repro", f"train_dae@{DAE}-{SEED}") as dvc:
        (training, *_) = wait_for(lambda: trainings(psutil.Process(dvc.pid)))
        if moment == "while it trains":
            # Its imports are the work of three seconds.
            wait_for(lambda: training.cpu_times().user > 8)
        else:
            # The first thread beside the main one watches dvc; the import of torch takes seconds more.
            wait_for(lambda: training.num_threads() > 1)
        os.kill(dvc.pid, signal.SIGKILL)
        dvc.wait()
        wait_for(lambda: not training.is_running() or training.status() == psutil.STATUS_ZOMBIE)
    # How the older training went is told on; it belongs to outputs that are no longer there.
    for output in KILLED["train_dae"][1]:
        assert "reports" in output or not (root / output).exists(), output
    # In general, and of each training that the edit changed: phase 1 and the joint one.
    assert costs(root).count("from the cache, not timed here") == 1 + 2 * len(SEEDS)
    # What dvc's death left locked does not stand in the way of the next run.
    change(root, STUDY, {f"hyperparameters.{ENCODER}.epochs_dae": 1})
    run(root, "dvc", "repro", f"train_dae@{DAE}-{SEED}")
    assert (root / RUNS / f"encoders/{DAE}/{SEED}" / WEIGHTS).is_file()


def costs(root: Path) -> str:
    """The page of what the trainings took."""
    run(root, sys.executable, "-m", "commands.render_costs")
    return (root / "reports/costs.html").read_text(encoding="utf-8")


# What is wrong with an encoder's weights, and what is said of its file.
SPOILED = {
    "not finite": (np.nan, "weight 'embeddings.LayerNorm.weight' holds nan or inf, expected finite numbers; get this"),
    "zero": (0.0, "got sentence vectors that are the same for all texts, expected other ones for other texts; get"),
}


@pytest.fixture(scope="module")
def spoiled(study, tmp_path_factory) -> dict[str, Path]:
    """The study's project with a spoiled layer norm, that every text goes through; nothing is trained."""
    roots = {}
    for name, (value, _) in SPOILED.items():
        root = roots[name] = untrained(study, tmp_path_factory.mktemp("spoiled") / "project")
        shutil.rmtree(root / PRETRAINED)
        shutil.copytree(root / ORIGIN, root / PRETRAINED)
        weights = load_file(root / PRETRAINED / WEIGHTS)
        weights["embeddings.LayerNorm.weight"] = np.full_like(weights["embeddings.LayerNorm.weight"], value)
        save_file(weights, root / PRETRAINED / WEIGHTS, metadata={"format": "pt"})
        change(root, DEFINITION, {"sha256": sha256_of(root / PRETRAINED / WEIGHTS)})
        run(root, sys.executable, "stages", "resolve_settings")
    return roots


def untrained(study, root: Path) -> Path:
    """The study's project with its splits and without what was trained."""
    study.copy(root)
    for folder in ("encoders", "histories", "predictions", "reports", "vectors"):
        shutil.rmtree(root / RUNS / folder)
    return root


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("train_dae",), "not finite"),
        (("train_contrastive", "cl_ft"), "zero"),
        (("train_joint",), "zero"),
        (("train_classifier", "--variant ft"), "not finite"),
    ],
)
def test_an_encoder_that_no_training_can_use_is_refused_by_its_file_before_one_starts(study, spoiled, words, fault):
    before = contents(spoiled[fault] / RUNS)
    output = run(spoiled[fault], "bash", "-c", command(study, *words), expected=2)
    assert output.startswith(f"error: {PRETRAINED / WEIGHTS}: {SPOILED[fault][1]}") and output.count("\n") == 1
    assert contents(spoiled[fault] / RUNS) == before


def test_a_baseline_on_equal_vectors_is_told_and_made(study, spoiled):
    words = next(line for line in study.commands if "train_baselines" in line and "embedding_logistic" in line)
    (line,) = run(spoiled["zero"], "bash", "-c", words).splitlines()
    assert line.startswith(f"warning: {PRETRAINED / WEIGHTS}: the sentence vectors of all ") and "are the same" in line


# An eps that is 0 in float32: Adam then divides 0 by 0 where no gradient comes, as with words that no text has.
@pytest.mark.parametrize(
    ("batch_size", "said"),
    [
        (8, r"train_dae: step \d+: the loss is nan, expected a finite one; raise adam_eps, which is 1e-300"),
        # One update: no loss is computed behind it.
        (1024, "train_dae: the weights are not finite after the last step; raise adam_eps, which is 1e-300"),
    ],
)
def test_numbers_that_are_not_finite_stop_the_run_with_their_cause_and_are_not_handed_on(
    study, tmp_path, batch_size, said
):
    root = untrained(study, tmp_path / "project")
    change(root, SHARED, {"training.adam_eps_dae": 1e-300})
    change(root, STUDY, {f"hyperparameters.{ENCODER}.batch_size": batch_size})
    run(root, sys.executable, "stages", "resolve_settings")
    before = contents(root / RUNS)
    output = run(root, "bash", "-c", command(study, "train_dae"), expected=2)
    assert re.match(f"error: {said}", output.splitlines()[-1]) and output.count("error: ") == 1
    assert contents(root / RUNS) == before


def test_an_ordinary_run_is_told_of_no_such_numbers(study):
    # Of a few updates on few texts, predictions of one class may well be the outcome.
    assert not re.findall("^warning: .*(?:of the start|sentence vectors).*$", study.output, flags=re.MULTILINE)


def test_a_validation_loss_that_is_not_finite_stops_the_run():
    layer = torch.nn.Linear(1, 1)
    optimization = Optimization("train_test", [layer], tiny_contrastive(), 2)
    loss = optimization.backward(lambda _: [layer(torch.ones(1, 1)).sum()])
    optimization.log(loss, optimization.step())
    with pytest.raises(UserError, match="^train_test: step 1: the loss on validation data is nan, expected a finite"):
        optimization.log_validation(50.0, float("nan"))


# A stage with something for its end, and with what only Python's taking down of modules would reach.
ENDING = """
import atexit
from threephase.base.errors import run_stage

class Module:
    def __del__(self):
        print("taken down")

module = Module()
atexit.register(print, "registered")
run_stage(lambda: print("worked"))
"""


def end_of_stage(stdout: int | IO = subprocess.PIPE, **variables: str) -> subprocess.CompletedProcess[str]:
    env = environment(REPOSITORY) | variables
    command = [sys.executable, "-c", ENDING]
    return subprocess.run(
        command, cwd=REPOSITORY, env=env, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.parametrize(("variables", "last"), [({"DVC_STAGE": "train_dae"}, []), ({}, ["taken down"])])
def test_a_stage_that_dvc_runs_ends_without_taking_python_down(variables, last):
    result = end_of_stage(**variables)
    assert result.returncode == 0 and result.stdout.splitlines() == ["worked", "registered", *last]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_a_stage_that_dvc_runs_fails_where_its_words_are_lost():
    with open("/dev/full", "w") as full:
        result = end_of_stage(full, DVC_STAGE="train_dae")
    assert result.returncode and "the disk is full" in result.stderr
