"""One measurement in a process of its own: python -m performance.measure '<JSON>' prints one line of JSON.

Counted is the training from texts in memory to the last update, tokenization included; imports, reading the encoder
and a few updates to warm up are not. Embedding counts from texts to vectors.
"""

import json
import sys
import time

from stages.common.provenance import peak_memory_mb

WARMUP_UPDATES, RECORDED_UPDATES = 4, 8


def main() -> None:
    task = json.loads(sys.argv[1])

    import torch

    from performance.ours import Ours
    from performance.peers import make_peer
    from performance.work import make_work
    from stages.common.engine.machine import Machine

    machine = Machine(task["device"], task["precision"], task["threads"])
    torch.set_num_threads(machine.threads)
    synchronize = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(machine.device, lambda: None)
    keys = ("phase", "data", "encoder", "batch_size", "max_length", "updates")
    work = make_work(**{key: task[key] for key in keys})
    batch = work.batch_size
    if task["side"] == "limit":
        print(json.dumps({"examples_per_s": _limit(Ours(work, machine), work, synchronize)}))
        return
    side = Ours(work, machine) if task["side"] == "ours" else make_peer(*task["peer"], work, machine)
    side(work.first(WARMUP_UPDATES * batch))
    synchronize()
    start = time.perf_counter()
    side(work)
    synchronize()
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / 1e6 if machine.device == "cuda" else peak_memory_mb()
    print(json.dumps({"examples_per_s": work.examples / seconds, "peak_mb": peak}))


def _limit(ours, work, synchronize) -> float:
    """Examples a second if nothing but the matrix products of our updates took time."""
    from performance.limit import RecordedProducts, seconds_of

    recorded = RecordedProducts()
    some = work.first(RECORDED_UPDATES * work.batch_size)
    ours(some)
    with recorded:
        ours(some)
    return some.examples / seconds_of(recorded.products, synchronize)


if __name__ == "__main__":
    main()
