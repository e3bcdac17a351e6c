"""Dask's workers for ``commands.distribute``: processes of this machine, jobs of Slurm, or those of a scheduler."""

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING

from threephase.base.errors import UserError, first_line
from threephase.model.machine import cores_here
from threephase.study.schema import read_yaml

if TYPE_CHECKING:
    from distributed.deploy import Cluster

# Read when Dask is imported, here and in the workers. A worker that ends is told by what it costs, not by Dask's log,
# and three of them may end under a stage before it counts as failed. Dask would look a hundred times a second at what
# a worker does, which is always to wait for a stage. Its logs of tasks are for its developers, and grow with each one.
for name, value in {
    "LOGGING__DISTRIBUTED": "critical",
    "DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3",
    "DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DISTRIBUTED__ADMIN__LOG_LENGTH": "10",
    "DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "10",
    "DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
}.items():
    os.environ.setdefault(f"DASK_{name}", value)

MEMORY = 2.5e9  # bytes that a machine must have for each worker, if nobody says how many there are
HOST = "127.0.0.1"  # workers of this machine are of no use to another one, and need no network
POLL_SECONDS, CONNECT_SECONDS, STARTS = 2.0, 10, 3


def workers_here(threads: int) -> int:
    """How many stages of so many ``threads`` this machine's cores and memory allow at once, at least one."""
    return max(1, min(cores_here() // threads, int(memory_here() // MEMORY)))


def memory_here() -> int:
    """Bytes that this process may use, of which a container or Slurm may leave out some."""
    from distributed.system import memory_limit

    return memory_limit()


def visible_gpus() -> list[str]:
    """This machine's GPUs, as CUDA_VISIBLE_DEVICES names them, which may leave some out."""
    here = [device.name.removeprefix("nvidia") for device in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return here if named is None or not here else [name for name in named.split(",") if name]


@contextlib.contextmanager
def on_this_machine(workers: int, gpus: Sequence[str] = ()) -> Iterator[tuple["Cluster", int]]:
    """So many workers, which share so many GPUs in turn; yields the cluster and their number."""
    from distributed import Nanny

    environments = [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {} for number in range(workers)]
    # Without a limit Dask does not look ten times a second at the memory of a process that only waits for a stage's.
    specs = {
        number: {"cls": Nanny, "options": {"nthreads": 1, "memory_limit": None, "env": environment, "host": HOST}}
        for number, environment in enumerate(environments)
    }
    with contextlib.ExitStack() as ends:
        with _deaf_children():
            cluster = ends.enter_context(_started(specs))
        yield cluster, workers


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """What is started here never hears of Ctrl-C, which a terminal sends to all; this process hears of it at the end.

    It ends the workers itself. Children and threads have the signals blocked that are blocked where they start.
    """
    resource_tracker.ensure_running()  # its start would let the signals through again
    pressed = threading.Event()
    handler = signal.signal(signal.SIGINT, lambda *_: pressed.set())
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if pressed.is_set():
        raise KeyboardInterrupt


def _started(specs: dict) -> "Cluster":
    """The cluster, whose start is tried again where a worker dies in it; UserError where none starts."""
    from distributed import Scheduler, SpecCluster

    for _ in range(STARTS):
        try:
            options = {"host": HOST, "dashboard_address": f"{HOST}:0"}
            return SpecCluster(specs, {"cls": Scheduler, "options": options})
        except RuntimeError as error:
            said = first_line(error.__cause__ or error)
    raise UserError(f"--workers: got {len(specs)} workers that died at their start, expected them to live: {said}")


@contextlib.contextmanager
def on_slurm(profile: Path, checkout: Path) -> Iterator[tuple["Cluster", int]]:
    """Jobs of Slurm that work in ``checkout``, as a YAML file says (docs/scale.md).

    A job whose worker leaves is started again. Raises UserError where the profile or Slurm itself refuses such a job,
    before one is sent.
    """
    from dask_jobqueue import SLURMCluster

    values = read_yaml(profile)
    workers = values.pop("workers", 1)
    if not (isinstance(workers, int) and workers > 0):
        raise UserError(f"{profile}: workers: got {workers!r}, expected a whole number of at least 1")
    folder = shlex.quote(str(checkout))
    start = [f"cd {folder}", f"export PYTHONPATH={folder}:$PYTHONPATH"]
    # A worker runs one stage at a time, on all cores of its job.
    values["worker_extra_args"] = [*values.get("worker_extra_args", []), "--nthreads", "1"]
    values["job_script_prologue"] = [*values.get("job_script_prologue", []), *start]
    with contextlib.ExitStack() as ends:
        try:
            cluster = ends.enter_context(SLURMCluster(**values))
            script = cluster.job_script()
            subprocess.run(["sbatch", "--test-only"], input=script, text=True, capture_output=True, check=True)
        except subprocess.CalledProcessError as error:
            said = " ".join(error.stderr.split()) or f"status {error.returncode}"
            raise UserError(f"{profile}: sbatch refuses such a job: {said}") from None
        except FileNotFoundError:
            raise UserError(f"{profile}: got no sbatch on this machine, expected Slurm; or use --workers") from None
        except (ValueError, TypeError, RuntimeError, OSError) as error:
            raise UserError(f"{profile}: {first_line(error)}") from None
        print("Slurm takes such jobs; squeue shows them, and the first stage waits for the first of them", flush=True)
        cluster.scale(workers)
        _wait_for_a_worker(cluster, profile)
        cluster.adapt(minimum=workers, maximum=workers)
        yield cluster, workers


def _wait_for_a_worker(cluster: "Cluster", profile: Path) -> None:
    """Wait while a job waits or runs, for days if need be; UserError where all have ended and no worker connected."""
    while not cluster.scheduler_info["workers"]:
        time.sleep(POLL_SECONDS)
        jobs = [job.job_id for job in cluster.workers.values() if job.job_id]
        known = subprocess.run(
            ["squeue", "--noheader", "--format=%i", f"--jobs={','.join(jobs)}"], capture_output=True, text=True
        )
        # Slurm forgets a job soon after its end, and then refuses to list it; another failure says nothing of the jobs.
        ended = not known.stdout.split() if known.returncode == 0 else "Invalid job id" in known.stderr
        if jobs and ended and not cluster.scheduler_info["workers"]:
            raise UserError(
                f"{profile}: got {len(jobs)} jobs that ended before a worker connected, expected workers; the jobs' "
                "logs say why (log_directory, else slurm-*.out here)"
            )


@contextlib.contextmanager
def of_scheduler(address: str) -> Iterator[tuple[str, int]]:
    """The workers that somebody started for a scheduler of Dask; UserError where it is out of reach or has none."""
    from distributed import Client

    try:
        with Client(address, timeout=CONNECT_SECONDS) as client:
            workers = len(client.scheduler_info(n_workers=-1)["workers"])
    except (OSError, ValueError) as error:
        raise UserError(
            f"--scheduler: got {address}, expected a scheduler of Dask that answers: {first_line(error)}"
        ) from None
    if not workers:
        raise UserError(
            f"--scheduler: got {address} without workers, expected some: dask worker --nthreads 1 {address}"
        )
    yield address, workers
