"""Dask's workers for ``commands.distribute``: processes of this machine, which may share its GPUs, or jobs of Slurm."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# Read when Dask is imported, here and in the workers: a worker that ends is told by what it costs, not by Dask's log,
# and three of them may end under a stage before it counts as failed.
os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
os.environ.setdefault("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "3")

import psutil

from threephase.base.errors import UserError, first_line
from threephase.study.schema import read_yaml

if TYPE_CHECKING:
    from distributed.deploy import Cluster

MEMORY = 2.5e9  # bytes that a machine must have for each worker, if nobody says how many there are
ANY_PORT = {"dashboard_address": ":0"}


def workers_here(threads: int) -> int:
    """How many stages of so many ``threads`` this machine's cores and memory allow at once, at least one."""
    cores = os.cpu_count() or 1
    return max(1, min(cores // threads, int(psutil.virtual_memory().total // MEMORY)))


def visible_gpus() -> list[str]:
    """This machine's GPUs, as CUDA_VISIBLE_DEVICES names them, which may leave some out."""
    here = [device.name.removeprefix("nvidia") for device in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return here if named is None or not here else [name for name in named.split(",") if name]


@contextlib.contextmanager
def on_this_machine(workers: int, gpus: Sequence[str] = ()) -> Iterator[tuple["Cluster", int]]:
    """So many workers, which share so many GPUs in turn; yields the cluster and their number."""
    from distributed import Nanny, Scheduler, SpecCluster

    environments = [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {} for number in range(workers)]
    specs = {
        number: {"cls": Nanny, "options": {"nthreads": 1, "env": environment}}
        for number, environment in enumerate(environments)
    }
    # A terminal sends Ctrl-C to all processes; this one ends the workers itself.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with SpecCluster(specs, {"cls": Scheduler, "options": ANY_PORT}) as cluster:
        signal.signal(signal.SIGINT, handler)
        yield cluster, workers


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
    start = [f"cd {checkout}", f"export PYTHONPATH={checkout}:$PYTHONPATH"]
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
        cluster.adapt(minimum=workers, maximum=workers)
        yield cluster, workers
