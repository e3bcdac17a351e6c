"""How long the paper takes on so many workers: its whole graph of stages, the longest way first.

Nothing is trained. A training takes what the plan estimates (paper/params.yaml) and the start of its process; another
stage takes what it took in the default study on two cores.
"""

import argparse
import heapq
from collections.abc import Mapping, Sequence
from pathlib import Path

import networkx
import pandas as pd

from performance.bench import positive
from threephase.base.errors import run_stage
from threephase.base.files import with_part, write_text
from threephase.paper.cost_model import Cost, total
from threephase.paper.numbers import Reproduction, read_numbers
from threephase.paper.plan import Stage, kind_of, stage_costs, stage_graph
from threephase.project.distribution import seconds_of
from threephase.results.tables import to_markdown
from threephase.study.read_params import load_paper, load_shared, load_studies
from threephase.study.topology import BASELINE_STAGES

PAGE, COMMAND = Path("docs/scale.md"), "python -m performance.scaling --write"
START = 5.0  # seconds until a training's process has imported torch and read its texts and encoder
TIMES = ["device", "workers", "hours", "efficiency", "workers busy", "what limits"]
LONGEST = ["device", "study", "stage of the longest way", "hours"]
OVERHEAD, WORKERS = 0.2, (1, 8, 64, 512)


def paper_graph(work: Reproduction) -> tuple[networkx.DiGraph, dict[Stage, Cost]]:
    """All studies that are compared with the paper: edges lead from a stage to those that need it; trainings' costs."""
    graph, costs = networkx.DiGraph(), {}
    for name, study in work.studies.items():
        if study.params.reproduces_paper:
            own = stage_graph(study).reverse()
            costs |= {(name, stage): cost for stage, cost in stage_costs(work, study, set(own)).items()}
            graph.update(networkx.relabel_nodes(own, {stage: (name, stage) for stage in own}))
    return graph, costs


def longest_ways(graph: networkx.DiGraph, seconds: Mapping[Stage, float]) -> dict[Stage, float]:
    """By stage the seconds from its start to the end of all that needs it, if nothing waits for a worker."""
    ways = {}
    for stage in reversed(list(networkx.topological_sort(graph))):
        ways[stage] = seconds[stage] + max((ways[after] for after in graph.successors(stage)), default=0)
    return ways


def critical_path(graph: networkx.DiGraph, ways: Mapping[Stage, float]) -> list[Stage]:
    """The stages of the longest way, in order."""
    path, ahead = [], list(graph)
    while ahead:
        path.append(max(ahead, key=ways.__getitem__))
        ahead = list(graph.successors(path[-1]))
    return path


def simulate(graph: networkx.DiGraph, seconds: Mapping[Stage, float], workers: int, overhead: float) -> float:
    """Seconds until ``workers`` have run all stages, the longest way first.

    The head takes ``overhead`` seconds for each stage that has ended, in turn, before what needs it starts.
    """
    ways, waits = longest_ways(graph, seconds), dict(graph.in_degree())
    ready = sorted((-ways[stage], stage) for stage, needs in waits.items() if not needs)
    events: list[tuple[float, bool, Stage]] = []  # when, whether the head has noted the stage's end, the stage
    now, head_free, idle = 0.0, 0.0, workers
    while ready or events:
        while ready and idle:
            stage = heapq.heappop(ready)[1]
            heapq.heappush(events, (now + seconds[stage], False, stage))
            idle -= 1
        now, noted, stage = heapq.heappop(events)
        if not noted:
            idle += 1
            head_free = max(head_free, now) + overhead
            heapq.heappush(events, (head_free, True, stage))
        for after in graph.successors(stage) if noted else ():
            waits[after] -= 1
            if not waits[after]:
                heapq.heappush(ready, (-ways[after], after))
    return now


def time_of(work: Reproduction, stage: Stage, cost: Cost | None, device: str) -> float:
    """What a stage takes on a worker."""
    kind = kind_of(work.studies[stage[0]], stage[1])
    if kind in BASELINE_STAGES or cost is None:
        return seconds_of(stage[1])
    return START + float(cost.gpu_minutes * 60 if device == "gpu" else cost.cpu_hours * 3600)


def report(work: Reproduction, workers: Sequence[int], overhead: float) -> str:
    """The time on so many workers of each device, the longest way's hours, and what the encoders take on disk."""
    graph, costs = paper_graph(work)
    times, path = [], []
    for device in work.settings.costs.devices:
        seconds = {stage: time_of(work, stage, costs.get(stage), device) for stage in graph}
        ways, busy = longest_ways(graph, seconds), sum(seconds.values())
        for number in workers:
            taken = simulate(graph, seconds, number, overhead)
            limits = {"workers": busy / number, "longest way": max(ways.values()), "head": overhead * len(graph)}
            limit = max(limits, key=limits.__getitem__)
            shares = f"{max(limits['workers'], limits['longest way']) / taken:.0%}", f"{busy / number / taken:.0%}"
            times.append([device, str(number), f"{taken / 3600:.1f}", *shares, limit])
        steps = [(*stage, seconds[stage]) for stage in critical_path(graph, ways)]
        path += [[device, study, stage, f"{taken / 3600:.1f}"] for study, stage, taken in steps if taken >= 60]
    tables = [to_markdown(pd.DataFrame(rows, columns=names)) for rows, names in ((times, TIMES), (path, LONGEST))]
    disk = total(costs.values()).disk_mb / 1000
    return "\n".join([*tables, f"These are {len(graph)} stages; the encoders that they save take {disk:.0f} GB.\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--workers", type=positive, nargs="+", default=WORKERS, help="how many of them")
    parser.add_argument("--overhead", type=float, default=OVERHEAD, help="seconds of the head a stage")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    arguments = parser.parse_args()
    work = Reproduction(read_numbers(), load_paper(), load_shared(), load_studies())
    tables = report(work, arguments.workers, arguments.overhead)
    print(tables)
    if arguments.write:
        write_text(PAGE, with_part(PAGE, PAGE.read_text(encoding="utf-8"), "scaling", COMMAND, tables))


if __name__ == "__main__":
    run_stage(main)
