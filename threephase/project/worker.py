"""What a worker does: it runs one stage's command at a time.

All workers work in one checkout, on one machine or in a file system that machines share. Or each has a clone of its
own, and what a stage makes travels through dvc's remote.
"""

import contextlib
import dataclasses
import functools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from threephase.base import handed_over, lifetime, paths
from threephase.base.provenance import library_versions

if TYPE_CHECKING:
    from threephase.project.books import Books, Entry

LINES = 5  # of a failed command's output that are told
STOP_SECONDS = 10
KILLED = (-9, 137)

_running: set[subprocess.Popen] = set()  # the commands of this worker's stages, of which there is one at a time


class CommandFailed(Exception):
    """A stage's command that ended with another status than 0; the text says why, by the end of what it printed."""


@dataclass(frozen=True)
class Clones:
    """Whose workers share nothing with this machine but dvc's remote: each clones a revision of ``origin``."""

    origin: str
    revision: str


@dataclass(frozen=True)
class Result:
    """A stage that ran: its seconds and warnings.

    From a worker's clone also where the outputs are, and the run reports, which dvc does not keep.
    """

    seconds: float
    warnings: list[str]
    entry: "Entry | None" = None
    reports: dict[str, bytes] = field(default_factory=dict)


def run_command(
    command: str, folder: str, stage: str, versions: dict[str, str], upstream: Mapping[str, "Entry"]
) -> Result:
    """Run a stage's command in its study's folder, on a worker.

    ``versions``: of the libraries that it must have, as others give other last digits; ``upstream``: of the stages
    whose outputs it reads. Raises CommandFailed.
    """
    if other := {name: found for name, found in library_versions().items() if found != versions[name]}:
        expected = ", ".join(f"{name} {versions[name]}" for name in other)
        raise CommandFailed(
            f"the worker on {platform.node()}: got {', '.join(map(' '.join, other.items()))}, expected {expected}: "
            "install requirements.txt there"
        )
    environment = _without_dask(os.environ) | {"DVC_STAGE": stage, "DVC_ROOT": folder, lifetime.OWNER: str(os.getpid())}
    # The stage's python3 is this one, whose libraries are compared above.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    with tempfile.TemporaryFile("w+") as noted:  # it has no name, so that no kill can leave it behind
        json.dump({out["path"]: out["md5"] for entry in upstream.values() for out in entry["outs"]}, noted)
        noted.seek(0)
        environment[handed_over.NOTED] = "/dev/stdin"
        start = time.perf_counter()
        result = _run(command, folder, environment, noted)
        seconds = time.perf_counter() - start
    lines = result.stdout.strip().splitlines()
    if result.returncode:
        said = lines[-LINES:] or [f"ended with status {result.returncode}"]
        if result.returncode in KILLED:
            said.append("it was killed, perhaps for want of memory; fewer workers need less")
        raise CommandFailed("\n".join(said))
    return Result(seconds, [line for line in lines if line.startswith("warning:")])


def _run(command: str, folder: str, environment: dict[str, str], stdin: IO) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run``, for a command that ``stop_stage`` may end.

    In a group of its own, as a terminal sends Ctrl-C to the whole group of the command: a stage that is asked twice to
    stop does not save.
    """
    process = subprocess.Popen(
        command, shell=True, cwd=folder, env=environment, text=True, errors="replace", stdin=stdin,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0,
    )  # fmt: skip
    _running.add(process)
    try:
        said, _ = process.communicate()
    finally:
        _running.remove(process)
    return subprocess.CompletedProcess(command, process.returncode, said)


def stop_stage() -> None:
    """End this worker's stage within ten seconds; a training that has run for a minute saves itself first."""
    import psutil

    for process in list(_running):
        with contextlib.suppress(psutil.NoSuchProcess):
            shell = psutil.Process(process.pid)
            for stage in shell.children() or [shell]:  # some shells take the command's place, others end with it
                stage.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _without_dask(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what Dask sets for its workers, among it that memory is given back at once: half as fast a training."""
    import dask

    added = {"PYTHONHASHSEED": "6640"} | dask.config.get("distributed.nanny.pre-spawn-environ", {})
    return {name: value for name, value in environment.items() if name not in added or value != str(added[name])}


def run_in_clone(
    clones: Clones, study: Path, stage: str, upstream: dict[str, "Entry"], versions: dict[str, str]
) -> Result:
    """Run a stage in this worker's clone, from outputs in the remote to outputs in the remote. Raises CommandFailed."""
    books = _books_of_clone(clones, study)
    entry, began = books.stages[stage], time.time()
    for name, made in upstream.items():
        books.fetch(name, made)
    entry.remove_outs()
    result = run_command(entry.cmd, entry.wdir, stage, versions, upstream)
    books.keep(stage)
    books.push(stage)
    reports = [
        file for file in Path(entry.wdir, paths.RUNS, "reports").rglob("*.json") if file.stat().st_mtime >= began
    ]
    content = {str(file.relative_to(entry.wdir)): file.read_bytes() for file in reports}
    return dataclasses.replace(result, entry=books.entry(stage), reports=content)


@functools.cache
def _books_of_clone(clones: Clones, study: Path) -> "Books":
    """The books of a study in this process's clone, which is made on first use and kept while the worker lives."""
    from threephase.project.books import Books

    return Books(_clone(clones) / study, [], contextlib.ExitStack())


@functools.cache
def _clone(clones: Clones) -> Path:
    from distributed import get_worker

    folder = Path(tempfile.mkdtemp(prefix="study-", dir=get_worker().local_directory))  # which goes with the worker
    for words in (["clone", "--quiet", clones.origin, "."], ["checkout", "--quiet", clones.revision]):
        done = subprocess.run(["git", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise CommandFailed(f"--clone: got {clones.origin}, which can't be cloned: {done.stdout.strip()[-200:]}")
    return folder
