"""How many workers a machine is given, and when jobs of Slurm count as ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from threephase.base.errors import UserError
from threephase.project import clusters


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process to cores")
def test_a_process_that_is_pinned_to_a_core_has_one_worker(all_cores):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    assert (clusters.cores_here(), clusters.workers_here(1)) == (1, 1)


def test_memory_that_a_process_may_not_use_has_no_workers(all_cores):
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_RSS, (3 * 10**9,) * 2); "
        "from threephase.project.clusters import memory_here, workers_here; print(memory_here(), workers_here(1))"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said == "3000000000 1\n"


def test_workers_of_this_machine_listen_to_no_other_one():
    with clusters.on_this_machine(1):
        here = psutil.Process()
        listening = [
            connection.laddr.ip
            for process in (here, *here.children(recursive=True))
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
    assert listening and set(listening) == {"127.0.0.1"}


def test_ctrl_c_while_workers_start_reaches_none_of_them_and_is_not_lost():
    program = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('lives')"
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), clusters._deaf_children():
        os.kill(os.getpid(), signal.SIGINT)
        child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert child.stdout == "lives\n"
    assert signal.getsignal(signal.SIGINT) is before


# What squeue says of the jobs, call by call: status, standard output, standard error.
BUSY = (1, "", "slurm_load_jobs error: Socket timed out on send/recv operation")
FORGOTTEN = (1, "", "slurm_load_jobs error: Invalid job id specified")
PENDING, ENDED = (0, "7", ""), (0, "", "")


@pytest.mark.parametrize("last", [ENDED, FORGOTTEN])
def test_jobs_have_ended_only_where_slurm_says_so(tmp_path, monkeypatch, last):
    answers = [BUSY, PENDING, BUSY, last]
    for number, (status, output, error) in enumerate(answers):
        (tmp_path / f"{number}.sh").write_text(f"echo '{output}'; echo '{error}' >&2; exit {status}\n")
    squeue = tmp_path / "squeue"
    squeue.write_text(f'#!/bin/sh\ncd {tmp_path}; echo "$@" >> calls; . ./$(($(wc -l < calls) - 1)).sh\n')
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(clusters, "POLL_SECONDS", 0)
    cluster = SimpleNamespace(scheduler_info={"workers": {}}, workers={0: SimpleNamespace(job_id="7")})
    with pytest.raises(UserError, match=r"slurm.yaml: got 1 jobs that ended before a worker connected"):
        clusters._wait_for_a_worker(cluster, Path("slurm.yaml"))
    assert (tmp_path / "calls").read_text().splitlines() == ["--noheader --format=%i --jobs=7"] * len(answers)
