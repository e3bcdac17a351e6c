"""Stages on Dask's workers give what ``dvc repro`` gives, byte by byte, whatever dies on the way."""

import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from distributed import Client
from distributed_project import DISTRIBUTE, copy, made, make_study
from failing_remote import failing_remote
from small_project import change
from tiny_project import STUDY, commit, environment, make_pipelines, run

from threephase.base.errors import STOPPED
from threephase.base.handed_over import NOTED
from threephase.base.provenance import library_versions
from threephase.project.distribution import STOPPING
from threephase.project.worker import CommandFailed, run_command

pytestmark = pytest.mark.usefixtures("all_cores")
COMMAND = (*DISTRIBUTE, "--workers", "2")


@pytest.fixture(scope="module")
def new(tmp_path_factory) -> Path:
    return make_study(tmp_path_factory.mktemp("new") / "project")


@pytest.fixture(scope="module")
def expected(new, tmp_path_factory) -> dict[str, bytes]:
    """What ``dvc repro`` makes of it."""
    root = copy(new, tmp_path_factory.mktemp("expected"))
    run(root, "dvc", "repro")
    return made(root)


@pytest.fixture
def root(new, tmp_path) -> Path:
    return copy(new, tmp_path)


def start(root: Path, *targets: str) -> subprocess.Popen[str]:
    """The command with its output in a pipe; it has begun to train when this returns."""
    process = subprocess.Popen(
        [*COMMAND, *targets], cwd=root, env=environment(root), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    for line in process.stdout:
        if "split_data" in line:
            return process
    raise AssertionError("it ended before it had split the data")


def left_behind(root: Path) -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["cwd"]) if (one.info["cwd"] or "").startswith(str(root))]


def test_two_workers_make_the_same_bytes_and_leave_nothing_to_do(root, expected):
    said = run(root, *COMMAND)
    assert made(root) == expected
    stages = said.count(" s\n")
    assert f"{stages} of {stages} stages done" in said
    assert "up to date" in run(root, "dvc", "status")
    assert "Running stage" not in run(root, "dvc", "repro")
    # A second call finds all done.
    assert " s\n" not in run(root, *COMMAND)


def test_workers_with_clones_of_their_own_make_the_same_bytes(root, expected, tmp_path):
    run(root, "dvc", "remote", "add", "--default", "--local", "carrier", str(tmp_path / "remote"))
    shutil.copy(root / ".dvc/config.local", root / ".dvc/config")
    commit(root)
    run(root, *COMMAND, "--clone", str(root))
    assert made(root) == expected
    assert (root / "runs/reports").is_dir()


def test_a_remote_that_fails_one_request_in_ten_changes_no_byte(root, expected, tmp_path):
    with failing_remote(tmp_path / "remote", 0.1) as (address, counts):
        run(root, "dvc", "remote", "add", "--default", "carrier", address)
        run(root, "dvc", "remote", "modify", "carrier", "method", "PUT")
        commit(root)
        run(root, *COMMAND, "--clone", str(root))
    assert counts["failed"] > 10 and made(root) == expected


def test_workers_of_a_scheduler_that_somebody_started_make_the_same_bytes(root, expected, tmp_path):
    file, dask = tmp_path / "scheduler.json", (sys.executable, "-m", "dask.__main__")
    begin = {"cwd": root, "env": environment(root), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.ExitStack() as ends:
        for words in (
            ("scheduler", "--port", "0", "--dashboard-address", ":0"),
            ("worker", "--nthreads", "1", "--nworkers", "2"),
        ):
            process = subprocess.Popen([*dask, *words, "--scheduler-file", str(file)], **begin)
            ends.callback(process.wait)
            ends.callback(process.terminate)
        while not file.is_file():
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        with Client(address) as client:
            client.wait_for_workers(2, timeout=60)
        said = run(root, *DISTRIBUTE, "--scheduler", address)
    assert " s\n" in said and made(root) == expected


def test_a_killed_worker_costs_its_stage_alone(root, expected):
    process = start(root)
    workers = [
        one for one in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in str(one.cmdline())
    ]
    workers[-1].kill()
    process.stdout.read()
    assert process.wait() == 0 and made(root) == expected


def test_after_a_killed_head_only_what_is_missing_runs(root, expected):
    process = start(root)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while left_behind(root) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left_behind(root)
    (root / ".dvc/tmp/rwlock").write_text("")  # what a kill leaves in the moment in which dvc writes it
    said = run(root, *COMMAND)
    assert (
        not {"resolve_settings", "fetch_data", "split_data"} & {*re.findall(r"; (\w+)", said)}
        and made(root) == expected
    )


def test_a_failed_stage_stops_only_what_needs_it(root, expected):
    stage = root / "stages/train_dae.py"
    good = stage.read_text()
    stage.write_text(good.replace("def main() -> None:\n", 'def main() -> None:\n    raise SystemExit("no luck")\n', 1))
    said = run(root, *COMMAND, expected=2)
    assert "train_dae@minilm_l6-dae-0:\nno luck\n" in said
    assert "error: failed stages: 1, not run as they need one: " in said.splitlines()[-1]
    assert (root / "runs/predictions/minilm_l6-ft/0.parquet").is_file()
    stage.write_text(good)
    said = run(root, *COMMAND)
    assert "train_dae@" in said and "train_classifier_from_pretrained@" not in said
    assert made(root) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "dvc.yaml: Stage 'nothing' not found inside"),
        (["--workers", "0"], "--workers: got 0, expected at least 1"),
        (["--study", "other"], "STUDY= (--study): got 'other', expected a study's name; make studies"),
        (["--slurm", "missing.yaml"], "missing.yaml: no such file; expected a YAML file of parameters"),
        (["--scheduler", "tcp://127.0.0.1:9"], "--scheduler: got tcp://127.0.0.1:9, expected a scheduler of Dask that"),
        (["--workers", "99"], "shared.yaml: engine.threads: got 1 for each of 99 workers on "),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(root, arguments, message):
    said = run(root, *DISTRIBUTE, *arguments, expected=2)
    assert message in said.splitlines()[-1]


def test_what_two_studies_train_alike_is_trained_once(root, expected):
    other = root / "studies/other"
    other.mkdir(parents=True)
    (other / "params.yaml").write_text("base: bbc\nseeds: [0]\nvariants: [ft]\nbaselines: []\n")
    make_pipelines(root)
    said = run(root, *COMMAND, "--study", "bbc", "--study", "other")
    assert "other: summarize_cell@minilm_l6-ft" in said
    assert said.count("train_classifier_from_pretrained@minilm_l6-ft-0: ") == 1
    assert made(root) == expected
    result = "runs/predictions/minilm_l6-ft/0.parquet"
    assert (other / result).read_bytes() == expected[result]
    assert "Running stage" not in run(root, "dvc", "--cd", "studies/other", "repro")


def test_when_interrupted_it_says_so_at_once_and_leaves_no_process(root, expected):
    process = start(root)
    workers = psutil.Process(process.pid).children(recursive=True)
    for one in (psutil.Process(process.pid), *workers):  # as a terminal does, to all that it started
        one.send_signal(signal.SIGINT)
    # At once, while the workers end.
    assert process.stderr.readline() == STOPPING.decode() and process.poll() is None
    _, error = process.communicate(timeout=60)
    assert error == f"{STOPPED}\n"
    assert process.returncode == 130
    time.sleep(3)
    assert not left_behind(root)
    said = run(root, *COMMAND)
    assert "split_data" not in said and made(root) == expected


@pytest.mark.parametrize(("number", "send"), [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)])
def test_an_interrupted_training_saves_itself_and_goes_on_from_there(root, number, send):
    file, encoder = root / "threephase/phases/saves.py", "minilm_l6"
    code, names = file.read_text(), "NOTHING_BEFORE, SAVE_EVERY, STOP_WITHIN = "
    step = "        if self.stage is None or member is not self.members[-1]:\n"
    assert names + "60.0, 120.0" in code and step in code
    # An update takes longer than the signals' way to the worker.
    file.write_text(
        code.replace(f"{names}60.0, 120.0", f"{names}0.0, 4.0").replace(step, f"        time.sleep(0.5)\n{step}")
    )
    change(root, STUDY, {f"hyperparameters.{encoder}.epochs_dae": 3})
    target = f"train_dae@{encoder}-dae-0"
    process = start(root, target)
    while not (saves := list(root.glob("runs/unfinished/**/[1-9]-*.safetensors"))):
        assert process.poll() is None
        time.sleep(0.05)
    stopped_at, folder = time.time(), saves[0].parent
    send(process.pid, number)  # Ctrl-C goes to all that the terminal started
    _, error = process.communicate(timeout=30)
    assert error == f"{STOPPING.decode()}{STOPPED}\n"
    # The next one was not due for four seconds.
    assert any(stopped_at < save.stat().st_mtime < stopped_at + 3 for save in folder.glob("[1-9]-*.safetensors"))
    run(root, *COMMAND, target)
    report = root / f"runs/reports/{encoder}-dae/0-encoder.json"
    assert json.loads(report.read_text())["went_on_from_updates"]


def test_a_stage_has_the_environment_that_dvc_would_give_it(monkeypatch, tmp_path):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")  # as Dask sets it for its workers
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MKL_NUM_THREADS", "3")  # as a reader sets it
    importlib.import_module("distributed")  # as in a worker
    run_command("env > said", str(tmp_path), "stage", library_versions(), {})
    said = dict(line.split("=", 1) for line in (tmp_path / "said").read_text().splitlines() if "=" in line)
    assert "MALLOC_TRIM_THRESHOLD_" not in said and "OMP_NUM_THREADS" not in said
    assert said["MKL_NUM_THREADS"] == "3" and said["DVC_STAGE"] == "stage"


def test_what_a_stage_is_told_of_its_inputs_is_in_no_file_that_a_kill_would_leave(monkeypatch, tmp_path):
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    upstream = {"split": {"outs": [{"path": "runs/split", "md5": "0" * 32}]}}
    command = f'cat "${NOTED}" > said && ls -A temporary > listed'
    run_command(command, str(tmp_path), "stage", library_versions(), upstream)
    assert json.loads((tmp_path / "said").read_text()) == {"runs/split": "0" * 32}
    assert (tmp_path / "listed").read_text() == ""


def test_a_worker_with_other_packages_is_refused_in_one_line(tmp_path):
    versions = library_versions() | {"torch": "1.0"}
    with pytest.raises(CommandFailed, match=r"the worker on .*: got torch 2.*, expected torch 1.0: install require"):
        run_command("true", str(tmp_path), "stage", versions, {})


def test_a_remote_that_is_missing_is_said_at_once(root):
    said = run(root, *COMMAND, "--clone", str(root), expected=2)
    assert "no remote" in said.splitlines()[-1].lower()


def test_uncommitted_code_does_not_travel(root):
    file = root / "stages/train_dae.py"
    file.write_text(file.read_text() + "\n# An edit.\n")
    said = run(root, *COMMAND, "--clone", str(root), expected=2)
    assert "stages/train_dae.py, which is not committed, expected a commit" in said.splitlines()[-1]


def test_a_study_that_git_does_not_know_does_not_travel(root):
    (root / "data/mine.yaml").write_text("title: mine\n")
    said = run(root, *COMMAND, "--clone", str(root), expected=2)
    assert "data/mine.yaml, which is not committed" in said.splitlines()[-1]


def test_a_study_in_which_dvc_works_is_refused_and_dvc_goes_on(root):
    words, settings = ["dvc", "repro", "split_data@0"], root / "runs/settings"
    holder = subprocess.Popen(words, cwd=root, env=environment(root), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not settings.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    said = run(root, *COMMAND, expected=2)
    assert said.splitlines()[-1].startswith("error: dvc.yaml: got a lock that another process holds, ")
    assert holder.wait() == 0
