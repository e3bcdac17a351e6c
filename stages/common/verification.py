"""A reader's own run of a benchmark against the one that git keeps of it, cell by cell and paired by seed and row."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stages.common import paths
from stages.common.analysis.cells import Cell, cells, predictions_by_cell, read_predictions
from stages.common.analysis.statistics import UNDECIDED
from stages.common.costs import Run, environment, read_published_reports, read_reports
from stages.common.errors import UserError
from stages.common.paired import Paired, Predictions, means, pair
from stages.common.revisions import changed_params
from stages.common.settings import Study

COLUMNS = [
    "cell", "metric", "seeds", "n_test", "own", "published", "difference", "ci_low", "ci_high", "ci_kind", "alike",
    "verdict", "note",
]  # fmt: skip
SAME, AGREES, DIFFERS, NOT_RUN = "identical", "agrees", "differs", "not run"
NAMES = ("the published run", "your own run")
ENGINE = ("Device", "GPU", "Precision", "CPU threads", "CPU", "CPU flags", "torch", "Code revision")


@dataclass(frozen=True)
class Verification:
    """A row a cell (``COLUMNS``, percent and percentage points, own minus published), and what the two runs differ in.

    ``params``: one line for each parameter or input that differs; ``engine``: name, published and own value of what
    the runs ran on.
    """

    rows: pd.DataFrame
    params: list[str]
    engine: list[tuple[str, str, str]]

    def differs(self) -> bool:
        return bool((self.rows["verdict"] == DIFFERS).any())


def verify(study: Study) -> Verification:
    """Compare the predictions of the study's own run with those in ``reports/published``; no text is read.

    Only cells and seeds that both have are compared; a cell without one shows as not run.
    """
    name = study.benchmark.name
    published = _read_published(name)
    own = {cell: _own_predictions(study, cell) for cell in cells(study)}
    if not any(own.values()):
        raise UserError(
            f"{paths.RUNS / name}/predictions: got no predictions of this benchmark, expected your own run; "
            f"run: dvc repro {paths.BENCHMARKS / name}/dvc.yaml"
        )
    found = [
        _row(study, cell, published.get(cell, {}), own.get(cell, {})) for cell in dict.fromkeys([*own, *published])
    ]
    runs = _published_runs(study), read_reports(study)
    facts = [dict(environment(side)) for side in runs]
    return Verification(
        rows=pd.DataFrame(found, columns=COLUMNS).astype({"n_test": "Int64"}),
        params=[*_file_differences(study), *_run_differences(*runs)],
        engine=[(key, *(side.get(key, "not recorded") for side in facts)) for key in ENGINE],
    )


def verdict(found: Paired, metric: str, tolerance: float, widest: float) -> str:
    """Identical where the predictions are the same to the last bit, else by the paired difference.

    It agrees where 0 lies in the difference's interval or where the difference is at most ``tolerance`` percentage
    points, unless the interval is wider than ``widest``, which no run could leave: that is undecided. Otherwise, and
    where the test rows are others, it differs.
    """
    if found.other_rows:
        return DIFFERS
    if found.same:
        return SAME
    interval = found.differences[metric].interval
    if abs(interval.mean) <= tolerance:
        return AGREES
    if interval.low <= 0 <= interval.high:
        return UNDECIDED if interval.high - interval.low > widest else AGREES
    return DIFFERS


def summary(study: Study, verification: Verification) -> str:
    """One line: how many cells agree, and how many could not be compared."""
    counts = Counter(verification.rows["verdict"])
    said = ", ".join(f"{counts[one]} {one}" for one in (SAME, AGREES, UNDECIDED, DIFFERS, NOT_RUN) if counts[one])
    outcome = "differs from" if verification.differs() else "does not differ from"
    if not counts.keys() - {NOT_RUN}:
        file = paths.BENCHMARKS / study.benchmark.name
        raise UserError(
            f"{study.benchmark.name}: got no cell that was run here and is published; dvc repro {file}/dvc.yaml"
        )
    return (
        f"{study.benchmark.name}: your own run {outcome} the published one; of {len(verification.rows)} cells: {said}"
    )


def _read_published(name: str) -> dict[Cell, dict[int, pd.DataFrame]]:
    file = paths.published(name) / "predictions.parquet"
    if not file.is_file():
        known = sorted(one.parent.name for one in file.parent.parent.glob("*/predictions.parquet"))
        raise UserError(f"{file}: no such file, expected a published benchmark, one of: {', '.join(known) or '(none)'}")
    return predictions_by_cell(pd.read_parquet(file))


def _own_predictions(study: Study, cell: Cell) -> Predictions:
    """The predictions of those of the benchmark's seeds that were run."""
    benchmark = study.benchmark
    there = [seed for seed in benchmark.seeds if paths.predictions(benchmark.name, *cell, seed).is_file()]
    return read_predictions(dataclasses.replace(study, benchmark=dataclasses.replace(benchmark, seeds=there)), cell)


def _row(study: Study, cell: Cell, published: Predictions, own: Predictions) -> dict[str, Any]:
    """The row of one cell."""
    metric, rules = study.benchmark.primary_metric, study.shared.verdicts
    row = {"cell": paths.cell_name(*cell), "metric": metric, "verdict": NOT_RUN, "note": ""}
    if not published or not own:
        side, name = ("published", NAMES[0]) if published else ("own", NAMES[1])
        return row | {side: means(study, published or own, [metric])[metric], "note": f"only in {name}"}
    try:
        found = pair(study, published, own, [metric], NAMES)
    except UserError as error:
        return row | {"verdict": DIFFERS, "note": f"not paired: {error}"}
    one = found.differences[metric]
    return row | {
        "seeds": ", ".join(map(str, found.seeds)),
        "n_test": found.n_test,
        "own": one.second,
        "published": one.first,
        "difference": one.interval.mean,
        "ci_low": one.interval.low,
        "ci_high": one.interval.high,
        "ci_kind": one.interval.kind,
        "alike": found.alike,
        "verdict": verdict(found, metric, rules.claim_margin, rules.undecided_interval_width),
        "note": "; ".join([*found.other_seeds, *found.other_rows]),
    }


def _published_runs(study: Study) -> list[Run]:
    file = paths.published(study.benchmark.name) / "run_reports.jsonl"
    if not file.is_file():
        raise UserError(f"{file}: no such file, expected the reports of the published runs; git checkout {file}")
    return read_published_reports(study, file)


def _file_differences(study: Study) -> Iterable[str]:
    """The parameters of the benchmark's own file that are not those of the published run."""
    files = paths.published(study.benchmark.name) / "params.yaml", paths.benchmark_params(study.benchmark.name)
    for _, key, first, second in changed_params(*({"params.yaml": file.read_bytes()} for file in files)):
        yield f"{files[1]}: {key}: {first} in {NAMES[0]}, {second} in yours"


def _run_differences(published: Sequence[Run], own: Sequence[Run]) -> Iterable[str]:
    """What the reports of the same training resolve otherwise: hyper-parameters, switches, data and encoder."""
    sides = [{_who(run.report): _settings(run.report) for run in runs if run.report} for runs in (published, own)]
    changed: Counter[tuple[str, str, str]] = Counter()
    common = [who for who in sides[0] if who in sides[1]]
    for who in common:
        first, second = (side[who] for side in sides)
        changed.update(
            (key, str(first.get(key, "missing")), str(second.get(key, "missing")))
            for key in dict.fromkeys([*first, *second])
            if first.get(key) != second.get(key)
        )
    for (key, first, second), count in changed.items():
        yield f"{count} of {len(common)} trainings: {key}: {first} in {NAMES[0]}, {second} in yours"


def _who(report: Mapping[str, Any]) -> tuple:
    return tuple(report[key] for key in ("encoder", "variant", "seed", "phase"))


def _settings(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a report says of a training that another machine should not change; checksums by their first letters."""
    inputs = {
        file: checksum[:12]
        for file, checksum in report.get("inputs", {}).items()
        # What the run itself made depends on the machine.
        if not file.startswith(f"{paths.RUNS}/")
    }
    return {**report.get("parameters", {}), **report.get("switches", {}), **inputs}
