"""Device, precision and threads: chosen once for a machine, kept in ``.engine.json``, recorded in every run."""

import contextlib
import dataclasses
import json
import os
import time
from dataclasses import dataclass

import torch

from stages.common import paths
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.provenance import cpu_model
from stages.common.settings import Engine

PROBE_ROWS, PROBE_SIZE, PROBE_SECONDS = 512, 384, 0.5


@dataclass(frozen=True)
class Machine:
    """What trainings run on: ``device`` cpu, cuda or mps; ``precision`` fp32 or bf16 (autocast); CPU threads."""

    device: str
    precision: str
    threads: int

    def set_up(self) -> None:
        """Set threads, and deterministic kernels so that the same seed gives the same bytes."""
        torch.set_num_threads(self.threads)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # The same as use_deterministic_algorithms(True), which also imports torch's compiler: a second a process.
        torch.set_deterministic_debug_mode("error")
        # Filling every new tensor is for finding reads of uninitialised memory; it only costs time here.
        torch.utils.deterministic.fill_uninitialized_memory = False

    def autocast(self) -> contextlib.AbstractContextManager:
        """The context for forward passes."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device, torch.bfloat16)


def choose_machine(wish: Engine) -> Machine:
    """The kept choice for this machine and these parameters, or a new one after a one-second probe."""
    hardware = {
        "cpu": cpu_model(),
        "gpu": gpu_name(),
        "cores": os.cpu_count(),
    }
    # Of this process, not of the machine: one that is pinned to fewer cores must not choose anew for all.
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # How many processes share a batch decides neither device nor precision.
    wishes = {name: value for name, value in dataclasses.asdict(wish).items() if name != "processes"}
    asked = {"hardware": hardware, "wish": wishes, "torch": torch.__version__}
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        kept = json.loads(paths.ENGINE_CHOICE.read_text(encoding="utf-8"))
        if kept["asked"] == asked:
            return Machine(kept["device"], kept["precision"], threads)
    device = _available_device() if wish.device == "auto" else wish.device
    if not _is_available(device):
        raise UserError(
            f"{paths.SHARED_PARAMS}: engine.device: got {device!r}, which this machine or this build of torch lacks; "
            "expected 'auto' or a device that is there"
        )
    speedup = None
    precision = wish.precision
    if precision == "auto":
        torch.set_num_threads(threads)
        speedup = bf16_speedup(device)
        precision = "bf16" if speedup >= wish.bf16_min_speedup else "fp32"
    choice = {"asked": asked, "device": device, "precision": precision, "bf16_speedup": speedup}
    write_json(paths.ENGINE_CHOICE, choice)
    return Machine(device, precision, threads)


def _available_device() -> str:
    return next(device for device in ("cuda", "mps", "cpu") if _is_available(device))


def _is_available(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_available()
    return device == "cpu" or torch.backends.mps.is_available()


def bf16_speedup(device: str) -> float:
    """How many times faster a linear layer's forward and backward pass is under bf16 autocast than in fp32."""
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

    return steps_in(PROBE_SECONDS, True) / steps_in(PROBE_SECONDS, False)


def gpu_name() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
