"""A study by jobs of Slurm gives what ``dvc repro`` gives, byte by byte. Slurm runs here, on one node, for the test.

It needs Slurm and munge, so that it is a step of its own: ``make slurm-test``.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed_project import DISTRIBUTE, copy, made, make_study
from tiny_project import run

# Debian keeps the daemons where only root looks for programs.
PROGRAMS = {
    name: shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    for name in ("munged", "slurmctld", "slurmd", "sbatch")
}
MISSING = [name for name, program in PROGRAMS.items() if program is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: tests/acceptance/slurm/set_up")
PROFILE = """\
workers: 2
cores: 1
processes: 1
memory: 2GB
walltime: "00:10:00"
local_directory: {folder}/workers
log_directory: {folder}/jobs
"""
SECONDS_TO_START = 60


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """A cluster of one node, of this user and until the tests end: the variables by which programs find it."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, contextlib.ExitStack() as ends:
        folder, variables = Path(name), {"SLURM_CONF": f"{name}/slurm.conf"}
        folder.chmod(0o755)  # munge refuses a socket that others can't reach
        for kept in ("state", "spool"):
            (folder / kept).mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        host = socket.gethostname().partition(".")[0]
        values = {"host": host, "user": getpass.getuser(), "folder": folder, "controller": free_port()}
        configuration = Path(__file__).with_name("slurm.conf").read_text(encoding="utf-8")
        (folder / "slurm.conf").write_text(configuration.format(**values, node=free_port()), encoding="utf-8")
        files = {"key-file": "munge.key", "socket": "munge.socket"}
        files |= {f"{kind}-file": f"munge.{kind}" for kind in ("pid", "log", "seed")}
        for program, *arguments in (
            ("munged", "--foreground", *(f"--{option}={folder / file}" for option, file in files.items())),
            ("slurmctld", "-D"),
            ("slurmd", "-D"),
        ):
            with (folder / f"{program}.out").open("w") as out:
                daemon = subprocess.Popen(
                    [PROGRAMS[program], *arguments], env=os.environ | variables, stdout=out, stderr=subprocess.STDOUT
                )
            ends.callback(daemon.wait)
            ends.callback(daemon.terminate)
        wait_for_the_node(folder, variables)
        yield variables


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def wait_for_the_node(folder: Path, variables: dict[str, str]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        asked = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], env=os.environ | variables, capture_output=True, text=True
        )
        if asked.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    logs = [file.read_text(encoding="utf-8", errors="replace")[-1000:] for file in folder.glob("*.out")]
    raise AssertionError("\n".join(["Slurm did not start", *logs]))


def test_jobs_of_slurm_make_the_same_bytes_and_leave_nothing_to_do(slurm, tmp_path):
    root = make_study(tmp_path / "distributed" / "project")
    expected = copy(root, tmp_path / "expected")
    run(expected, "dvc", "repro")
    profile = tmp_path / "slurm.yaml"
    profile.write_text(PROFILE.format(folder=tmp_path), encoding="utf-8")

    said = run(root, *DISTRIBUTE, "--slurm", str(profile), **slurm)

    stages = said.count(" s\n")
    assert stages and f"{stages} of {stages} stages done" in said
    assert len(list((tmp_path / "jobs").glob("*.out"))) == 2
    assert made(root) == made(expected)
    assert "up to date" in run(root, "dvc", "status")
    assert "Running stage" not in run(root, "dvc", "repro")
    assert run(root, "squeue", "--noheader", **slurm) == ""


def test_jobs_that_end_before_a_worker_connects_are_said_at_once(slurm, tmp_path):
    root, profile = make_study(tmp_path / "project"), tmp_path / "slurm.yaml"
    profile.write_text(PROFILE.format(folder=tmp_path) + "job_script_prologue: [exit 3]\n", encoding="utf-8")
    said = run(root, *DISTRIBUTE, "--slurm", str(profile), expected=2, **slurm)
    assert "got 2 jobs that ended before a worker connected, expected workers" in said.splitlines()[-1]
