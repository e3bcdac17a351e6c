"""In which order stages are looked at and sent, and what is told, without workers and without dvc."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from threephase.project import distribution
from threephase.project.distribution import Distribution, Task
from threephase.project.worker import CommandFailed, Result


class Books:
    """Of a study whose stages need no other; those that are ``stale`` are not up to date."""

    def __init__(self, name: str, *stale: str):
        self.folder, self.stale, self.cached = Path(name), stale, False

    def changed(self, stage: str) -> bool:
        return stage in self.stale

    def restored(self, stage: str) -> bool:
        return self.cached

    def runs_here(self, stage: str) -> bool:
        return False

    def signature(self, stage: str) -> str:
        return stage

    def keep(self, stage: str) -> None:
        pass

    def behind(self, stage: str) -> set[str]:
        return set()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def run(told, monkeypatch) -> Distribution:
    """Of one worker, which gets the tasks themselves."""
    monkeypatch.setattr(distribution, "_send", lambda client, task, clones: task)
    return Distribution([], client=None, workers=1, tell=told.append)


def add(run: Distribution, books: Books, **ways: float) -> list[Task]:
    tasks = [Task(books, stage, set(), way) for stage, way in ways.items()]
    run.tasks += tasks
    run.ready += tasks
    return tasks


def test_while_the_workers_are_busy_what_is_up_to_date_is_counted(run, told):
    add(run, Books("", "long", "last"), first=9.0, long=8.0, second=2.0, last=1.0)
    run._fill(lambda future: None)
    assert [task.stage for task in run.sent.values()] == ["long"] and not told
    while not told:
        run._look_or_wait()
    assert told == ["2 of 4 stages done, 1 running, 1 waiting, about 1 min left; up to date: 2"]


def test_what_two_studies_train_waits_for_the_first_and_then_comes_from_the_cache(run, told):
    (mine,), (other,) = add(run, Books("a", "same"), same=2.0), add(run, Books("b", "same"), same=1.0)
    run.workers = 2
    run._fill(lambda future: None)
    assert [*run.sent] == [mine] and not run.ready
    other.books.cached = True
    run._end(run.sent.pop(mine), SimpleNamespace(status="finished"), Result(1.0, []))
    run._fill(lambda future: None)
    assert run.done == 2 and told == ["1 of 2 stages done, 0 running, 1 waiting, about 1 min left; a: same: 1.0 s"]


def test_what_can_neither_be_looked_at_nor_sent_fails_alone(run, monkeypatch):
    (mine,), (other,) = add(run, Books("a", "same"), same=2.0), add(run, Books("b", "same"), same=1.0)
    (broken,) = add(run, Books("c"), broken=0.5)

    def fail(*_) -> None:
        raise CommandFailed("it failed")

    broken.books.changed = fail
    monkeypatch.setattr(distribution, "_send", lambda client, task, clones: fail() if task is mine else task)
    run._fill(lambda future: None)
    assert run.sent == {other: other}
    run._look_or_wait()
    assert run.failed == {"a: same": "it failed", "c: broken": "it failed"} and not run.ready
