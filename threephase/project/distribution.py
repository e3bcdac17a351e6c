"""The stages of studies side by side: Dask's workers run the commands, this process keeps dvc's books."""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threephase.base.errors import UserError
from threephase.base.provenance import library_versions
from threephase.project.worker import Clones, CommandFailed, Result, run_command, run_in_clone, stop_stage
from threephase.study import topology

if TYPE_CHECKING:
    from distributed import Client, Future

    from threephase.project.books import Books

# Seconds of the default study's stages, by the start of their names; another one takes about one. They only order those
# that wait: the longest way to the end starts first.
SECONDS = {
    "train_joint": 20,
    "render_representations": 17,
    "train_dae": 15,
    "train_classifier": 8,
    "train_contrastive": 6,
    "train_method": 6,
    "train_baselines_on_embeddings": 6,
}
TRAININGS = (topology.DENOISE, topology.JOINT_TRAINING, topology.CONTRAST, topology.METHOD, topology.CLASSIFY)
POLL_SECONDS = 0.02
STOPPING = b"stopping, in at most ten seconds: what has trained for over a minute saves itself\n"


@dataclass(eq=False)
class Task:
    """A stage of a study; ``waits_for``: the stages of the same study that must be made before it.

    ``way``: the seconds from its start to the end of the study, if nothing waits for a worker. ``stale``: known to be
    no longer up to date. ``signature``: once it is sent, what the same stage of another study has too.
    """

    books: "Books"
    stage: str
    waits_for: set[str]
    way: float
    stale: bool = False
    signature: str = ""

    @property
    def name(self) -> str:
        """As people read it: with its study, but for the default one."""
        return f"{self.books.folder.name}: {self.stage}" if self.books.folder.name else self.stage

    @property
    def program(self) -> str:
        """The phase of a training, whatever variant it is of; of another stage its name."""
        name = self.stage.partition("@")[0]
        return next((phase for phase in TRAININGS if name.startswith(phase)), name)


class Distribution:
    """Brings studies up to date, each given by its folder and targets (none: all).

    A stage that fails stops only what needs it. What dvc has in its cache is not run again, so that a second call does
    what the first one left. ``clones``: where the workers share no file system. ``failed`` has what the commands of
    failed stages said, by name, ``skipped`` the stages that need them. Raises UserError where dvc refuses a study, for
    instance because another process holds it. ``workers``: how many stages run at once.
    """

    def __init__(
        self,
        studies: Sequence[tuple[Path, Sequence[str]]],
        client: "Client",
        workers: int,
        clones: Clones | None = None,
        tell: Callable[[str], object] = print,
    ):
        self.studies, self.client, self.workers, self.clones, self.tell = studies, client, workers, clones, tell
        self.done, self.failed, self.skipped = 0, {}, set()
        self.up_to_date = 0  # of those done, what has not run and no line has told yet
        self.tasks: list[Task] = []
        self.ready: list[Task] = []
        self.sent: dict[Future, Task] = {}
        self.alike: dict[str, list[Task]] = {}  # of other studies, which wait for the one with their signature
        self.seconds: dict[str, list[float]] = {}  # of the stages that ran, by program

    def run(self) -> None:
        from distributed import as_completed

        from threephase.project.books import Books

        with contextlib.ExitStack() as ends:
            for folder, targets in self.studies:
                books = Books(folder, targets, ends)
                if self.clones:
                    books.check_remote()
                self.tasks += tasks_of(books)
                ends.callback(books.write_lock)
            self.ready = [task for task in self.tasks if not task.waits_for]
            # Each result is fetched as it comes: one that a dead worker holds would be computed again.
            ended = as_completed(with_results=True, raise_errors=False)
            stop_if_interrupted = ends.enter_context(interruptible())
            ends.push(self._stop_stages)
            while self.ready or self.sent:
                stop_if_interrupted()
                self._fill(ended.add)
                while self.sent and not ended.has_ready():
                    self._look_or_wait()
                    stop_if_interrupted()
                if self.sent:
                    future, result = next(ended)
                    task = self.sent.pop(future)
                    self._fill(ended.add)  # its worker goes on while this process keeps what it made
                    self._end(task, future, result)

    def _stop_stages(self, error: type[BaseException] | None, *_: object) -> None:
        """Behind Ctrl-C or an error each worker's training saves itself; a scheduler may have workers of others too."""
        if error is None:
            return
        sent = {future.key for future in self.sent}
        with contextlib.suppress(Exception):  # a scheduler that is gone; what is told is the first error
            ours = [worker for worker, keys in self.client.processing().items() if sent.intersection(keys)]
            self.client.run(stop_stage, workers=ours, on_error="ignore")

    def _fill(self, add: Callable[["Future"], object]) -> None:
        """Send the workers that have nothing to do what is ready, the longest way to the end first.

        One stage a worker: a worker that dies takes no other stage with it.
        """
        while self.ready and len(self.sent) < self.workers:
            task = max(self.ready, key=lambda task: task.way)
            self.ready.remove(task)
            with self._failing(task):
                self._begin(task, add)

    def _look_or_wait(self) -> None:
        """While all workers are busy: a second call counts what is up to date before its first training ends."""
        task = next((task for task in self.ready if not task.stale), None)
        if task:
            self.ready.remove(task)
            with self._failing(task):
                if task.books.changed(task.stage):
                    task.stale = True
                    self.ready.append(task)
                else:
                    self.up_to_date += 1
                    self._release(task)
        elif self.up_to_date:
            self._tell(f"up to date: {self.up_to_date}")
            self.up_to_date = 0
        else:
            time.sleep(POLL_SECONDS)

    @contextlib.contextmanager
    def _failing(self, task: Task) -> Iterator[None]:
        """What fails for one stage stops only what needs it."""
        from threephase.project.books import StudyHeld

        try:
            yield
        except StudyHeld:
            raise
        except (CommandFailed, UserError) as error:
            self.failed[task.name] = str(error)
            self.skipped |= {(task.books, stage) for stage in task.books.behind(task.stage)}
            self._tell(f"{task.name}: failed")

    def _begin(self, task: Task, add: Callable[["Future"], object]) -> None:
        """Send a stage to the workers if it must run there, else make it."""
        books, stage = task.books, task.stage
        if not (task.stale or books.changed(stage)) or books.restored(stage):
            self.up_to_date += 1
            self._release(task)
        elif books.runs_here(stage):
            # What resolves the settings also chooses the machine: all workers train by this one's choice.
            entry = books.stages[stage]
            self._keep(task, run_command(entry.cmd, entry.wdir, stage, library_versions(), {}))
            books.write_lock()  # dvc's cache does not know it: without its entry it would run again after a kill
        elif (signature := books.signature(stage)) in self.alike:
            self.alike[signature].append(task)
        else:
            future = _send(self.client, task, self.clones)
            self.sent[future], self.alike[signature], task.signature = task, [], signature
            add(future)

    def _end(self, task: Task, future: "Future", result: Any) -> None:
        """Keep what a worker made, or note that it failed."""
        self.ready += self.alike.pop(task.signature)
        with self._failing(task):
            if future.status != "finished":
                raise CommandFailed(str(result[1]))
            self._keep(task, result)

    def _keep(self, task: Task, result: Result) -> None:
        _take(task.books, task.stage, result)
        self.seconds.setdefault(task.program, []).append(result.seconds)
        self._release(task)
        self._tell(f"{task.name}: {result.seconds:.1f} s")
        for warning in result.warnings:
            self.tell(warning)

    def _release(self, task: Task) -> None:
        """Note a stage that is made; what waited for it alone is ready."""
        self.done += 1
        for other in self.tasks:
            if other.books is task.books and task.stage in other.waits_for:
                other.waits_for.remove(task.stage)
                self.ready += [] if other.waits_for else [other]

    def _tell(self, said: str) -> None:
        """One line: how many stages are done, running, waiting and failed, the time left, and what there is to say."""
        waiting = len(self.tasks) - self.done - len(self.sent) - len(self.failed) - len(self.skipped)
        failed = f", {len(self.failed)} failed, {len(self.skipped)} skipped" if self.failed else ""
        counts = f"{self.done} of {len(self.tasks)} stages done, {len(self.sent)} running, {waiting} waiting{failed}"
        seconds = self._seconds_left()
        left = "" if seconds is None else f", about {math.ceil(seconds / 60)} min left"
        self.tell(f"{counts}{left}; {said}")

    def _seconds_left(self) -> float | None:
        """What the stages that are left take by the mean of those that ran, spread over the workers.

        None before a training of each phase that is left has run: on other data it may take a hundred times as long.
        """
        left = [task for task in self.tasks if task.waits_for] + self.ready + list(self.sent.values())
        if any(task.program in TRAININGS and task.program not in self.seconds for task in left):
            return None
        work = sum(
            sum(ran) / len(ran) if (ran := self.seconds.get(task.program)) else seconds_of(task.stage)
            for task in left
            if (task.books, task.stage) not in self.skipped
        )
        return work / self.workers


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Yields what raises KeyboardInterrupt once Ctrl-C was pressed, or SIGTERM sent: where nothing swallows it."""
    pressed = threading.Event()

    def press(*_: object) -> None:
        first = not pressed.is_set()
        pressed.set()
        with contextlib.suppress(OSError):  # of a terminal that is gone
            os.write(2, STOPPING * first)  # print may be what the signal interrupts, and can't be called within itself

    def check() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def seconds_of(stage: str) -> float:
    """About what a stage takes."""
    return next((seconds for start, seconds in SECONDS.items() if stage.startswith(start)), 1.0)


def tasks_of(books: "Books") -> list[Task]:
    """All stages of a study, in dvc's order, each after those that it needs."""
    needs = {stage: books.needs(stage) for stage in books.stages}
    ways = dict.fromkeys(needs, 0.0)
    for stage in reversed(needs):
        ways[stage] += seconds_of(stage)
        for earlier in needs[stage]:
            ways[earlier] = max(ways[earlier], ways[stage])
    return [Task(books, stage, needs[stage], ways[stage]) for stage in needs]


def _send(client: "Client", task: Task, clones: Clones | None) -> "Future":
    books, stage = task.books, task.stage
    entry, versions = books.stages[stage], library_versions()
    # Dask keeps statistics of each kind of task for ever: its kind is what stands before the hyphen.
    options = {"key": f"stage-{books.folder}:{stage}:{time.time_ns()}", "pure": False}
    upstream = {name: books.entry(name) for name in books.needs(stage)}
    if clones is None:
        return client.submit(run_command, entry.cmd, entry.wdir, stage, versions, upstream, **options)
    for name in upstream:
        books.push(name)
    return client.submit(run_in_clone, clones, books.folder, stage, upstream, versions, **options)


def _take(books: "Books", stage: str, result: Result) -> None:
    """Keep what a stage made, here or in a worker's clone."""
    for name, content in result.reports.items():
        file = Path(books.folder, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    if result.entry:
        books.fetch(stage, result.entry)
    books.keep(stage)
