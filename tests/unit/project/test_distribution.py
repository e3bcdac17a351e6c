"""In which order stages are looked at and sent, and what is told, without workers and without dvc."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from threephase.project import distribution
from threephase.project.distribution import Distribution, Task
from threephase.project.worker import CommandFailed, Result


class Books:
    """Of a study whose stages need no other; those that ``changed`` must run."""

    def __init__(self, name: str, *changed: str):
        self.folder, self.changed = Path(name), changed

    def must_run(self, stage: str) -> bool:
        return stage in self.changed

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


def test_what_two_studies_train_waits_for_the_first_and_is_then_up_to_date(run, told):
    (mine,), (other,) = add(run, Books("a", "same"), same=2.0), add(run, Books("b", "same"), same=1.0)
    run._look(other)
    run._look(mine)
    assert run.stale == [other] and not run.ready
    run._fill(lambda future: None)
    mine.books.changed = ()  # what the first makes is in dvc's cache
    run._end(run.sent.pop(other), SimpleNamespace(status="finished"), Result(1.0, []))
    run._fill(lambda future: None)
    assert run.done == 2 and told == ["1 of 2 stages done, 0 running, 1 waiting, about 1 min left; b: same: 1.0 s"]


def test_what_waits_for_another_study_goes_on_where_that_could_not_be_sent(run, monkeypatch):
    (mine,), (other,) = add(run, Books("a", "same"), same=2.0), add(run, Books("b", "same"), same=1.0)

    def send(client, task: Task, clones) -> Task:
        if task is mine:
            raise CommandFailed("the remote failed")
        return task

    monkeypatch.setattr(distribution, "_send", send)
    run._look(mine)
    run._look(other)
    run._fill(lambda future: None)
    assert run.failed == {"a: same": "the remote failed"} and run.sent == {other: other}
