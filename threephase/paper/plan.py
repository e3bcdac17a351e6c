"""The map of commands: for every number of the paper its command, the stages that it runs, and what they may cost."""

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set

import networkx
import pandas as pd

from threephase.paper.cost_model import Cost, total, training_cost
from threephase.paper.numbers import CITED, DATA_TABLES, PROTOCOLS, Reproduction, find_study
from threephase.paper.runs import Wanted, stages_of
from threephase.study.params import Study
from threephase.study.topology import command, summary_stage, training_stage, trainings

NUMBER_COLUMNS = ["table", "encoder", "dataset", "variant", "metric", "value"]
PLAN_COLUMNS = ["command", "stages", "stages_by_kind", "sequence_updates", "gpu_minutes", "cpu_hours", "disk_mb"]
Stage = tuple[str, str]  # the study's name, and the stage as dvc names it within the study
Needed = Callable[[Wanted], set[Stage]]


def stage_graph(study: Study) -> networkx.DiGraph:
    """The stages of a study by the names that dvc gives them; an edge leads from a stage to one that it needs."""
    from dvc.repo import Repo

    with Repo(str(study.folder)) as repo:
        return networkx.relabel_nodes(repo.index.graph, lambda stage: stage.name)


def stages_of_dvc(studies: Mapping[str, Study]) -> Needed:
    """A function from wanted stages to all that dvc may run for them, themselves included, by each study's graph."""

    @functools.cache
    def graph_of(name: str) -> networkx.DiGraph:
        return stage_graph(studies[name])

    def needed(wanted: Wanted) -> set[Stage]:
        return {
            (name, before)
            for name, stages in wanted.items()
            for stage in stages
            for before in (stage, *networkx.descendants(graph_of(name), stage))
        }

    return needed


def kind_of(study: Study, stage: str) -> str:
    """A stage's name without what a matrix or an encoder's own block adds."""
    block = stage.partition("@")[0]
    for encoder in study.params.encoders:
        block = block.removesuffix(f"_{encoder}")
    return block


def wanted_for(work: Reproduction, number: Mapping[str, str], protocol: str) -> tuple[str, Wanted]:
    """The command that makes one number of the paper under a protocol, and its stages; empty where no study runs it."""
    if number["table"] in DATA_TABLES:
        return f"make table TABLE={number['table']}", stages_of(work, number["table"], "", "")
    cell = (number["encoder"], number["variant"])
    study = find_study(work, number["dataset"], protocol, cell)
    if study is None:
        return "", {}
    return command(study, cell), {study.params.name: [summary_stage(study, cell)]}


def plan(work: Reproduction, needed: Needed) -> pd.DataFrame:
    """A row for every number that the paper measured or counted, with ``PLAN_COLUMNS`` under each protocol."""
    rows, costs = [], {}
    for number in work.numbers[work.numbers["encoder"] != CITED].to_dict("records"):
        row = {name: number[name] for name in NUMBER_COLUMNS}
        for protocol in PROTOCOLS:
            typed, wanted = wanted_for(work, number, protocol)
            if typed not in costs:
                costs[typed] = _planned(work, needed(wanted))
            row |= {f"{name}_{protocol}": value for name, value in ({"command": typed} | costs[typed]).items()}
        rows.append(row)
    columns = [f"{name}_{protocol}" for protocol in PROTOCOLS for name in PLAN_COLUMNS]
    return pd.DataFrame(rows, columns=[*NUMBER_COLUMNS, *columns])


def _planned(work: Reproduction, stages: Set[Stage]) -> dict[str, object]:
    """``PLAN_COLUMNS`` but the command, for the stages."""
    kinds, cost = Counter(kind_of(work.studies[name], stage) for name, stage in stages), total(_costs(work, stages))
    return {
        "stages": len(stages),
        "stages_by_kind": " ".join(f"{kind}:{count}" for kind, count in sorted(kinds.items())),
        "sequence_updates": round(cost.sequence_updates),
        "gpu_minutes": round(cost.gpu_minutes, 1),
        "cpu_hours": round(cost.cpu_hours, 2),
        "disk_mb": round(cost.disk_mb),
    }


def _costs(work: Reproduction, stages: Set[Stage]) -> Iterator[Cost]:
    """The cost of each training among the stages, and none."""
    yield Cost()
    for name in sorted({name for name, _ in stages}):
        yield from stage_costs(work, work.studies[name], {stage for study, stage in stages if study == name}).values()


def stage_costs(work: Reproduction, study: Study, stages: Set[str]) -> dict[str, Cost]:
    """By stage the cost of each training among a study's stages."""
    of_words = work.numbers[work.numbers["metric"] == "average_words"].set_index("dataset")["value"]
    dataset, costs = study.params.dataset, {}
    for training in trainings(study):
        runs = stages & {training_stage(study, training, seed) for seed in study.params.seeds}
        if runs:
            words = of_words[work.settings.stand_in_datasets.get(dataset, dataset)]
            costs |= dict.fromkeys(runs, training_cost(study, training, words, work.settings.costs))
    return costs


def summary(work: Reproduction, needed: Needed, planned: pd.DataFrame) -> pd.DataFrame:
    """The plan summed by protocol, table and encoder, and in all; a stage that several numbers need counts once."""
    rows = []
    for protocol in PROTOCOLS:
        groups = [*planned.groupby(["table", "encoder"], sort=False), (("all", ""), planned)]
        for (table, encoder), lines in groups:
            about = {"protocol": protocol, "table": table, "encoder": encoder, "numbers": len(lines)}
            about |= {"no command": int((lines[f"command_{protocol}"] == "").sum())}
            wanted = [wanted_for(work, number, protocol)[1] for number in lines.to_dict("records")]
            rows.append(about | _planned(work, set().union(*map(needed, wanted))))
    return pd.DataFrame(rows).drop(columns="stages_by_kind")
