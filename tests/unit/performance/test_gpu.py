"""The command for a machine with a GPU, run dry on a CPU with a tiny encoder: what it trains is what dvc trains."""

import dataclasses
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_project import ENCODER, REPOSITORY, contents, run

from performance import agreement, gpu, kept
from performance.measure import Task
from performance.trainings import Job, jobs_of, run_all
from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.read_params import load_study

MADE = ("splits", "encoders", "predictions", "vectors", "histories")
# Of one seed: phases 1 and 2 with what is trained on them, and plain fine-tuning.
AGAIN, SEED = ("dae", "three_phase", "ft"), 1
COMMAND = (sys.executable, "-m", "performance.gpu", "--study", "bbc", "--output", "results")


@pytest.fixture(scope="module")
def dry(study, tmp_path_factory) -> Path:
    """A copy of the trained project without some of its trainings, after the command."""
    root = study.copy(tmp_path_factory.mktemp("gpu") / "project")
    shutil.copytree(REPOSITORY / "performance", root / "performance", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(root / paths.splits(Path(), SEED))
    for variant in AGAIN:
        for made in (root / paths.RUNS).glob(f"*/{ENCODER}-{variant}/{SEED}*"):
            shutil.rmtree(made) if made.is_dir() else made.unlink()
    run(root, *COMMAND, "--phases", "embedding", "--updates", "8", "--pairs", "1")
    return root


def test_its_trainings_are_those_of_dvc_byte_by_byte(study, dry):
    for kind in MADE:
        expected = contents(study.root / paths.RUNS / kind)
        assert expected and contents(dry / paths.RUNS / kind) == expected, kind


def test_each_training_has_its_seconds_and_what_was_there_is_not_made_again(dry):
    table = pd.read_csv(dry / "results/trainings.csv")
    trained = [f"train_dae {ENCODER}-dae", f"train_contrastive {ENCODER}-three_phase"]
    trained += [f"train_classifier {ENCODER}-three_phase"]
    trained += [f"train_classifier_from_pretrained {ENCODER}-ft"]
    assert sorted(table["job"]) == sorted(f"{training} {SEED}" for training in trained)
    assert (table["state"] == "done").all() and (table["seconds"] > 0).all()


def test_loss_gradient_and_pieces_agree_in_every_phase(dry):
    for step in ("agreement", "memory"):
        table = pd.read_csv(dry / "results" / f"{step}.csv")
        assert table["phase"].tolist() == list(agreement.TRAININGS) and table["agrees"].all()
    assert (table["pieces"] == 2).all() and (table["error_by"] == "raised").all()


def test_the_bench_measures_our_side_beside_the_peers_in_processes_that_stay(dry):
    table = pd.read_csv(dry / "results/engine.csv")
    assert table[["phase", "peer_setting"]].values.tolist() == [["embedding", "default"], ["embedding", "best"]]
    assert (table["ratio"] > 0).all()


def test_the_page_tells_the_machine_and_every_step(dry):
    page = (dry / "results/gpu.md").read_text(encoding="utf-8")
    assert all(f"## {name}\n" in page for name in gpu.TABLES) and torch.__version__ in page


def test_what_is_trained_is_not_trained_again(dry):
    before, table = contents(dry / paths.RUNS), (dry / "results/trainings.csv").read_bytes()
    run(dry, *COMMAND, "--steps", "study")
    assert contents(dry / paths.RUNS) == before and (dry / "results/trainings.csv").read_bytes() == table


def job(name: str, code: str, *behind: str) -> Job:
    return Job(name, (sys.executable, "-c", code), frozenset(behind), Path(name))


def states(jobs: list[Job], folder: Path, seconds: float = 60) -> dict[str, str]:
    rows = run_all(jobs, 2, time.monotonic() + seconds, folder / "logs")
    return {name: state for name, state, *_ in rows}


def test_what_waits_for_a_job_that_failed_does_not_start_and_the_rest_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    broken = job("broken", "raise SystemExit('no luck')")
    ended = states([broken, job("behind", "1", "broken"), job("beside", "open('beside', 'w')")], tmp_path)
    assert ended == {"broken": "failed", "beside": "done"}
    assert "warning: broken: no luck" in capsys.readouterr().err


def test_behind_the_deadline_nothing_starts_and_what_runs_is_ended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slow = job("slow", "import time; time.sleep(60)")
    assert states([slow, job("behind", "1", "slow")], tmp_path, seconds=0.5) == {"slow": "out of time"}
    assert states([slow], tmp_path, seconds=0) == {}


def test_trainings_that_are_not_done_are_said(tmp_path, study, monkeypatch):
    root = study.copy(tmp_path / "project")
    shutil.copytree(REPOSITORY / "performance", root / "performance", ignore=shutil.ignore_patterns("__pycache__"))
    (root / paths.history(Path(), ENCODER, "ft", SEED, "classifier")).unlink()
    command = (sys.executable, "-m", "performance.trainings", "--study", "bbc", "--output", ".", "--minutes", "0")
    printed = run(root, *command, expected=2)
    assert re.fullmatch(
        rf"error: 1 of \d+ trainings are not done, first train_classifier_from_pretrained {ENCODER}-ft {SEED}; "
        "run again\n",
        printed,
    )


def test_the_jobs_are_the_trainings_of_the_pipeline_in_an_order_that_its_outputs_ask_for(study, monkeypatch):
    monkeypatch.chdir(study.root)
    jobs = jobs_of(load_study("bbc"))
    of_dvc = {command.partition("/stages ")[2] for command in study.commands}
    expected = {line for line in of_dvc if line.startswith("train_") and not line.startswith("train_baselines")}
    assert {" ".join([job.command[3], *job.command[6:]]) for job in jobs} == expected
    behind = {job.name: {*job.behind} for job in jobs}
    first, second = f"train_dae {ENCODER}-dae 0", f"train_contrastive {ENCODER}-three_phase 0"
    ablation = f"train_contrastive_ablation {ENCODER}-no_imbalance 0"
    assert behind[first] == behind[f"train_classifier_from_pretrained {ENCODER}-ft 0"] == set()
    assert behind[second] == {first} and behind[ablation] == {first, second}
    third = f"train_classifier {ENCODER}-three_phase 0"
    assert behind[third] == {second}
    assert behind[f"train_classifier_ablation {ENCODER}-no_imbalance 0"] == {ablation, third}


def test_what_starts_the_trainings_imports_nothing_large():
    """The system counts its memory as the peak of each training, which run reports tell."""
    code = "import sys, performance.trainings; print({'torch', 'pandas', 'numpy'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert printed.stdout == "set()\n"


def test_a_side_that_is_not_set_up_in_time_is_ended_and_said(monkeypatch, tmp_path, capsys):
    (tmp_path / "slow.py").write_text("import time\nprint('wait', flush=True)\ntime.sleep(60)\n")
    monkeypatch.setattr(kept, "COMMAND", (sys.executable, str(tmp_path / "slow.py")))
    task = Task("dae", "bbc", ENCODER, 8, device="cpu", precision="fp32", threads=1, side="setfit")
    with kept.KeptSide(task) as side:
        assert not side.is_ready(0.5)
    assert "warning: performance.measure of setfit , dae, bbc: not set up in time" in capsys.readouterr().err
    ours = dataclasses.replace(task, side="ours")
    with kept.KeptSide(ours) as side, pytest.raises(UserError, match="ours , dae, bbc: not set up in time"):
        side.is_ready(0.5)


def test_a_gradient_that_differs_is_found_and_told_with_its_parameter(tmp_path):
    expected = {"weight": torch.ones(4, dtype=torch.float64), "bias": torch.full((4,), 1e-9, dtype=torch.float64)}
    errors = agreement.errors_of({"weight": expected["weight"] * 1.01, "bias": -expected["bias"]}, expected)
    assert errors["weight"] == pytest.approx(0.01)
    assert errors["bias"] < agreement.LARGEST_ERROR  # rounding beside the whole gradient
    rows = [{"phase": "dae", "agrees": False}, {"phase": "contrastive", "agrees": True}]
    assert gpu.check(rows, tmp_path / "agreement.csv") == "agreement: dae: expected errors of at most 0.001"
