"""Device, precision and threads: chosen once for a machine, kept in ``.engine.json``, part of a training's settings."""

import contextlib
import importlib.metadata
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import write_json
from threephase.base.provenance import cpu_model
from threephase.study.params import Engine
from threephase.study.settings import Machine

PROBE_ROWS, PROBE_SIZE, PROBE_SECONDS, PROBES = 512, 384, 0.1, 5


def set_up(machine: Machine) -> None:
    """Set threads, and deterministic kernels so that the same seed gives the same bytes."""
    import torch

    if not _is_available(machine.device):
        raise UserError(
            f"device: got {machine.device!r} in the settings, which this machine or this build of torch lacks; "
            "expected one that is there; resolve the settings for this machine: make repro"
        )
    torch.set_num_threads(machine.threads)
    # Memory in pages of 2 MB where the system offers them: a page of 4 KB costs a fault at its first use.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same as use_deterministic_algorithms(True), which also imports torch's compiler: a second a process.
    torch.set_deterministic_debug_mode("error")
    # Filling every new tensor is for finding reads of uninitialised memory; it only costs time here.
    torch.utils.deterministic.fill_uninitialized_memory = False


def autocast(machine: Machine) -> contextlib.AbstractContextManager:
    """The context for forward passes: bf16 where the machine's precision is that, else nothing."""
    import torch

    if machine.precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(machine.device, torch.bfloat16)


def cores_here() -> int:
    """Those that this process may use, of which a container, Slurm or taskset may leave out some."""
    from dask.system import cpu_count

    return cpu_count()


def choose_machine(wish: Engine) -> Machine:
    """The kept choice for this machine and these parameters, or a new one after a one-second probe.

    A choice that is kept is found without torch, whose import takes seconds.
    """
    # Device and precision are the machine's, whatever a process is pinned to.
    threads = cores_here() if wish.threads == "auto" else wish.threads
    gpus = sorted(file.name for file in Path("/dev").glob("nvidia[0-9]*"))  # without asking torch
    asked = {
        "hardware": {"cpu": cpu_model(), "gpus": gpus, "cores": os.cpu_count()},
        "wish": {"device": wish.device, "precision": wish.precision, "bf16_min_speedup": wish.bf16_min_speedup},
        "torch": importlib.metadata.version("torch"),
    }
    for kept in _kept_choices():
        with contextlib.suppress(KeyError, TypeError):  # of a file that another program wrote
            if kept["asked"] == asked:
                return Machine(kept["device"], kept["precision"], threads)
    devices = ("cuda", "mps", "cpu") if wish.device == "auto" else (wish.device,)
    device = next(filter(_is_available, devices), None)
    if device is None:
        raise UserError(
            f"{paths.SHARED_PARAMS}: engine.device: got {wish.device!r}, which this machine or this build of torch "
            "lacks; expected 'auto' or a device that is there"
        )
    speedup, precision = None, wish.precision
    if precision == "auto":
        # Before the probe: cuBLAS reads whether it has to be deterministic at a process's first product.
        set_up(Machine(device, "fp32", threads))
        speedup = bf16_speedup(device)
        precision = "bf16" if speedup >= wish.bf16_min_speedup else "fp32"
    choice = {"asked": asked, "device": device, "precision": precision, "bf16_speedup": speedup}
    write_json(paths.ENGINE_CHOICE, choice)
    return Machine(device, precision, threads)


def _kept_choices() -> Iterator[Any]:
    """What was chosen here, or in the checkout that holds this one: dvc runs experiments in copies below it.

    A probe on cores that other trainings use could choose otherwise, and all trainings would run again.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        with contextlib.suppress(OSError, ValueError):
            yield json.loads((folder / paths.ENGINE_CHOICE).read_text(encoding="utf-8"))


def _is_available(device: str) -> bool:
    if device == "cpu":
        return True
    import torch

    return (torch.cuda if device == "cuda" else torch.backends.mps).is_available()


def bf16_speedup(device: str) -> float:
    """How many times faster a linear layer's forward and backward pass is under bf16 autocast than in fp32.

    By turns, and of each the fastest: another program on the same cores slows single bursts, not the machine.
    """
    import torch

    layer = torch.nn.Linear(PROBE_SIZE, 4 * PROBE_SIZE, device=device)
    inputs = torch.ones(PROBE_ROWS, PROBE_SIZE, device=device)

    def steps_in(seconds: float, enabled: bool) -> float:
        steps, start = -1, time.perf_counter()
        while steps < 1 or time.perf_counter() - start < seconds:
            with torch.autocast(device, torch.bfloat16, enabled=enabled):
                total = layer(inputs).float().sum()
            total.backward()
            total.item()
            steps += 1
            if steps == 0:  # the first step sets things up and is not counted
                start = time.perf_counter()
        return steps / (time.perf_counter() - start)

    pairs = [(steps_in(PROBE_SECONDS, True), steps_in(PROBE_SECONDS, False)) for _ in range(PROBES)]
    return max(bf16 for bf16, _ in pairs) / max(fp32 for _, fp32 in pairs)


def gpu_name() -> str | None:
    """The GPU's name; None where there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
