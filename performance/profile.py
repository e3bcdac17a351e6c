"""Where the time of an update goes on a CPU, ours and the peers' at their best: python -m performance.profile.

Milliseconds an update by kind of operation, as torch's profiler sees the operations' own time; the difference of a
work and a short one, as in the study. What no operation accounts for, "outside of torch", is Python, tokenizing,
the data loader and the profiler itself, which slows short operations: ``make bench`` says how fast a side is.
"""

import argparse
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import profile, record_function

from performance.bench import DESCRIBED, FOLDER, UPDATES, check_peers
from performance.measure import OURS, WARMUP_BATCHES, Task, make_side, prepare
from performance.peers import PEERS
from performance.process import last_line
from performance.work import PHASES, Work, inputs
from threephase.base.errors import UserError, run_stage
from threephase.base.files import write_table
from threephase.model import kernels
from threephase.model.machine import choose_machine
from threephase.results.tables import to_markdown
from threephase.study.read_params import load_shared

TRAININGS = tuple(phase for phase in PHASES if phase != "embedding")
DROPOUT, OPTIMIZER, OUTSIDE = "dropout", "optimizer", "outside of torch"
# A word that an operation's name contains, in the order in which they are tried.
KINDS = {
    "attention in one kernel": ("scaled_dot_product",),
    "products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"),
    DROPOUT: ("dropout", "bernoulli"),
    "normalization": ("layer_norm",),
    "activation": ("gelu", "relu", "threshold", "tanh"),
    "softmax": ("softmax",),
    "copies and casts": ("aten::copy_", "aten::cat", "aten::index", "aten::gather", "aten::clone"),
    "filling memory": ("aten::fill_", "aten::zero_"),
    "look-ups": ("embedding",),
}
REST = "other operations"
COLUMNS = [*KINDS, OPTIMIZER, REST, OUTSIDE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="snips2", help="a data set that a study has prepared")
    parser.add_argument("--phases", nargs="+", default=TRAININGS, choices=TRAININGS)
    parser.add_argument("--encoder", default="minilm_l6", help="an encoder that a study has fetched")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="without it what the probe chooses")
    parser.add_argument("--output", type=Path, default=FOLDER / "profile.csv")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        print(json.dumps(milliseconds(Task(**json.loads(arguments.task)))))
        return
    check_peers(arguments.phases)
    inputs(arguments.data, arguments.encoder)
    machine = choose_machine(load_shared().engine)
    if machine.device != "cpu":
        raise UserError(f"device: got {machine.device}, expected cpu, whose time this counts; hide the GPU")
    machine = dataclasses.replace(machine, precision=arguments.precision or machine.precision)
    rows = []
    for phase in arguments.phases:
        for side in (OURS, *PEERS[phase]):
            task = Task(phase, arguments.data, arguments.encoder, UPDATES, **vars(machine), side=side, setting="best")
            what = f"performance.profile of {side}, {phase}"
            found = json.loads(last_line("performance.profile", "--task", json.dumps(vars(task)), what=what))
            rows.append({**{name: getattr(task, name) for name in DESCRIBED}, "side": side} | found)
    table = pd.DataFrame(rows)
    write_table(arguments.output, table)
    print(to_markdown(table.round(1)))


def milliseconds(task: Task) -> dict[str, float]:
    """Milliseconds an update of the task, whole (``ms``) and by kind."""
    work, short, machine = prepare(task)
    kernels.kept = record_function(DROPOUT)(kernels.kept)
    side = make_side(task, work, machine)
    side(work.first(WARMUP_BATCHES * work.batch_size))
    before, after = (profiled(side, one) for one in (short, work))
    return {kind: (after[kind] - before[kind]) / task.batches for kind in ("ms", *COLUMNS)}


def profiled(side: Callable[[Work], object], work: Work) -> Counter:
    """Milliseconds of the work, whole (``ms``) and by kind."""
    with profile() as profiler:
        start = time.perf_counter()
        side(work)
        taken = Counter(ms=1e3 * (time.perf_counter() - start))
    for event in profiler.events():
        taken[kind_of(event)] += event.self_cpu_time_total / 1e3
    taken[OUTSIDE] = 2 * taken["ms"] - taken.total()
    return taken


def kind_of(event: FunctionEvent) -> str:
    """The kind that an operation's time counts to; all that the optimizer and dropout call counts to them."""
    names, caller = [event.name], event.cpu_parent
    while caller is not None:
        names.append(caller.name)
        caller = caller.cpu_parent
    if any(name.startswith("Optimizer.") for name in names):
        return OPTIMIZER
    if any(word in name for name in names for word in KINDS[DROPOUT]):
        return DROPOUT
    return next((kind for kind, words in KINDS.items() if any(word in event.name for word in words)), REST)


if __name__ == "__main__":
    run_stage(main)
