"""Two revisions compared: which parameters differ, and what that did to every cell, paired by seed and test row."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stages.common import paths
from stages.common.analysis.cells import cells
from stages.common.errors import UserError
from stages.common.paired import Paired, means, pair
from stages.common.revisions import WORKSPACE, Held, Revision, changed_params, shortened
from stages.common.settings import Study

COLUMNS = [
    "benchmark", "cell", "metric", "seeds", "n_test", "a", "b", "difference", "by_seed",
    "ci_low", "ci_high", "ci_kind", "alike", "from_a", "from_b", "note",
]  # fmt: skip
PARAM_COLUMNS = ["file", "key", "a", "b"]
SAME, POINTS_ONLY = "the same predictions", "point values only"
NAMES = ("A", "B")


@dataclass(frozen=True)
class Comparison:
    """Two revisions, the parameters that differ (``PARAM_COLUMNS``), and a row a cell and metric (``COLUMNS``).

    ``rows``: numbers in percent and percentage points, B minus A; missing where there is none. ``notes``: one line for
    everything that a reader of the rows must know besides.
    """

    first: Revision
    second: Revision
    studies: Mapping[str, Study]
    params: pd.DataFrame
    rows: pd.DataFrame
    notes: list[str]


def common_benchmarks(first: Revision, second: Revision) -> list[str]:
    """The benchmarks of which both revisions hold something; refuses two that have none in common."""
    common = [name for name in first.benchmarks if name in second.benchmarks]
    if not common:
        has = [f"{one.name} holds {', '.join(one.benchmarks) or 'none'}" for one in (first, second)]
        raise UserError(
            f"benchmarks: {' and '.join(has)}, expected one in common; a revision holds what its "
            f"{paths.BENCHMARKS}/*/dvc.lock, {paths.published('*')} or {paths.REPORTS}/*/metrics has: dvc repro, commit"
        )
    return common


def compare(first: Revision, second: Revision, studies: Mapping[str, Study]) -> Comparison:
    """Compare what two revisions hold of the benchmarks that both have.

    ``studies``: the benchmarks as the working tree has them, whose primary metric and statistical rules hold.
    """
    rows, notes = [], []
    for one, other in ((first, second), (second, first)):
        if more := sorted(set(one.params) - set(other.params)):
            notes.append(f"only in {one.name}: {shortened(more)}")
    for benchmark in common_benchmarks(first, second):
        if benchmark not in studies:
            notes.append(f"{benchmark}: not compared, the working tree has no {paths.benchmark_params(benchmark)}")
            continue
        sides = first.benchmarks[benchmark], second.benchmarks[benchmark]
        notes += [f"{benchmark}: {note}" for side in sides for note in side.notes]
        found = [row for cell in _in_order(studies[benchmark], sides) for row in _rows(studies[benchmark], cell, sides)]
        points = list(dict.fromkeys(row["cell"] for row in found if row["note"] == POINTS_ONLY))
        for revision, side in zip((first, second), sides, strict=True):
            notes += _how_to_get(benchmark, revision, side, points)
        rows += found
    for name in sorted(set(first.benchmarks) ^ set(second.benchmarks)):
        notes.append(f"{name}: only {(first if name in first.benchmarks else second).name} holds any of it")
    return Comparison(
        first,
        second,
        studies,
        pd.DataFrame(changed_params(first.params, second.params), columns=PARAM_COLUMNS, dtype=object),
        pd.DataFrame(rows, columns=COLUMNS).astype({"n_test": "Int64"}),
        list(dict.fromkeys(notes)),
    )


def _in_order(study: Study, sides: tuple[Held, Held]) -> list[str]:
    """The cells of either side: in the order of the benchmark's tables, then those that it no longer runs."""
    known = [paths.cell_name(*cell) for cell in cells(study)]
    found = list(dict.fromkeys([*sides[0].cells(), *sides[1].cells()]))
    return [cell for cell in known if cell in found] + [cell for cell in found if cell not in known]


def compared_metrics(study: Study) -> list[str]:
    """Accuracy and the benchmark's primary metric, the primary one first."""
    return list(dict.fromkeys([study.benchmark.primary_metric, "accuracy"]))


def _rows(study: Study, cell: str, sides: tuple[Held, Held]) -> list[dict[str, Any]]:
    """The rows of one cell."""
    metrics = compared_metrics(study)
    sources, predictions = zip(*(side.predictions(cell) for side in sides), strict=True)
    about = {"benchmark": study.benchmark.name, "cell": cell, "from_a": sources[0], "from_b": sources[1]}
    if all(predictions):
        try:
            found = pair(study, *predictions, metrics, NAMES)
        except UserError as error:
            about["note"] = f"not paired: {error}"
        else:
            return [about | paired_columns(found, metric) for metric in metrics]
    points = [
        means(study, by_seed, metrics) if by_seed else side.points.get(cell, {})
        for side, by_seed in zip(sides, predictions, strict=True)
    ]
    if "note" not in about:
        about["note"] = _why_no_pair(cell, sides)
    return [about | _point_columns(metric, points, about["note"] == SAME) for metric in metrics]


def _why_no_pair(cell: str, sides: tuple[Held, Held]) -> str:
    present = [cell in side.cells() for side in sides]
    if not all(present):
        return f"only in {NAMES[present.index(True)]}"
    first, second = (side.checksums(cell) for side in sides)
    # The checksums tell what the files, which are not here, would.
    return SAME if first and first == second else POINTS_ONLY


def paired_columns(found: Paired, metric: str) -> dict[str, Any]:
    """The columns of a row that a paired comparison fills."""
    one = found.differences[metric]
    return {
        "metric": metric,
        "seeds": ", ".join(map(str, found.seeds)),
        "n_test": found.n_test,
        "a": one.first,
        "b": one.second,
        "difference": one.interval.mean,
        "by_seed": ", ".join(f"{difference:+z.1f}" for difference in one.by_seed),
        "ci_low": one.interval.low,
        "ci_high": one.interval.high,
        "ci_kind": one.interval.kind,
        "alike": found.alike,
        "note": "; ".join([SAME] * found.same + found.other_seeds + found.other_rows),
    }


def _point_columns(metric: str, points: list[dict[str, float]], same: bool) -> dict[str, Any]:
    """What two point values say: a difference without an interval, none where one of them is missing."""
    first, second = (side.get(metric, math.nan) for side in points)
    return {"metric": metric, "a": first, "b": second, "difference": 0.0 if same else second - first}


def _how_to_get(benchmark: str, revision: Revision, side: Held, cells_without_pair: list[str]) -> list[str]:
    """How to get the predictions that a revision was made with and that are not here."""
    lacking = [cell for cell in cells_without_pair if not side.predictions(cell)[1]]
    if not lacking:
        return []
    pipeline = paths.BENCHMARKS / benchmark / "dvc.yaml"
    how = f"dvc repro {pipeline}"
    if revision.name != WORKSPACE:
        # By the commit, because git does not know the names of experiments; dvc fetches for what is checked out only:
        # with --all-commits it takes one version of each path.
        how = f"git checkout {revision.commit[:7]}; dvc fetch {pipeline} (from a remote) or {how}; git checkout -"
    return [
        f"{benchmark}: the predictions of {revision.name} are not in the cache ({len(lacking)} of {len(side.cells())} "
        f"cells), so that only point values can be compared; {how}"
    ]
