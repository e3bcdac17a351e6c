"""The paper's numbers beside ours: which cell reproduces which number, and the verdict on it (tables 3, 4, 6, 7)."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import read_json
from threephase.results.cells import Cell
from threephase.results.differences import claims_frame, differences_frame
from threephase.results.results import results_frame, runs_frame
from threephase.scores.statistics import paper_verdict, prediction_interval
from threephase.study.paper_params import Paper
from threephase.study.params import Shared, Study
from threephase.study.topology import cells, command

DESCRIBED = "described"  # the protocol that is the paper's text
PROTOCOLS = (DESCRIBED, "released")
DATA_TABLES, MEASURED_TABLES = (1, 2), (3, 4, 6, 7)
CITED = "cited"  # tables.csv's encoder of a number that the paper quotes from another paper
MISSING, EXTRA, QUOTED, NOT_COMPARABLE = "missing", "extra", "quoted", "not comparable"
COLUMNS = [
    "table", "protocol", "encoder", "dataset", "variant", "metric", "paper_encoder", "paper", "study",
    "study_dataset", "n_seeds", "n_test", "mean", "ci_low", "ci_high", "ci_kind", "run_low", "run_high", "delta",
    "verdict", "note", "command",
]  # fmt: skip


@dataclass(frozen=True)
class Reproduction:
    """The paper's numbers (as ``read_numbers`` gives them), who stands in for whom, and the studies by name.

    ``published``: whether the summaries of the cells are those that git keeps instead of those of the runs here.
    """

    numbers: pd.DataFrame
    settings: Paper
    shared: Shared
    studies: Mapping[str, Study]
    published: bool = field(default=False, kw_only=True)

    def summary(self, study: Study, cell: Cell) -> dict[str, Any] | None:
        """A cell's summary; None where it was not run."""
        folder = paths.published(study.params.name) if self.published else paths.reports(study.folder)
        file = paths.cell_summary(folder, *cell)
        return read_json(file) if file.is_file() else None


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


def _of_all_tables(numbers: pd.DataFrame, encoder: str, paper: Paper) -> pd.DataFrame:
    return pd.concat([printed(numbers, table, encoder, paper) for table in MEASURED_TABLES])


def find_study(work: Reproduction, dataset: str, protocol: str, cell: Cell) -> Study | None:
    """The study that reproduces a cell of the paper, by its params; None where there is none.

    One of a data set that stands in comes after one of the data set itself. Raises UserError where two would do.
    """
    stand_ins = [name for name, original in work.settings.stand_in_datasets.items() if original == dataset]
    for name in [dataset, *stand_ins]:
        fitting = [study for study in studies_of(work, name, protocol) if cell in cells(study)]
        if len(fitting) > 1:
            files = " and ".join(str(study.file) for study in fitting)
            raise UserError(
                f"{files}: got two studies of {name}, {protocol}, {paths.cell_name(*cell)}, expected one; "
                "set reproduces_paper: false in the other"
            )
        if fitting:
            return fitting[0]
    return None


def studies_of(work: Reproduction, dataset: str, protocol: str) -> list[Study]:
    """The studies of a data set under a protocol that are compared with the paper."""
    return [
        study
        for study in work.studies.values()
        if study.params.reproduces_paper and (study.params.dataset, study.params.protocol) == (dataset, protocol)
    ]


def _judged(
    study: Study, encoder: str, paper: Paper, number: float, score: Mapping[str, Any], n_seeds: int
) -> dict[str, float | str | None]:
    """Paper, delta, prediction interval and verdict of one number beside a cell's ``score``, its mean and std."""
    interval, shared = None, study.shared
    if n_seeds > 1:
        interval = prediction_interval(score["mean"], score["std"], n_seeds, shared.statistics.confidence)
    verdict = paper_verdict(number, interval, shared.verdicts.undecided_interval_width)
    if encoder in paper.stand_in_encoders or study.params.dataset in paper.stand_in_datasets:
        verdict = NOT_COMPARABLE
    low, high = interval or (None, None)
    return {"paper": number, "delta": score["mean"] - number, "run_low": low, "run_high": high, "verdict": verdict}


def beside(study: Study, results: pd.DataFrame, paper: Paper) -> pd.DataFrame:
    """``results.csv`` with paper, delta and verdict filled where the paper has the cell; of two tables the first."""
    if not study.params.reproduces_paper:
        return results
    dataset = paper.stand_in_datasets.get(study.params.dataset, study.params.dataset)
    numbers, metrics, rows = read_numbers(), set(results["metric"]), []
    by_encoder = {encoder: _of_all_tables(numbers, encoder, paper) for encoder in study.params.encoders}
    for line in results.to_dict("records"):
        of = by_encoder.get(line["encoder"], numbers[:0])
        fits = (of["dataset"] == dataset) & (of["variant"] == line["variant"])
        fits &= of["metric"].map(lambda metric: metric_for(metric, metrics)) == line["metric"]
        if fits.any():
            judged = _judged(study, line["encoder"], paper, of.loc[fits, "value"].iloc[0], line, line["n_seeds"])
            line |= {name: judged[name] for name in ("paper", "delta", "verdict")}
        rows.append(line)
    return pd.DataFrame(rows, columns=results.columns)


def result_tables(study: Study, summaries: list[dict[str, Any]], paper: Paper) -> dict[str, pd.DataFrame]:
    """A study's tables by file name, from the summaries of its cells and, for comparisons, their predictions."""
    differences = differences_frame(study)
    return {
        "results.csv": beside(study, results_frame(study, summaries), paper),
        "runs.csv": runs_frame(summaries),
        "differences.csv": differences,
        "claims.csv": claims_frame(study, differences),
    }


def measured_tables(work: Reproduction) -> Iterator[tuple[int, str, str]]:
    """Table, encoder and protocol of every measured table: the paper's encoders and the stand-ins that are run."""
    run = {encoder for study in work.studies.values() for encoder in study.params.encoders}
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
    not_run = {"verdict": QUOTED, "note": "quoted by the paper, not run"}
    rows += [_of_paper(number) | not_run for number in quoted.to_dict("records")]
    about = {"table": table, "protocol": protocol, "encoder": encoder}
    return pd.DataFrame([about | row for row in rows], columns=COLUMNS).astype({"n_seeds": "Int64", "n_test": "Int64"})


def _of_paper(number: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of the paper."""
    keys = {name: number[name] for name in ("dataset", "variant", "metric")}
    return keys | {"paper_encoder": number["encoder"], "paper": number["value"]}


def _row(work: Reproduction, number: Mapping[str, Any], encoder: str, protocol: str) -> dict[str, Any]:
    """The row of one number that the paper measured."""
    cell = (encoder, number["variant"])
    study = find_study(work, number["dataset"], protocol, cell)
    row, notes = _of_paper(number) | {"verdict": MISSING}, [number["note"]]
    if number["encoder"] != encoder:
        notes.append(f"the paper's figure is of {number['encoder']}")
    if study is None:
        notes.append("no study runs it")
    else:
        row |= _of_study(study, cell)
        if study.params.dataset != number["dataset"]:
            notes.append(f"ours is of {study.params.dataset}")
        summary = work.summary(study, cell)
        if summary is not None:
            row |= _measured(summary, number["metric"])
            score, n_seeds = summary["metrics"][row["metric"]], len(summary["seeds"])
            row |= _judged(study, encoder, work.settings, number["value"], score, n_seeds)
    return row | {"note": "; ".join(filter(None, notes))}


def _of_study(study: Study, cell: Cell) -> dict[str, Any]:
    """What a row says of the study that runs the cell."""
    return {"study": study.params.name, "study_dataset": study.params.dataset, "command": command(study, cell)}


def _measured(summary: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """The columns that a cell's summary fills for a metric of the paper."""
    ours = metric_for(metric, summary["metrics"])
    score = {name: summary["metrics"][ours][name] for name in ("mean", "ci_low", "ci_high", "ci_kind")}
    return score | {"metric": ours, "n_seeds": len(summary["seeds"]), "n_test": summary["n_test"]}


def _extra_rows(work: Reproduction, table: int, encoder: str, protocol: str) -> list[dict[str, Any]]:
    """The cells that exist and that no table of the paper has for the encoder, in the metrics of this table."""
    known = _of_all_tables(work.numbers, encoder, work.settings)
    in_paper = set(zip(known["dataset"], known["variant"], strict=True))
    wanted, rows = printed(work.numbers, table, encoder, work.settings), []
    for dataset, of_dataset in wanted.groupby("dataset", sort=False):
        study = find_study(work, dataset, protocol, (encoder, of_dataset["variant"].iloc[0]))
        for cell in cells(study) if study else []:
            if cell[0] != encoder or (dataset, cell[1]) in in_paper:
                continue
            summary = work.summary(study, cell)
            if summary is not None:
                about = {"dataset": dataset, "variant": cell[1], "verdict": EXTRA, "note": "the paper has no such cell"}
                about |= _of_study(study, cell)
                rows += [about | _measured(summary, metric) for metric in of_dataset["metric"].unique()]
    return rows
