"""One measurement in a process of its own: python -m performance.measure '<JSON>' prints one line of JSON.

The throughput is that of a long training: examples by seconds, both as the difference of a longer work and a short one.
Tokenizing and batching count with what they take of each; what a side does once a training, reading the encoder and
imports do not.
"""

import json
import sys
import time
from collections.abc import Callable

import torch

from performance.limit import RecordedProducts, seconds_of_products
from performance.ours import Ours
from performance.peers import make_peer
from performance.work import Work, make_work
from stages.common.engine.machine import Machine
from stages.common.errors import UserError, run_stage
from stages.common.provenance import peak_memory_mb

# Batches: of the work that warms up, and at most of the short one. Ours are cut from stretches of eight.
WARMUP_BATCHES, SHORT_BATCHES = 4, 8


def main() -> None:
    task = json.loads(sys.argv[1])
    machine = Machine(task["device"], task["precision"], task["threads"])
    torch.set_num_threads(machine.threads)
    synchronize = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(machine.device, lambda: None)
    short_batches = min(SHORT_BATCHES, task["batches"])
    keys = ("phase", "data", "encoder", "batch_size", "max_length")
    work = make_work(**{key: task[key] for key in keys}, batches=short_batches + task["batches"])
    short = work.first(short_batches * work.batch_size)
    if task["side"] == "limit":
        ours = Ours(work, machine)

        def seconds_at_least(given: Work) -> float:
            with RecordedProducts() as recorded:
                ours(given)
            return seconds_of_products(recorded.products, synchronize)

        print(json.dumps({"examples_per_s": throughput(seconds_at_least, short, work)}))
        return
    side = Ours(work, machine) if task["side"] == "ours" else make_peer(*task["peer"], work, machine)

    def seconds_of(given: Work) -> float:
        synchronize()
        start = time.perf_counter()
        side(given)
        synchronize()
        return time.perf_counter() - start

    seconds_of(work.first(WARMUP_BATCHES * work.batch_size))
    found = throughput(seconds_of, short, work)
    peak = torch.cuda.max_memory_allocated() / 1e6 if machine.device == "cuda" else peak_memory_mb()
    print(json.dumps({"examples_per_s": found, "peak_mb": peak}))


def throughput(seconds_of: Callable[[Work], float], short: Work, work: Work) -> float:
    """Examples a second of what ``work`` has beyond ``short``; UserError where the longer took no longer."""
    seconds_short, seconds = seconds_of(short), seconds_of(work)
    if seconds <= seconds_short:
        raise UserError(
            f"{work.examples} examples: got {seconds:.2f} s, expected more than the {seconds_short:.2f} s of "
            f"{short.examples}; the machine is too busy, or raise --updates"
        )
    return (work.examples - short.examples) / (seconds - seconds_short)


if __name__ == "__main__":
    run_stage(main)
