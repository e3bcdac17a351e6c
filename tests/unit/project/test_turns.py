"""Two runs of one study take turns; those of different studies do not wait for each other."""

import os
import threading
from pathlib import Path

import pytest

from threephase.project.turns import PLACE, turn


def test_the_second_run_of_a_study_waits_for_the_first_and_names_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    default, other = Path(), Path("studies/other")
    order, began = [], threading.Event()

    def second() -> None:
        began.set()
        with turn([other, default, other]):
            order.append("second")

    with turn([default]):
        thread = threading.Thread(target=second)
        thread.start()
        began.wait()
        thread.join(0.2)
        assert thread.is_alive()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"waiting: process {os.getpid()} since ")
    assert line.endswith(" works in the default study; this one goes on when that ends")
    assert PLACE.read_text() == (other / PLACE).read_text() == ""


def test_who_does_not_wait_is_refused(tmp_path):
    with turn([tmp_path]), pytest.raises(BlockingIOError), turn([tmp_path], waits=False):
        pass


def test_another_study_does_not_wait(tmp_path, capsys):
    with turn([tmp_path / "one"]), turn([tmp_path / "other"]):
        assert capsys.readouterr().err == ""
