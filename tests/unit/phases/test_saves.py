"""Saves of trainings: when they are written, which are used, and what a stop does."""

import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch
from test_optimization import layer, optimization_of, take_step

from threephase.base.errors import UserError
from threephase.base.files import sha256_of
from threephase.phases import saves
from threephase.phases.consecutive import consecutive
from threephase.phases.optimization import Optimization
from threephase.phases.saves import StageSaves


@pytest.fixture
def files(tmp_path):
    files = [tmp_path / "settings.json", tmp_path / "data.csv"]
    for file in files:
        file.write_text(file.name)
    return files


@pytest.fixture
def new_process(tmp_path, files, monkeypatch):
    """Begins a stage as a new process does; what is saved is saved behind each update."""
    monkeypatch.setattr(saves, "NOTHING_BEFORE", 0.0)
    monkeypatch.setattr(saves, "SAVE_EVERY", 0.0)
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}

    def begin() -> StageSaves:
        stage = StageSaves(tmp_path / "unfinished", lambda: list(files))
        saves.use(stage)
        return stage

    yield begin
    saves.use(None)
    for number, handler in kept.items():
        signal.signal(number, handler)


def train(steps: int, total: int = 6, weight: float = 1.0):
    """So many steps of a training of one weight; where it went on, the weight of the start does not matter."""
    module = layer(weight)
    optimization = optimization_of(module, total=total)
    for step in range(steps):
        take_step(optimization, module(torch.full((1, 1), step + 1.0)).square().sum())
    return module.weight.item(), optimization


def test_it_goes_on_where_it_was_saved(new_process, tmp_path):
    expected, whole = train(6)
    new_process()
    train(4)
    stage = new_process()
    weight, optimization = train(6, weight=7.0)
    assert weight == expected and optimization.history_table().equals(whole.history_table())
    assert stage.went_on_from == [4] and stage.seconds > 0
    stage.end()
    assert not (tmp_path / "unfinished").exists()


@pytest.mark.parametrize("changed", [0, 1], ids=["settings", "inputs"])
def test_a_save_of_other_settings_or_inputs_is_not_used(new_process, files, changed):
    new_process()
    train(4)
    files[changed].write_text("other")
    stage = new_process()
    assert train(6, weight=7.0)[0] == train_undisturbed(7.0) and stage.went_on_from == []


def test_a_save_of_what_was_read_between_two_trainings_is_not_used_either(new_process, files, tmp_path):
    def both() -> list[float]:
        first, _ = train(6)
        files.append(tmp_path / "rows.csv")
        second, _ = train(6)
        files.pop()
        return [first, second]

    (tmp_path / "rows.csv").write_text("rows")
    new_process()
    expected = both()
    (tmp_path / "rows.csv").write_text("other rows")
    stage = new_process()
    assert both() == expected and stage.went_on_from == [6]


def test_a_save_is_of_the_inputs_that_its_training_began_with(new_process, files):
    new_process()
    module = layer()
    optimization = optimization_of(module, total=6)
    files[1].write_text("other")
    take_step(optimization, module(torch.ones(1, 1)).sum())
    stage = new_process()
    train(1)
    assert stage.went_on_from == []


def test_where_an_input_was_touched_nothing_is_saved_and_it_is_said_once(new_process, files, tmp_path, capsys):
    new_process()
    module = layer()
    optimization = optimization_of(module, total=6)
    files[1].touch()
    for _ in range(3):
        take_step(optimization, module(torch.ones(1, 1)).sum())
    assert not (tmp_path / "unfinished").exists()
    said = f"warning: {files[1]}: changed since this training read it; the training goes on, but can't be saved\n"
    assert capsys.readouterr().err == said


def test_a_save_of_unknown_inputs_is_used_for_no_training(new_process, tmp_path):
    stage = new_process()
    (tmp_path / "unfinished").mkdir()
    saves.write({"valid_for": None}, written := tmp_path / "unfinished/new")
    written.rename(tmp_path / f"unfinished/1-4-{sha256_of(written)}.safetensors")
    assert stage.newest(SimpleNamespace(number=1, valid_for=None)) is None


def test_a_training_that_ends_before_its_save_is_refused(new_process):
    new_process()
    train(4)
    new_process()
    _, optimization = train(3)
    with pytest.raises(UserError, match="got a save behind update 4 of a training that ended behind 3; remove this"):
        optimization.end()


def test_a_training_within_another_is_refused(new_process):
    new_process()
    train(3)
    with pytest.raises(UserError, match="got a training that begins before another one has ended"):
        train(3)


def test_the_seconds_of_two_trainings_are_those_of_both_wherever_they_were_stopped(new_process, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    step = Optimization.step
    monkeypatch.setattr(Optimization, "step", lambda self: now.append(now.pop() + 1.0) or step(self))

    def both(steps: int = 6) -> float:
        first, second = train(6)[1], train(steps)[1]
        return consecutive(first, second).progress.seconds

    assert both() == 12.0
    new_process()
    both(4)
    new_process()
    assert both() == 12.0


def train_undisturbed(weight: float) -> float:
    saves.use(None)
    return train(6, weight=weight)[0]


def test_of_a_damaged_save_the_one_before_is_used_and_said(new_process, tmp_path, capsys):
    new_process()
    train(4)
    newest, before = sorted((tmp_path / "unfinished").iterdir(), reverse=True)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    stage = new_process()
    assert train(6)[0] == train_undisturbed(1.0)
    assert stage.went_on_from == [3] and before.name.startswith("1-3-")
    assert (
        f"warning: {newest}: got other bytes than were saved; an older save is used, or none\n"
        in capsys.readouterr().err
    )


def test_an_ended_training_is_not_trained_again_and_a_second_goes_on(new_process, tmp_path):
    new_process()
    first, _ = train(6)
    train(2)
    assert [file.name[:4] for file in sorted((tmp_path / "unfinished").iterdir())] == ["1-6-", "2-1-", "2-2-"]
    stage = new_process()
    assert train(6, weight=7.0)[0] == first
    assert train(6, weight=7.0)[0] == train_undisturbed(1.0)
    assert stage.went_on_from == [6, 2]


def test_of_a_training_that_stopped_early_the_best_weights_and_looks_are_kept(new_process):
    def stopped(steps: int = 3) -> tuple[float, list[int]]:
        module, computed = layer(), []
        optimization = optimization_of(module, total=6)
        for step in range(steps):
            take_step(optimization, module(torch.ones(1, 1)).sum())
            score = optimization.look(lambda step=step: computed.append(step) or [0.1, 0.9, 0.2][step])
            if score == 0.9:
                optimization.keep_best()
        optimization.end()
        return module.weight.item(), computed

    weight, computed = stopped()
    assert computed == [0, 1, 2]
    new_process()
    stopped()
    stage = new_process()
    assert stopped() == (weight, []) and stage.went_on_from == [3]


def test_trainings_in_turns_are_saved_together(new_process):
    def in_turns(steps: int, weight: float = 1.0) -> list[float]:
        modules = [layer(weight), layer(weight)]
        first = optimization_of(modules[0], total=4)
        second = optimization_of(modules[1], total=4, beside=first)
        for step in range(steps):
            for module, optimization in zip(modules, (first, second), strict=True):
                take_step(optimization, module(torch.full((1, 1), step + 1.0)).square().sum())
        return [module.weight.item() for module in modules]

    expected = in_turns(4)
    new_process()
    in_turns(2)
    stage = new_process()
    assert in_turns(4, weight=7.0) == expected and stage.went_on_from == [2]


def test_nothing_is_saved_within_the_first_minute_and_then_every_two(new_process, tmp_path, monkeypatch):
    for name in ("NOTHING_BEFORE", "SAVE_EVERY"):
        monkeypatch.setattr(saves, name, {"NOTHING_BEFORE": 60.0, "SAVE_EVERY": 120.0}[name])
    clock = iter([1000.0, 1059.0, 1059.0, 1061.0, 1061.0, 1119.0, 1119.0, 1120.0, 1120.0])
    monkeypatch.setattr(saves.time, "monotonic", lambda: next(clock))
    stage = StageSaves(tmp_path, list)
    due = [(stage.is_due(ended=False), stage.is_due(ended=True)) for _ in range(4)]
    assert due == [(False, False), (False, True), (False, True), (True, True)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_waits_for_the_update_and_saves(new_process, number):
    new_process()
    module = layer()
    optimization = optimization_of(module, total=6)
    os.kill(os.getpid(), number)
    with pytest.raises(KeyboardInterrupt):
        take_step(optimization, module(torch.ones(1, 1)).sum())
    stage = new_process()
    train(6)
    assert stage.went_on_from == [1]


def test_a_stop_does_not_wait_for_long(new_process, monkeypatch):
    monkeypatch.setattr(saves, "STOP_WITHIN", 0.2)
    new_process()
    train(1)
    os.kill(os.getpid(), signal.SIGTERM)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        time.sleep(5)
    assert time.monotonic() - start < 4


def test_a_stop_where_no_training_runs_is_at_once_and_leaves_the_saves(new_process, tmp_path):
    stage = new_process()
    train(6)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    stage.asked_to_stop = True
    with pytest.raises(KeyboardInterrupt):
        stage.end()
    assert len(list((tmp_path / "unfinished").iterdir())) == 1


def test_a_disk_that_is_full_ends_no_training(new_process, tmp_path, capsys):
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished/1.safetensors").mkdir()  # no file can take its name
    new_process()
    assert train(6)[0] == train_undisturbed(1.0)
    assert "the training goes on, but could not be saved" in capsys.readouterr().err
