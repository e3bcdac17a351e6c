"""Several processes that train one model together, each with a GPU of its own or a share of the CPU's cores.

All do the same from the same seeds, but each computes the losses of its own rows of every batch; the sum of the
gradients is that of the whole batch, so that every process takes the step of one process alone, up to rounding and to
the draws of dropout, which each makes for its own rows. The first one writes the results. torchrun starts them
(torch.distributed.run).
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import distributed, nn

from stages.common import paths
from stages.common.errors import UserError


def is_started() -> bool:
    """Whether this process is one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def number() -> int:
    """This process among all, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def start(processes: int, device: str) -> None:
    """Run this stage in so many processes and leave with their status; raises UserError where that can't be.

    Each process says on standard error what the user can mend; where one ends in an error the others are ended.
    """
    most = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, processes)
    if processes > most:
        raise UserError(
            f"{paths.SHARED_PARAMS}: engine.processes: got {processes}, expected at most {most}, the number of GPUs "
            "here; lower it"
        )
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # torchrun would set this too, and warn of it; Run shares the cores out. That a process failed it says itself.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    module = sys.modules["__main__"].__spec__.name
    try:
        run(parse_args(["--standalone", f"--nproc-per-node={processes}", "--module", module, *sys.argv[1:]]))
    except ChildFailedError as error:
        process, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise UserError(
                f"{module}: process {process} of {processes} was ended by signal {-failure.exitcode}, expected it to "
                "finish; where memory was short, lower engine.processes or batch_size"
            ) from None
        raise SystemExit(failure.exitcode) from None
    raise SystemExit


def join(device: str) -> None:
    """Make this process, which ``start`` has started, one of them."""
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")


def end_all_but_first() -> None:
    """The end of a training: what is written is written once."""
    if count() == 1:
        return
    distributed.barrier()
    is_first = number() == 0
    distributed.destroy_process_group()
    if not is_first:
        raise SystemExit


def of_first(value: Any) -> Any:
    """What the first process found, in all: a decision that rounding must not make differently."""
    if count() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


def sum_gradients(parameters: Sequence[nn.Parameter], loss: float) -> float:
    """Sum the gradients of all processes into each one's, and return the sum of their losses.

    A process without rows in a batch has no gradients; what has none anywhere is left without.
    """
    if count() == 1:
        return loss
    kind = {"dtype": torch.float32, "device": parameters[0].device}
    present = torch.tensor([one.grad is not None for one in parameters] + [loss], **kind)
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    flat = torch.cat([present, *(one.flatten() for one in gradients)])
    distributed.all_reduce(flat)
    present, *sums = flat.split([len(present), *(one.numel() for one in gradients)])
    for parameter, found, total in zip(parameters, present[:-1].tolist(), sums, strict=True):
        parameter.grad = total.view_as(parameter) if found else None
    return present[-1].item()


def own_rows(rows: int) -> slice:
    """The rows of a batch that this process computes."""
    bounds = [rows * process // count() for process in (number(), number() + 1)]
    return slice(*bounds)
