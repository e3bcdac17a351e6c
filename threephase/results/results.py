"""From cells to results: the tables of a study's results and runs, and how all its tables are read back."""

import filecmp
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import read_csv, read_json
from threephase.results.cells import Cell
from threephase.scores.metrics import metrics_of
from threephase.study.params import THREE_PHASE, Study
from threephase.study.topology import cells, command, is_ablation

RESULT_COLUMNS = [
    "dataset", "encoder", "protocol", "variant", "metric", "n_seeds", "n_test", "mean", "std",
    "ci_low", "ci_high", "ci_kind", "paper", "delta", "verdict", "command", "note",
]  # fmt: skip
RUN_COLUMNS = ["study", "dataset", "encoder", "protocol", "variant", "seed", "split", "metric", "value"]
CLAIM_COLUMNS = [
    "claim", "text", "variant", "other", "encoder", "metric", "n_seeds", "n_test",
    "difference", "by_seed", "ci_low", "ci_high", "ci_kind", "p_value", "mcnemar_p", "detectable", "verdict",
]  # fmt: skip
DIFFERENCE_COLUMNS = [
    "encoder", "variant", "other", "metric", "n_seeds", "n_test", "difference", "by_seed", "ci_low", "ci_high",
    "ci_kind", "p_value", "mcnemar_p", "detectable",
]  # fmt: skip
TEXT_COLUMNS = {
    "study", "dataset", "encoder", "protocol", "variant", "other", "metric", "split",
    "claim", "text", "by_seed", "ci_kind", "verdict", "command", "paper_encoder", "study_dataset", "note",
}  # fmt: skip
WITHOUT_CHOICE = ("majority", "embedding_nearest_mean")  # baselines that have no C


def read_summaries(study: Study) -> list[dict[str, Any]]:
    """The summaries of all cells in table order; one that is missing or of other seeds is an error with its command."""
    summaries = []
    for cell in cells(study):
        file = paths.cell_summary(paths.reports(study.folder), *cell)
        if not file.is_file():
            raise UserError(f"{file}: no such file, expected the cell's summary; run: {command(study, cell)}")
        summary = read_json(file)
        if summary["seeds"] != study.params.seeds:
            got = f"got {summary['seeds']}, expected {study.params.seeds} of the study's params"
            raise UserError(f"{file}: seeds: {got}; run: {command(study, cell)}")
        summaries.append(summary)
    return summaries


def results_frame(study: Study, summaries: list[dict[str, Any]]) -> pd.DataFrame:
    """``results.csv``: a row for every cell and metric; ``numbers.beside`` fills paper, delta and verdict."""
    rows = [
        {
            **{name: summary[name] for name in ("dataset", "encoder", "protocol", "variant", "n_test")},
            **{name: value for name, value in values.items() if name != "by_seed"},
            "metric": metric,
            "n_seeds": len(summary["seeds"]),
            "command": command(study, cell),
            "note": note(study, cell),
        }
        for summary in summaries
        for cell in [(summary["encoder"], summary["variant"])]
        for metric, values in summary["metrics"].items()
    ]
    return pd.DataFrame(rows, columns=RESULT_COLUMNS)


def note(study: Study, cell: Cell) -> str:
    """What a reader of a cell's number must know besides: rows that chose the epoch, a training that others share."""
    said = []
    if study.protocol.selection_split == "test" and cell[1] not in WITHOUT_CHOICE:
        said.append(f"{'C' if cell[1] in study.shared.baselines else 'best epoch'} chosen on the test rows")
    if cell[1] in study.shared.variants and is_ablation(study.shared, cell[1]):
        files = {
            seed: [paths.predictions(study.folder, cell[0], variant, seed) for variant in (cell[1], THREE_PHASE)]
            for seed in study.params.seeds
        }
        same = [str(seed) for seed, pair in files.items() if filecmp.cmp(*pair, shallow=False)]
        if same:
            which = "" if len(same) == len(files) else f" with seed{'s' * (len(same) > 1)} {', '.join(same)}"
            said.append(f"same training as {THREE_PHASE}{which}")
    return "; ".join(said)


def runs_frame(summaries: list[dict[str, Any]]) -> pd.DataFrame:
    """``runs.csv``: a row for every cell, seed, split and metric."""
    rows = [
        {
            **{name: summary[name] for name in ("study", "dataset", "encoder", "protocol", "variant")},
            "seed": int(seed),
            "split": split,
            "metric": metric,
            "value": value,
        }
        for summary in summaries
        for split, metrics in (("validation", summary["validation"]), ("test", summary["metrics"]))
        for metric, values in metrics.items()
        for seed, value in values["by_seed"].items()
    ]
    return pd.DataFrame(rows, columns=RUN_COLUMNS)


def missing_numbers(study: Study, results: pd.DataFrame) -> list[str]:
    """``cell, metric`` of every row that the study's params ask for and that ``results`` has no numbers for."""
    numbers = results.dropna(subset=["mean", "ci_low", "ci_high"])
    known = set(zip(numbers["encoder"], numbers["variant"], numbers["metric"], strict=True))
    metrics = metrics_of(study.dataset.positive_class)
    wanted = [(cell, metric) for cell in cells(study) for metric in metrics if (*cell, metric) not in known]
    return [f"{paths.cell_name(*cell)}, {metric}" for cell, metric in wanted]


def scores_frame(study: Study, results: pd.DataFrame) -> pd.DataFrame:
    """What ``dvc plots`` compares: columns cell and score, the primary metric's mean over the seeds."""
    primary = results[results["metric"] == study.params.primary_metric]
    names = [paths.cell_name(*cell) for cell in zip(primary["encoder"], primary["variant"], strict=True)]
    return pd.DataFrame({"cell": names, "score": primary["mean"].to_numpy()})


def read_results(file: Path) -> pd.DataFrame:
    """Read results.csv, runs.csv, claims.csv or differences.csv back."""
    if not file.is_file():
        raise UserError(
            f"{file}: no such file, expected what collect_results writes; "
            "run dvc repro collect_results in the study's folder"
        )
    return read_frame(file)


def read_frame(file: Path) -> pd.DataFrame:
    """Read a table of results; an empty text stays one, "none" or "NA" stay texts, an empty number is missing."""
    columns = read_csv(file, nrows=0).columns
    numbers = {name: [""] for name in columns if name not in TEXT_COLUMNS}
    texts = {name: str for name in columns if name in TEXT_COLUMNS}
    return read_csv(file, dtype=texts, keep_default_na=False, na_values=numbers)
