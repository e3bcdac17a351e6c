"""The stages of studies side by side: Dask's workers run the commands, this process keeps dvc's books.

All of them work in one checkout, on one machine or in a file system that machines share. Or each worker has a clone of
its own, and what a stage makes travels through dvc's remote.
"""

import contextlib
import functools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from threephase.base import lifetime, paths

if TYPE_CHECKING:
    from distributed import Client, Future

    from threephase.project.books import Books, Entry

LINES = 5  # of a failed command's output that are told
# Seconds of the default study's stages, which only order those that wait: the longest way to the end starts first.
SECONDS = {
    "train_joint": 20,
    "render_representations": 17,
    "train_dae": 15,
    "train_classifier": 8,
    "train_contrastive": 6,
}


class CommandFailed(Exception):
    """A stage's command that ended with another status than 0; the text is the end of what it printed."""


def run_command(command: str, folder: str, stage: str) -> float:
    """Run a stage's command in its study's folder, on a worker; returns its seconds. Raises CommandFailed."""
    environment = os.environ | {"DVC_STAGE": stage, "DVC_ROOT": folder, lifetime.OWNER: str(os.getpid())}
    start = time.perf_counter()
    result = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode:
        raise CommandFailed("\n".join(result.stdout.strip().splitlines()[-LINES:]))
    return time.perf_counter() - start


@dataclass(frozen=True)
class Clones:
    """Whose workers share nothing with this machine but dvc's remote: each clones a revision of ``origin``."""

    origin: str
    revision: str


@dataclass(frozen=True)
class Result:
    """What a worker's clone gives back: where the outputs are, and the run reports, which dvc does not keep."""

    seconds: float
    entry: "Entry"
    reports: dict[str, bytes]


def run_in_clone(clones: Clones, study: Path, stage: str, upstream: dict[str, "Entry"]) -> Result:
    """Run a stage in this worker's clone, from outputs in the remote to outputs in the remote. Raises CommandFailed."""
    books = _books_of_clone(clones, study)
    entry, began = books.stages[stage], time.time()
    for name, made in upstream.items():
        books.fetch(name, made)
    entry.remove_outs()
    seconds = run_command(entry.cmd, entry.wdir, stage)
    books.keep(stage)
    books.push(stage)
    reports = [
        file for file in Path(entry.wdir, paths.RUNS, "reports").rglob("*.json") if file.stat().st_mtime >= began
    ]
    return Result(
        seconds, books.entry(stage), {str(file.relative_to(entry.wdir)): file.read_bytes() for file in reports}
    )


@functools.cache
def _books_of_clone(clones: Clones, study: Path) -> "Books":
    """The books of a study in this process's clone, which is made on first use and kept while the worker lives."""
    from threephase.project.books import Books

    return Books(_clone(clones) / study, [], contextlib.ExitStack())


@functools.cache
def _clone(clones: Clones) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="study-"))
    subprocess.run(["git", "clone", "--quiet", clones.origin, str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "--quiet", clones.revision], check=True)
    return folder


@dataclass
class Progress:
    """How far the stages of some studies are; ``failed``: by study and stage what its command said."""

    total: int
    done: int = 0
    sent: dict["Future", tuple["Books", str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)

    def line(self, name: str, said: str) -> str:
        """One line for the terminal: how many stages are done, and what the last one said."""
        failed = f", {len(self.failed)} failed, {len(self.skipped)} skipped" if self.failed else ""
        return f"{self.done} of {self.total} stages done{failed}; {name}: {said}"

    def fail(self, books: "Books", stage: str, error: BaseException) -> str:
        """Note a stage that failed and those that need it; returns the line for the terminal."""
        self.failed[_name(books, stage)] = str(error)
        self.skipped |= {_name(books, other) for other in books.behind(stage)}
        return self.line(_name(books, stage), "failed")


def distribute(
    studies: Sequence[tuple[Path, Sequence[str]]],
    client: "Client",
    clones: Clones | None = None,
    tell: Callable[[str], object] = print,
) -> Progress:
    """Bring studies up to date, each given by its folder and targets (none: all); returns what was done.

    A stage that fails stops only what needs it. What dvc has in its cache is not run again, so that a second call does
    what the first one left. ``clones``: where the workers share no file system. Raises UserError where dvc refuses a
    study, for instance because another process holds it.
    """
    from distributed import as_completed

    from threephase.project.books import Books

    with contextlib.ExitStack() as ends:
        all_books = [Books(folder, targets, ends) for folder, targets in studies]
        progress = Progress(sum(len(books.stages) for books in all_books))
        waits = {(books, stage): books.needs(stage) for books in all_books for stage in books.stages}
        for books in all_books:
            ends.callback(books.write_lock)
        ready = [key for key, needs in waits.items() if not needs]
        # Each result is fetched as it comes: one that a dead worker holds would be computed again.
        ended = as_completed(with_results=True, raise_errors=False)

        def release(books: Books, stage: str) -> None:
            progress.done += 1
            for key, needs in waits.items():
                if key[0] is books and stage in needs:
                    needs.remove(stage)
                    ready.extend([key] * (not needs))

        while ready or progress.sent:
            while ready:
                books, stage = ready.pop(0)
                if not books.must_run(stage):
                    release(books, stage)
                elif clones and books.runs_here(stage):
                    # What resolves the settings also chooses the machine: all workers train by this one's choice.
                    try:
                        _take(books, stage, run_command(books.stages[stage].cmd, books.stages[stage].wdir, stage))
                        release(books, stage)
                    except CommandFailed as error:
                        tell(progress.fail(books, stage, error))
                else:
                    future = _send(client, books, stage, clones)
                    progress.sent[future] = books, stage
                    ended.add(future)
            if not progress.sent:
                break
            future, result = next(ended)
            books, stage = progress.sent.pop(future)
            if future.status == "finished":
                seconds = _take(books, stage, result)
                release(books, stage)
                tell(progress.line(_name(books, stage), f"{seconds:.1f} s"))
            else:
                tell(progress.fail(books, stage, result[1]))
    return progress


def _name(books: "Books", stage: str) -> str:
    """A stage as people read it: with its study, but for the default one."""
    return f"{books.folder.name}: {stage}" if books.folder.name else stage


def _send(client: "Client", books: "Books", stage: str, clones: Clones | None) -> "Future":
    entry = books.stages[stage]
    priority = sum(SECONDS.get(name.partition("@")[0], 1) for name in books.behind(stage))
    options = {"key": f"{books.folder}:{stage}:{time.time_ns()}", "pure": False, "priority": priority}
    if clones is None:
        return client.submit(run_command, entry.cmd, entry.wdir, stage, **options)
    upstream = {name: books.entry(name) for name in books.needs(stage)}
    for name in upstream:
        books.push(name)
    return client.submit(run_in_clone, clones, books.folder, stage, upstream, **options)


def _take(books: "Books", stage: str, result: float | Result) -> float:
    """Keep what a stage made, here or in a worker's clone; returns its seconds."""
    if isinstance(result, float):
        books.keep(stage)
        return result
    for name, content in result.reports.items():
        file = Path(books.folder, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    books.fetch(stage, result.entry)
    books.keep(stage)
    return result.seconds
