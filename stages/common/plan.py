"""The map of commands: for every number of the paper its command, the stages that it runs, and what they may cost."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import networkx
import pandas as pd

from stages.common import paths
from stages.common.analysis.cells import command
from stages.common.cost_model import Cost, stage_cost, total
from stages.common.paper import CITED, DATA_TABLES, PROTOCOLS, Reproduction, find_study

NUMBER_COLUMNS = ["table", "encoder", "dataset", "variant", "metric", "value"]
PLAN_COLUMNS = ["command", "stages", "stages_by_kind", "sequence_updates", "gpu_minutes", "cpu_hours", "disk_mb"]
Needed = Callable[[str], Mapping[str, str]]


def stages_of_dvc() -> Needed:
    """A function from a command to the stages that it may run, itself included: dvc's address and command of each."""
    from dvc.repo import Repo

    with Repo(".") as repo:
        graph = networkx.relabel_nodes(repo.index.graph, lambda stage: stage.addressing)
        commands = {stage.addressing: stage.cmd for stage in repo.index.stages}

    def needed(command: str) -> dict[str, str]:
        target = command.removeprefix("dvc repro ")
        if target not in graph:
            return {}
        return {address: commands[address] for address in [*sorted(networkx.descendants(graph, target)), target]}

    return needed


def kind_of(address: str) -> str:
    """The stage's name in its pipeline, without what a matrix adds."""
    return address.rpartition(":")[2].partition("@")[0]


def command_for(work: Reproduction, number: Mapping[str, str], protocol: str) -> str:
    """The command that makes one number of the paper under a protocol; empty where no benchmark runs it."""
    if number["table"] in DATA_TABLES:
        return f"dvc repro {paths.PAPER_PIPELINE}:table_{number['table']}"
    study = find_study(work, number["dataset"], protocol, number["encoder"], number["variant"])
    return command(study, (number["encoder"], number["variant"])) if study else ""


def cost_of(work: Reproduction, address: str, stage_command: str) -> Cost:
    """The cost of one stage, from its command line."""
    words = stage_command.split()
    given = dict(zip(words[3::2], words[4::2], strict=True))
    study = work.studies.get(given.get("--benchmark"))
    if study is None:
        return Cost()
    numbers = work.numbers
    average = numbers.loc[(numbers["dataset"] == study.benchmark.dataset) & (numbers["metric"] == "average_words")]
    # What names no variant makes the encoder of the one that is called after it.
    variant = given.get("--variant", "joint")
    return stage_cost(
        study, kind_of(address), given.get("--encoder", ""), variant, average["value"].iloc[0], work.settings.costs
    )


def plan(work: Reproduction, needed: Needed) -> pd.DataFrame:
    """A row for every number that the paper measured or counted, with ``PLAN_COLUMNS`` under each protocol."""
    rows, found = [], {}
    for number in work.numbers[work.numbers["encoder"] != CITED].to_dict("records"):
        row = {name: number[name] for name in NUMBER_COLUMNS}
        for protocol in PROTOCOLS:
            one = command_for(work, number, protocol)
            if one not in found:
                found[one] = _planned(work, needed(one))
            row |= {f"{name}_{protocol}": value for name, value in ({"command": one} | found[one]).items()}
        rows.append(row)
    return pd.DataFrame(rows, columns=[*NUMBER_COLUMNS, *(f"{name}_{p}" for p in PROTOCOLS for name in PLAN_COLUMNS)])


def _planned(work: Reproduction, stages: Mapping[str, str]) -> dict[str, object]:
    """Count and cost of a set of stages."""
    kinds = Counter(kind_of(address) for address in stages)
    cost = total([Cost(), *(cost_of(work, address, one) for address, one in stages.items())])
    return {
        "stages": len(stages),
        "stages_by_kind": " ".join(f"{kind}:{count}" for kind, count in sorted(kinds.items())),
        "sequence_updates": round(cost.sequence_updates),
        "gpu_minutes": round(cost.gpu_minutes, 1),
        "cpu_hours": round(cost.cpu_hours, 2),
        "disk_mb": round(cost.disk_mb),
    }


def summary(work: Reproduction, needed: Needed, planned: pd.DataFrame) -> pd.DataFrame:
    """The plan summed by protocol, table and encoder, and in all; a stage that several numbers need counts once."""
    rows = []
    for protocol in PROTOCOLS:
        column = f"command_{protocol}"
        groups = [*planned.groupby(["table", "encoder"], sort=False), (("all", ""), planned)]
        for (table, encoder), lines in groups:
            about = {"protocol": protocol, "table": table, "encoder": encoder, "numbers": len(lines)}
            rows.append(about | {"no command": int((lines[column] == "").sum())} | _of_all(work, needed, lines[column]))
    return pd.DataFrame(rows)


def _of_all(work: Reproduction, needed: Needed, commands: Iterable[str]) -> dict[str, object]:
    stages = {address: one for command in set(commands) for address, one in needed(command).items()}
    planned = _planned(work, stages)
    del planned["stages_by_kind"]
    return planned
