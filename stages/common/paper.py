"""The paper's numbers beside ours: which cell reproduces which number, and the verdict on it (tables 3, 4, 6, 7)."""

import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stages.common import paths
from stages.common.analysis.cells import command
from stages.common.analysis.differences import claims_frame, differences_frame
from stages.common.analysis.results import results_frame, runs_frame
from stages.common.analysis.statistics import paper_verdict, prediction_interval
from stages.common.errors import UserError
from stages.common.paper_settings import Paper
from stages.common.settings import Shared, Study

DESCRIBED, RELEASED = PROTOCOLS = ("described", "released")
DATA_TABLES, MEASURED_TABLES = (1, 2), (3, 4, 6, 7)
CITED = "cited"  # tables.csv's encoder of a number that the paper quotes from another paper
MISSING, EXTRA, QUOTED, NOT_COMPARABLE = "missing", "extra", "quoted", "not comparable"
COLUMNS = [
    "table", "protocol", "encoder", "dataset", "variant", "metric", "paper_encoder", "paper", "benchmark",
    "benchmark_dataset", "n_seeds", "n_test", "mean", "ci_low", "ci_high", "ci_kind", "run_low", "run_high", "delta",
    "verdict", "note", "command",
]  # fmt: skip


@dataclass(frozen=True)
class Reproduction:
    """The paper's numbers (as ``read_numbers`` gives them), who stands in for whom, and the benchmarks by name.

    ``reports``: the folder below which each benchmark has the summaries of its cells.
    """

    numbers: pd.DataFrame
    settings: Paper
    shared: Shared
    studies: Mapping[str, Study]
    reports: Path = paths.REPORTS


def read_numbers(file: Path = paths.PAPER_NUMBERS) -> pd.DataFrame:
    """The paper's numbers, a row each: table, encoder, dataset, variant, metric, value, note; texts may be empty."""
    if not file.is_file():
        raise UserError(f"{file}: no such file, expected the paper's numbers; get it back from git")
    numbers = {"table": int, "value": float}
    return pd.read_csv(file, dtype=str, keep_default_na=False).astype(numbers)


def metric_for(metric: str, known: Collection[str]) -> str:
    """Our name of a metric of the paper: of the positive class where ``known`` has that, else macro (tables 6, 7)."""
    return metric if metric in known else f"macro_{metric}"


def printed(numbers: pd.DataFrame, table: int, encoder: str, paper: Paper) -> pd.DataFrame:
    """The numbers of a table for an encoder; for a stand-in those of the first of the paper's encoders that has it."""
    sources = paper.stand_in_encoders.get(encoder, [encoder])
    chosen = [numbers[(numbers["table"] == table) & (numbers["encoder"] == source)] for source in sources]
    return pd.concat(chosen).drop_duplicates(["dataset", "variant", "metric"])


def find_study(work: Reproduction, dataset: str, protocol: str, encoder: str, variant: str) -> Study | None:
    """The benchmark that reproduces a cell of the paper, by its params; None where there is none.

    One of a data set that stands in comes after one of the data set itself. Raises UserError where two would do.
    """
    stand_ins = [name for name, original in work.settings.stand_in_datasets.items() if original == dataset]
    for name in [dataset, *stand_ins]:
        fitting = [
            study
            for study in work.studies.values()
            if study.benchmark.reproduces_paper
            and (study.benchmark.dataset, study.benchmark.protocol) == (name, protocol)
            and encoder in study.benchmark.run_encoders
            and variant in study.benchmark.run_variants.summarize_cell
        ]
        if len(fitting) > 1:
            names = " and ".join(str(paths.benchmark_params(study.benchmark.name)) for study in fitting)
            raise UserError(
                f"{names}: got two benchmarks of {name}, {protocol}, {paths.cell_name(encoder, variant)}, expected "
                "one; set reproduces_paper: false in the other"
            )
        if fitting:
            return fitting[0]
    return None


def _comparable(study: Study, encoder: str, paper: Paper) -> bool:
    """Whether data set and encoder are the paper's own."""
    return encoder not in paper.stand_in_encoders and study.benchmark.dataset not in paper.stand_in_datasets


def _judged(
    number: float, found: Mapping[str, Any], n_seeds: int, comparable: bool, shared: Shared
) -> dict[str, float | str | None]:
    """Paper, delta, prediction interval and verdict of one number beside a cell's ``mean`` and ``std``."""
    rule, interval = shared.statistics, None
    if n_seeds > 1:
        interval = prediction_interval(found["mean"], found["std"], n_seeds, rule.confidence)
    low, high = interval or (None, None)
    verdict = paper_verdict(number, interval, shared.verdicts.undecided_interval_width)
    return {
        "paper": number,
        "delta": found["mean"] - number,
        "run_low": low,
        "run_high": high,
        "verdict": verdict if comparable else NOT_COMPARABLE,
    }


def beside(study: Study, results: pd.DataFrame, paper: Paper) -> pd.DataFrame:
    """``results.csv`` with paper, delta and verdict filled where the paper has the cell; of two tables the first."""
    if not study.benchmark.reproduces_paper:
        return results
    dataset = paper.stand_in_datasets.get(study.benchmark.dataset, study.benchmark.dataset)
    numbers, metrics, rows = read_numbers(), set(results["metric"]), []
    by_encoder = {
        encoder: pd.concat([printed(numbers, table, encoder, paper) for table in MEASURED_TABLES])
        for encoder in study.benchmark.run_encoders
    }
    for line in results.to_dict("records"):
        of = by_encoder.get(line["encoder"], numbers[:0])
        fits = (of["dataset"] == dataset) & (of["variant"] == line["variant"])
        fits &= of["metric"].map(lambda metric: metric_for(metric, metrics)) == line["metric"]
        if fits.any():
            comparable = _comparable(study, line["encoder"], paper)
            judged = _judged(of.loc[fits, "value"].iloc[0], line, line["n_seeds"], comparable, study.shared)
            line |= {name: judged[name] for name in ("paper", "delta", "verdict")}
        rows.append(line)
    return pd.DataFrame(rows, columns=results.columns)


def result_tables(study: Study, summaries: list[dict[str, Any]], paper: Paper) -> dict[str, pd.DataFrame]:
    """A benchmark's tables by file name, from the summaries of its cells and, for comparisons, their predictions."""
    differences = differences_frame(study)
    return {
        "results.csv": beside(study, results_frame(study, summaries), paper),
        "runs.csv": runs_frame(summaries),
        "differences.csv": differences,
        "claims.csv": claims_frame(study, differences),
    }


def check_table(shared: Shared, table: int, encoder: str, protocol: str) -> None:
    """Refuse a measured table without a known encoder and protocol, and a table of data with one."""
    for name, value, known in (("--encoder", encoder, shared.encoders), ("--protocol", protocol, shared.protocols)):
        if table in MEASURED_TABLES and value not in known:
            raise UserError(f"{name}: got {value!r} for table {table}, expected one of: {', '.join(known)}")
        if table in DATA_TABLES and value:
            raise UserError(f"{name}: got {value!r} for table {table}, which is of data alone; leave it out")


def measured_tables(work: Reproduction) -> Iterator[tuple[int, str, str]]:
    """Table, encoder and protocol of every measured table: the paper's encoders and the stand-ins that are run."""
    run = {encoder for study in work.studies.values() for encoder in study.benchmark.run_encoders}
    stand_ins = [encoder for encoder in work.settings.stand_in_encoders if encoder in run]
    numbers = work.numbers
    for table, protocol in itertools.product(MEASURED_TABLES, PROTOCOLS):
        own = numbers.loc[(numbers["table"] == table) & (numbers["encoder"] != CITED), "encoder"].unique()
        yield from ((table, encoder, protocol) for encoder in [*own, *stand_ins])


def count_of(frame: pd.DataFrame) -> str:
    """How many numbers of a table have which verdict, such as ``12 agrees, 3 missing``."""
    return ", ".join(f"{count} {verdict}" for verdict, count in frame["verdict"].value_counts(sort=False).items())


def comparison(work: Reproduction, table: int, encoder: str, protocol: str, with_extra: bool = False) -> pd.DataFrame:
    """One table of the paper for an encoder beside the cells that exist, with ``COLUMNS``.

    A row for every number that the paper prints, then the numbers it quotes; a cell without a summary shows as
    missing. ``with_extra`` adds the cells that exist though no table of the paper has them.
    """
    wanted = printed(work.numbers, table, encoder, work.settings)
    rows = [_row(work, number, encoder, protocol) for number in wanted.to_dict("records")]
    if with_extra:
        rows += _extra_rows(work, table, encoder, protocol)
    quoted = work.numbers[(work.numbers["table"] == table) & (work.numbers["encoder"] == CITED)]
    for number in quoted.to_dict("records"):
        rows.append(_of_paper(number, CITED) | {"verdict": QUOTED, "note": "quoted by the paper, not run"})
    about = {"table": table, "protocol": protocol, "encoder": encoder}
    return pd.DataFrame([about | row for row in rows], columns=COLUMNS).astype({"n_seeds": "Int64", "n_test": "Int64"})


def _of_paper(number: Mapping[str, Any], encoder: str) -> dict[str, Any]:
    """What a row says of the paper."""
    keys = {name: number[name] for name in ("dataset", "variant", "metric")}
    return keys | {"paper_encoder": encoder, "paper": number["value"]}


def _row(work: Reproduction, number: Mapping[str, Any], encoder: str, protocol: str) -> dict[str, Any]:
    """The row of one number that the paper measured."""
    study = find_study(work, number["dataset"], protocol, encoder, number["variant"])
    row, notes = _of_paper(number, number["encoder"]) | {"verdict": MISSING}, [number["note"]]
    if number["encoder"] != encoder:
        notes.append(f"the paper's figure is of {number['encoder']}")
    if study is None:
        notes.append("no benchmark runs it")
    else:
        cell = (encoder, number["variant"])
        row |= {"benchmark": study.benchmark.name, "benchmark_dataset": study.benchmark.dataset}
        row |= {"command": command(study, cell)}
        if study.benchmark.dataset != number["dataset"]:
            notes.append(f"ours is of {study.benchmark.dataset}")
        summary = _summary(work, study, cell)
        if summary is not None:
            row |= _measured(summary, number["metric"])
            found = summary["metrics"][row["metric"]]
            comparable = _comparable(study, encoder, work.settings)
            row |= _judged(number["value"], found, len(summary["seeds"]), comparable, work.shared)
    return row | {"note": "; ".join(filter(None, notes))}


def _summary(work: Reproduction, study: Study, cell: tuple[str, str]) -> dict[str, Any] | None:
    file = paths.cell_summary(study.benchmark.name, *cell, work.reports)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def _measured(summary: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """The columns that a cell's summary fills for a metric of the paper."""
    ours = metric_for(metric, summary["metrics"])
    found = {name: summary["metrics"][ours][name] for name in ("mean", "ci_low", "ci_high", "ci_kind")}
    return found | {"metric": ours, "n_seeds": len(summary["seeds"]), "n_test": summary["n_test"]}


def _extra_rows(work: Reproduction, table: int, encoder: str, protocol: str) -> list[dict[str, Any]]:
    """The cells that exist and that no table of the paper has for the encoder, in the metrics of this table."""
    known = pd.concat([printed(work.numbers, one, encoder, work.settings) for one in MEASURED_TABLES])
    in_paper = set(zip(known["dataset"], known["variant"], strict=True))
    wanted, rows = printed(work.numbers, table, encoder, work.settings), []
    for dataset, of_dataset in wanted.groupby("dataset", sort=False):
        study = find_study(work, dataset, protocol, encoder, of_dataset["variant"].iloc[0])
        for variant in study.benchmark.run_variants.summarize_cell if study else []:
            summary = None if (dataset, variant) in in_paper else _summary(work, study, (encoder, variant))
            if summary is None:
                continue
            row = {"dataset": dataset, "variant": variant, "benchmark": study.benchmark.name, "verdict": EXTRA}
            row |= {"benchmark_dataset": study.benchmark.dataset, "command": command(study, (encoder, variant))}
            row |= {"note": "the paper has no such cell"}
            rows += [row | _measured(summary, metric) for metric in of_dataset["metric"].unique()]
    return rows
