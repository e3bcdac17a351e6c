"""What workers can't do is told in one line at the end, with the stage and what to do."""

import contextlib
import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from distributed_project import DISTRIBUTE, copy, make_study
from small_project import change
from tiny_project import SHARED, environment, run

pytestmark = pytest.mark.usefixtures("all_cores")
ON_TWO = (*DISTRIBUTE, "--workers", "2")


@pytest.fixture(scope="module")
def new(tmp_path_factory) -> Path:
    return make_study(tmp_path_factory.mktemp("new") / "project")


@pytest.fixture
def root(new, tmp_path) -> Path:
    return copy(new, tmp_path)


def test_a_study_that_another_head_runs_waits_until_that_has_ended(root):
    pipes = {"cwd": root, "env": environment(root), "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    head = subprocess.Popen(ON_TWO, **pipes)
    assert "resolve_settings" in head.stdout.readline()
    second = subprocess.Popen([*ON_TWO, "resolve_settings"], **pipes)
    try:
        assert second.stderr.readline().startswith(f"waiting: process {head.pid} since ")
    finally:
        head.send_signal(signal.SIGINT)
        head.communicate()
        said, _ = second.communicate()
    assert second.returncode == 0 and "stages done" not in said  # the first has made it


def test_a_seed_that_the_study_lacks_is_no_target(root):
    said = run(root, *ON_TWO, "train_dae@minilm_l6-dae-7", expected=2).splitlines()
    assert said == ["error: dvc.yaml: Stage 'train_dae@minilm_l6-dae-7' not found inside 'dvc.yaml' file"]


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="this machine has a GPU")
def test_workers_for_gpus_need_one(root):
    said = run(root, *DISTRIBUTE, "--gpus", expected=2).splitlines()
    assert said == ["error: --gpus: got none on this machine, expected at least one; use --workers"]


def test_a_gpu_that_the_settings_wish_for_and_no_worker_has_stops_the_study(root):
    change(root, SHARED, {"engine.device": "cuda"})
    said = run(root, *ON_TWO, expected=2, CUDA_VISIBLE_DEVICES="")
    assert "resolve_settings:\nerror: shared.yaml: engine.device: got 'cuda', which this machine" in said
    assert said.splitlines()[-1].startswith("error: failed stages: 1, not run as they need one: 17; ")


def test_settings_of_a_gpu_stop_only_the_trainings_where_no_worker_has_one(root):
    change(root, SHARED, {"engine.device": "auto"})
    run(root, "dvc", "repro", "resolve_settings", CUDA_VISIBLE_DEVICES="")
    # What a head with a GPU would have chosen for the study.
    engine = root / ".engine.json"
    engine.write_text(json.dumps(json.loads(engine.read_text()) | {"device": "cuda"}))
    (root / "dvc.lock").unlink()
    said = run(root, *ON_TWO, expected=2, CUDA_VISIBLE_DEVICES="")
    assert "train_dae@minilm_l6-dae-0:\nerror: device: got 'cuda' in the settings, which this machine" in said
    assert "resolve the settings for this machine: make repro" in said
    assert said.splitlines()[-1].startswith("error: failed stages: 2, not run as they need one: ")
    assert (root / "reports/cells/majority.json").is_file()


def test_a_port_in_use_is_no_matter_on_one_machine(root):
    with socket.socket() as taken:
        # Where Dask's dashboard would be; if another program has it already, that is as good.
        with contextlib.suppress(OSError):
            taken.bind(("", 8787))
            taken.listen()
        said = run(root, *ON_TWO, "resolve_settings")
        assert said.startswith("1 of 1 stages done, 0 running, 0 waiting, about 0 min left; resolve_settings")
