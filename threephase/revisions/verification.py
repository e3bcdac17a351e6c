"""A reader's own run of a study against the one that git keeps of it, cell by cell and paired by seed and row."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.results.cells import Cell, predictions_by_cell, read_predictions
from threephase.results.costs import (
    FROM_CACHE,
    NOT_RECORDED,
    RecordedTraining,
    environment,
    inputs,
    read_published_reports,
    read_reports,
)
from threephase.results.paired import Paired, Predictions, means, pair
from threephase.results.prediction_checksums import content_sha256
from threephase.results.tables import METRIC_TITLES, to_plain_text
from threephase.revisions.comparison import paired_columns
from threephase.revisions.comparison_text import alike_text, difference_text, value_text, wrapped
from threephase.revisions.study_files import changed, own_settings
from threephase.scores.statistics import UNDECIDED
from threephase.study.params import Study
from threephase.study.read_params import load_published
from threephase.study.topology import cells

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

    ``params``: one line for each setting or input that differs; ``engine``: name, published and own value of what the
    runs ran on.
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
    kept, folder = _published_study(study), paths.published(study.params.name)
    published = predictions_by_cell(pd.read_parquet(folder / "predictions.parquet"))
    lines = pd.read_csv(folder / "checksums.csv", dtype={"cell": str}).itertuples()
    checksums = {(line.cell, line.seed): line.sha256 for line in lines}
    own = {cell: _own_predictions(study, cell) for cell in cells(study)}
    if not any(own.values()):
        place = paths.predictions(study.folder, "", "x", 0).parent.parent
        how = f"expected those of your own run; run: make repro STUDY={study.params.name}"
        raise UserError(f"{place}: got no predictions, {how}")
    rows = [
        _row(study, cell, published.get(cell, {}), own.get(cell, {}), checksums)
        for cell in dict.fromkeys([*own, *published])
    ]
    runs = read_published_reports(kept, folder / "run_reports.jsonl"), read_reports(study)
    return Verification(
        rows=pd.DataFrame(rows, columns=COLUMNS).astype({"n_test": "Int64"}),
        params=[*_other_settings(kept, study), *_other_inputs(*runs)],
        engine=_engine(*runs),
    )


def verdict(paired: Paired, same: bool, metric: str, tolerance: float, widest: float) -> str:
    """Identical where the checksums are the ``same``, else by the paired difference.

    It agrees where 0 lies in the difference's interval or where the difference is at most ``tolerance`` percentage
    points, unless the interval is wider than ``widest``, which no run could leave: that is undecided. Otherwise, and
    where the test rows are others, it differs.
    """
    if paired.other_rows:
        return DIFFERS
    if same:
        return SAME
    interval = paired.differences[metric].interval
    if abs(interval.mean) <= tolerance:
        return AGREES
    if interval.low <= 0 <= interval.high:
        return UNDECIDED if interval.high - interval.low > widest else AGREES
    return DIFFERS


def summary(study: Study, verification: Verification) -> str:
    """One line: how many cells agree, and how many could not be compared."""
    counts = Counter(verification.rows["verdict"])
    said = ", ".join(f"{counts[name]} {name}" for name in (SAME, AGREES, UNDECIDED, DIFFERS, NOT_RUN) if counts[name])
    outcome = "differs from" if verification.differs() else "does not differ from"
    if not counts.keys() - {NOT_RUN}:
        raise UserError(
            f"{study.params.name}: got no cell that was run here and is published; "
            f"run: make repro STUDY={study.params.name}"
        )
    return f"{study.params.name}: your own run {outcome} the published one; of {len(verification.rows)} cells: {said}"


def _published_study(study: Study) -> Study:
    """The study as it was published; refuses one of which git does not keep all that is read here."""
    folder = paths.published(study.params.name)
    if not folder.is_dir():
        known = sorted(file.parent.name for file in paths.PUBLISHED.glob(f"*/{paths.PARAMS}"))
        raise UserError(f"{folder}: no such folder, expected a published study, one of: {', '.join(known) or '(none)'}")
    for name in (paths.PARAMS, "predictions.parquet", "checksums.csv", "run_reports.jsonl"):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: no such file, expected what was published; git checkout {folder}")
    return load_published()[study.params.name]


def _own_predictions(study: Study, cell: Cell) -> Predictions:
    """The predictions of those of the study's seeds that were run."""
    params = study.params
    there = [seed for seed in params.seeds if paths.predictions(study.folder, *cell, seed).is_file()]
    return read_predictions(dataclasses.replace(study, params=dataclasses.replace(params, seeds=there)), cell)


def _row(
    study: Study, cell: Cell, published: Predictions, own: Predictions, checksums: Mapping[tuple[str, int], str]
) -> dict[str, Any]:
    """The row of one cell."""
    metric, rules, name = study.params.primary_metric, study.shared.verdicts, paths.cell_name(*cell)
    row = {"cell": name, "metric": metric, "verdict": NOT_RUN, "note": ""}
    if not published or not own:
        side, whose = ("published", NAMES[0]) if published else ("own", NAMES[1])
        return row | {side: means(study, published or own, [metric])[metric], "note": f"only in {whose}"}
    try:
        paired = pair(study, published, own, [metric], NAMES)
    except UserError as error:
        return row | {"verdict": DIFFERS, "note": f"not paired: {error}"}
    same = all(content_sha256(own[seed]) == checksums.get((name, seed)) for seed in paired.seeds)
    return (
        row
        | paired_columns(paired, metric, ("published", "own"))
        | {
            "verdict": verdict(paired, same, metric, rules.claim_margin, rules.undecided_interval_width),
            "note": "; ".join([*paired.other_seeds, *paired.other_rows]),
        }
    )


def _other_settings(published: Study, study: Study) -> Iterator[str]:
    """The study's settings, those of its base filled in, that are not those of the published run."""
    for key, first, second in changed(own_settings(published), own_settings(study)):
        yield f"{study.file}: {key}: {first} in {NAMES[0]}, {second} in yours"


def _other_inputs(published: Sequence[RecordedTraining], own: Sequence[RecordedTraining]) -> Iterator[str]:
    """The data and pre-trained encoders that the runs' reports name by other checksums, as far as both name them."""
    first, second = (dict(inputs(runs)) for runs in (published, own))
    for file in first:
        if file in second and first[file] != second[file]:
            yield f"{file}: sha256 {first[file][:12]} in {NAMES[0]}, {second[file][:12]} in yours"


def _engine(published: Sequence[RecordedTraining], own: Sequence[RecordedTraining]) -> list[tuple[str, str, str]]:
    """What the runs ran on; of trainings that came from the cache nothing is known here."""
    first, second = (dict(environment(runs)) for runs in (published, own))
    if not any(run.report for run in own):
        second = dict.fromkeys(ENGINE, FROM_CACHE)
    return [(key, first.get(key, NOT_RECORDED), second.get(key, NOT_RECORDED)) for key in ENGINE]


def as_text(study: Study, verification: Verification) -> str:
    """The whole text; the last line is the summary."""
    lines = verification.params or ["No setting and no input differs."]
    lines += ["", *(_engine_text(*facts) for facts in verification.engine), "", _rule(study, verification.rows)]
    notes = [f"{row.cell}: {row.note}" for row in verification.rows.itertuples() if row.note]
    parts = [*map(wrapped, lines), "", to_plain_text(_table(verification.rows)), *map(wrapped, notes)]
    return "\n".join([*parts, summary(study, verification)])


def _engine_text(name: str, published: str, own: str) -> str:
    return f"{name}: {own}, as published" if own == published else f"{name}: {own}; published: {published}"


def _rule(study: Study, rows: pd.DataFrame) -> str:
    kinds = " or ".join(dict.fromkeys(rows["ci_kind"].dropna())) or "none"
    return (
        f"{METRIC_TITLES[study.params.primary_metric]} in percent on the test rows; difference: yours minus "
        f"published, paired by seed and test row, with {100 * study.shared.statistics.confidence:g}% intervals "
        f"({kinds}). Identical: predictions with the published checksums. Agrees: 0 lies in the interval, or the "
        f"difference is at most {study.shared.verdicts.claim_margin:g} points. Undecided: 0 lies in it, but it is "
        f"wider than {study.shared.verdicts.undecided_interval_width:g} points. Another machine gives other last "
        "digits that a training amplifies; an interval of test rows only does not cover that."
    )


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    compared = ~rows["verdict"].isin([SAME, NOT_RUN])
    numbers = zip(compared, rows["difference"], rows["ci_low"], rows["ci_high"], strict=True)
    return pd.DataFrame(
        {
            "Cell": rows["cell"],
            "Own": rows["own"].map(value_text),
            "Published": rows["published"].map(value_text),
            "Difference": [difference_text(*values) if shown else "" for shown, *values in numbers],
            "Alike": rows["alike"].map(alike_text),
            "Verdict": rows["verdict"],
        }
    )
