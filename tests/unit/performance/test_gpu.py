"""The command for a machine with a GPU, run dry on a CPU with a tiny encoder."""

import dataclasses
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_project import ENCODER, REPOSITORY, run

from performance import agreement, gpu, kept
from performance.measure import Task
from threephase.base.errors import UserError
from threephase.base.provenance import library_versions


@pytest.fixture(scope="module")
def dry(study, tmp_path_factory) -> Path:
    """A copy of the trained project after the command."""
    root = study.copy(tmp_path_factory.mktemp("gpu") / "project")
    shutil.copytree(REPOSITORY / "performance", root / "performance", ignore=shutil.ignore_patterns("__pycache__"))
    command = (sys.executable, "-m", "performance.gpu", "--data", "bbc", "--encoder", ENCODER, "--output", "results")
    run(root, *command, "--phases", "embedding", "--updates", "8", "--pairs", "1")
    return root


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
    assert all(f"## {name}\n" in page for name in gpu.TABLES) and library_versions()["torch"] in page


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
