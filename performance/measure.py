"""One measurement in a process of its own: python -m performance.measure '<JSON of a task>' prints one line of JSON.

The throughput is that of a long training: examples by seconds, both as the difference of a longer work and a short one.
What a side does batch by batch counts, tokenizing and batching included; what it does once a training, for so many
updates or more, does not: set-up, reading the encoder, and of phase 2 our tokenizing, which is that of all rows.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

from performance.limit import RecordedProducts, seconds_of_products
from performance.ours import Ours
from performance.peers import make_peer
from performance.work import Work, make_work
from threephase.base.errors import UserError, run_stage
from threephase.base.provenance import peak_memory_mb
from threephase.study.settings import Machine

# Batches: of the work that warms up, and at most of the short one. Ours are cut from stretches of eight.
WARMUP_BATCHES, SHORT_BATCHES = 4, 8
ATTEMPTS = 3
# Rows a batch, and limit in tokens.
LONG, SHORT = {"imdb": (16, 256)}, (32, 128)
OURS, LIMIT = "ours", "limit"
# With this argument a process stays, says that it is ready, and measures once for every line that it is given.
ASKED, READY = "--asked", "ready"


@dataclass(frozen=True)
class Task:
    """What to measure: ``batches`` counted ones of a phase on prepared data by a side, on a device.

    ``side``: ours, limit (the bare products of ours), or a peer of ``performance.peers`` in one of its settings.
    """

    phase: str
    data: str
    encoder: str
    batches: int
    device: str
    precision: str
    threads: int
    side: str = OURS
    setting: str = ""


def main() -> None:
    measured = measurement(Task(**json.loads(sys.argv[1])))
    if ASKED not in sys.argv:
        print(json.dumps(measured()))
        return
    print(READY, flush=True)
    for _ in sys.stdin:
        print(json.dumps(measured()), flush=True)


def measurement(task: Task) -> Callable[[], dict[str, float]]:
    """A function that measures the task's side, which is set up and warm: ``examples_per_s`` and ``peak_mb``."""
    machine = Machine(task.device, task.precision, task.threads)
    torch.set_num_threads(machine.threads)
    short_batches = min(SHORT_BATCHES, task.batches)
    batches = short_batches + task.batches
    work = make_work(task.phase, task.data, task.encoder, *LONG.get(task.data, SHORT), batches)
    short = work.first(short_batches * work.batch_size)
    ours = task.side in (OURS, LIMIT)
    side = Ours(work, machine) if ours else make_peer(task.side, task.setting, work, machine)
    synchronize = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(machine.device, lambda: None)

    def seconds_of(given: Work) -> float:
        if task.side == LIMIT:
            with RecordedProducts() as recorded:
                side(given)
            return seconds_of_products(recorded.products, synchronize)
        synchronize()
        start = perf_counter()
        side(given)
        synchronize()
        return perf_counter() - start

    def measured() -> dict[str, float]:
        rate = throughput(seconds_of, short, work)
        # On a CPU the process's largest resident memory, imports included; on a GPU what torch allocated there.
        peak = torch.cuda.max_memory_allocated() / 1e6 if machine.device == "cuda" else peak_memory_mb()
        return {"examples_per_s": rate, "peak_mb": peak}

    side(work.first(WARMUP_BATCHES * work.batch_size))
    return measured


def throughput(seconds_of: Callable[[Work], float], short: Work, work: Work) -> float:
    """Examples a second of what ``work`` has beyond ``short``.

    Measured again where the longer took no longer, as a busy machine makes it; then UserError.
    """
    for _ in range(ATTEMPTS):
        seconds_short, seconds = seconds_of(short), seconds_of(work)
        if seconds > seconds_short:
            return (work.examples - short.examples) / (seconds - seconds_short)
    raise UserError(
        f"{work.examples} examples: got {seconds:.2f} s, expected more than the {seconds_short:.2f} s of "
        f"{short.examples}; the machine is too busy, or raise --updates"
    )


if __name__ == "__main__":
    run_stage(main)
