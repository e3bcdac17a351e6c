"""Device and precision: chosen once, kept, and chosen anew where machine or parameters changed."""

import json
import math
import os

import pytest
import torch

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.model import machine
from threephase.model.machine import autocast, bf16_speedup, choose_machine, cores_here, set_up
from threephase.study.params import Engine
from threephase.study.settings import Machine


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A place of its own for the kept choice, a short probe, and torch's settings as they were."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "PROBE_SECONDS", 0.02)
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def wish(precision: str = "auto", device: str = "cpu", speedup: float = 1.5, threads: int | str = "auto") -> Engine:
    return Engine(device=device, precision=precision, bf16_min_speedup=speedup, threads=threads)


def kept() -> dict:
    return json.loads(paths.ENGINE_CHOICE.read_text())


def keep(change) -> None:
    """Change the kept choice."""
    content = kept()
    change(content)
    paths.ENGINE_CHOICE.write_text(json.dumps(content))


def test_bf16_is_chosen_where_it_is_faster_by_the_factor_asked_for():
    assert choose_machine(wish(speedup=1e-9)).precision == "bf16"
    assert choose_machine(wish(speedup=1e9)).precision == "fp32"
    assert kept()["bf16_speedup"] > 0


def test_the_probe_gives_a_positive_factor():
    factor = bf16_speedup("cpu")
    assert factor > 0 and math.isfinite(factor)


def test_the_probe_runs_no_product_before_cublas_is_told_to_be_deterministic(monkeypatch):
    """torch reads this at the first product on a GPU: set later, the first process there would refuse to train."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    told = []

    def probe(_: str) -> float:
        told.append(os.environ.get("CUBLAS_WORKSPACE_CONFIG"))
        return 1.0

    monkeypatch.setattr(machine, "bf16_speedup", probe)
    choose_machine(wish())
    assert told == [":4096:8"]


def test_the_choice_is_kept_and_used_again():
    slow = wish(speedup=1e9)
    first = choose_machine(slow)
    # A new probe would find fp32 again, so bf16 can only come from the kept file.
    keep(lambda content: content.update(precision="bf16"))
    assert choose_machine(slow) == Machine(first.device, "bf16", first.threads)


def test_the_number_of_threads_is_the_users_and_asks_for_no_new_probe():
    choose_machine(wish("fp32"))
    keep(lambda content: content.update(precision="kept"))
    assert choose_machine(wish("fp32", threads=7)) == Machine("cpu", "kept", 7)
    assert choose_machine(wish("fp32")).threads == cores_here()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["asked"]["hardware"].update(cpu="another"),
        lambda content: content["asked"]["hardware"].update(cores=999),
        lambda content: content["asked"]["hardware"].update(gpus=["another"]),
        lambda content: content["asked"].update(torch="0.1"),
        lambda content: content["asked"]["wish"].update(bf16_min_speedup=3.0),
        lambda content: content.pop("precision"),
    ],
)
def test_the_choice_is_made_anew_where_something_changed(change):
    first = choose_machine(wish("fp32"))
    asked = kept()["asked"]
    keep(lambda content: content.update(precision="kept"))
    assert choose_machine(wish("fp32")).precision == "kept"
    keep(change)
    assert choose_machine(wish("fp32")) == first
    assert kept()["asked"] == asked and kept()["precision"] == "fp32"


def test_a_process_on_fewer_cores_keeps_the_choice_and_takes_fewer_threads(monkeypatch):
    choose_machine(wish("fp32"))
    keep(lambda content: content.update(precision="kept"))
    with monkeypatch.context() as pinned:
        pinned.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
        assert choose_machine(wish("fp32")) == Machine("cpu", "kept", 1)
    # A container with the time of one core.
    monkeypatch.setattr("dask.system.LINUX", True)
    monkeypatch.setattr("dask.system._try_extract_cgroup_cpu_quota", lambda: (100_000, 100_000))
    assert choose_machine(wish("fp32")) == Machine("cpu", "kept", 1)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_an_unreadable_choice_is_made_anew(content):
    paths.ENGINE_CHOICE.write_text(content)
    assert choose_machine(wish("fp32")).precision == "fp32"
    assert kept()["precision"] == "fp32"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_forced_precision_is_honoured_without_a_probe(precision):
    choose_machine(wish(speedup=1e9 if precision == "bf16" else 1e-9))
    machine = choose_machine(wish(precision))
    assert (machine.device, machine.precision) == ("cpu", precision)
    assert kept()["bf16_speedup"] is None


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(UserError, match="shared.yaml: engine.device: got 'cuda', which this machine"):
        choose_machine(wish("fp32", device="cuda"))
    assert not paths.ENGINE_CHOICE.exists()


def test_auto_takes_a_device_that_is_there():
    device = choose_machine(wish("fp32", device="auto")).device
    assert torch.ones(2, device=device).sum().item() == 2
    assert device == "cuda" or not torch.cuda.is_available()


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_precision_is_that_of_the_forward_pass(precision, dtype):
    layer = torch.nn.Linear(4, 4)
    with autocast(Machine("cpu", precision, 1)):
        assert layer(torch.ones(1, 4)).dtype == dtype
    assert layer.weight.dtype == torch.float32


def test_set_up_sets_threads_and_deterministic_kernels():
    set_up(Machine("cpu", "fp32", 3))
    assert torch.get_num_threads() == 3
    assert torch.are_deterministic_algorithms_enabled()
