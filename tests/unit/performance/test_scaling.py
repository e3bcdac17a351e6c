"""The simulation of the paper's graph: schedules that can be counted by hand, and the tables of docs/scale.md."""

import networkx
import pandas as pd
import pytest
from paper_project import reproduction

from performance.scaling import (
    COMMAND,
    OVERHEAD,
    PAGE,
    WORKERS,
    critical_path,
    longest_ways,
    paper_graph,
    report,
    simulate,
)
from threephase.base.files import with_part

CHAIN = networkx.DiGraph([("a", "b"), ("b", "c")])
SECONDS = {"a": 1.0, "b": 2.0, "c": 3.0}


def test_a_chain_takes_its_sum_and_the_heads_time_after_every_stage():
    assert simulate(CHAIN, SECONDS, workers=5, overhead=0) == 6
    assert simulate(CHAIN, SECONDS, workers=5, overhead=0.5) == pytest.approx(7.5)


def test_the_longest_way_starts_first():
    # By themselves x and y are as long as a: only what needs a makes it urgent.
    graph = CHAIN.copy()
    graph.add_nodes_from("xy")
    seconds = SECONDS | {"x": 1.5, "y": 1.5}
    ways = longest_ways(graph, seconds)
    assert ways == {"a": 6, "b": 5, "c": 3, "x": 1.5, "y": 1.5}
    assert critical_path(graph, ways) == ["a", "b", "c"]
    # A worker that is free takes y at 1 and does not wait for b; with x and y first it would be 7.5.
    assert simulate(graph, seconds, workers=2, overhead=0) == 6.5
    assert simulate(graph, seconds, workers=1, overhead=0) == 9


def test_the_heads_time_is_spent_in_turn():
    # Four end together and are noted one after the other, while the workers go on with what is ready.
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(8))
    assert simulate(graph, dict.fromkeys(graph, 1.0), workers=4, overhead=0.1) == pytest.approx(2 + 4 * 0.1)
    assert simulate(graph, dict.fromkeys(graph, 1.0), workers=4, overhead=1) == pytest.approx(1 + 8)


def test_every_training_of_the_paper_has_a_cost_and_its_place():
    work = reproduction()
    graph, costs = paper_graph(work)
    trained = {node for node in graph if node[1].startswith("train_")}
    assert trained == set(costs) and networkx.is_directed_acyclic_graph(graph)
    assert {name for name, _ in graph} == {
        name for name, study in work.studies.items() if study.params.reproduces_paper
    }


def test_the_page_has_the_tables_and_64_workers_reach_what_was_asked():
    tables = report(reproduction(), WORKERS, OVERHEAD)
    page = PAGE.read_text(encoding="utf-8")
    assert with_part(PAGE, page, "scaling", COMMAND, tables) == page, f"run {COMMAND}"
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables.splitlines() if line.startswith("|")]
    times = pd.DataFrame(rows[2:10], columns=rows[0]).set_index("workers")
    assert (times.loc["64", "efficiency"].str.rstrip("%").astype(int) >= 70).all()
