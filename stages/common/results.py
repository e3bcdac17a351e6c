"""From predictions to results: a cell's summary, then the tables of a benchmark's results, runs and claims.

A cell is one variant on one encoder, ``(encoder, variant)``; the encoder is empty where the variant needs none.
"""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common import paths, statistics
from stages.common.errors import UserError
from stages.common.metrics import metrics_of, row_values, scores
from stages.common.predictions import PROBABILITY, classes_of
from stages.common.schema import refuse_unknown
from stages.common.settings import Study

Cell = tuple[str, str]
RESULT_COLUMNS = [
    "dataset", "encoder", "protocol", "variant", "metric", "n_seeds", "n_test", "mean", "std",
    "ci_low", "ci_high", "ci_kind", "paper", "delta", "verdict", "command",
]  # fmt: skip
RUN_COLUMNS = ["benchmark", "dataset", "encoder", "protocol", "variant", "seed", "split", "metric", "value"]
CLAIM_COLUMNS = [
    "claim", "text", "variant", "other", "encoder", "metric", "n_seeds", "n_test",
    "difference", "by_seed", "ci_low", "ci_high", "ci_kind", "verdict",
]  # fmt: skip
TEXT_COLUMNS = {
    "benchmark", "dataset", "encoder", "protocol", "variant", "other", "metric", "split",
    "claim", "text", "by_seed", "ci_kind", "verdict", "command", "paper_encoder", "benchmark_dataset", "note",
}  # fmt: skip


def cells(study: Study) -> list[Cell]:
    """The cells of a benchmark in the order of its tables: by encoder, then what needs none."""
    lists, encoders = study.benchmark.run_variants, study.benchmark.run_encoders
    with_encoder = [(encoder, variant) for encoder in encoders for variant in lists.summarize_cell]
    return with_encoder + [("", variant) for variant in lists.summarize_cell_without_encoder]


def check_cell(study: Study, cell: Cell) -> None:
    """Refuse a cell that the benchmark's params file does not name."""
    known = cells(study)
    if cell not in known:
        names = ", ".join(paths.cell_name(*one) for one in known)
        file = paths.benchmark_params(study.benchmark.name)
        raise UserError(f"{file}: run_variants: got {paths.cell_name(*cell)!r}, expected one of: {names}")


def command(study: Study, cell: Cell) -> str:
    """The command that makes a cell's summary and everything it needs."""
    stage = "summarize_cell" if cell[0] else "summarize_cell_without_encoder"
    return f"dvc repro {paths.BENCHMARKS}/{study.benchmark.name}/dvc.yaml:{stage}@{paths.cell_name(*cell)}"


def read_predictions(study: Study, cell: Cell) -> dict[int, pd.DataFrame]:
    """The predictions of each of the benchmark's seeds, all with the same test examples in the same order."""
    by_seed = {}
    for seed in study.benchmark.seeds:
        file = paths.predictions(study.benchmark.name, *cell, seed)
        if not file.is_file():
            raise UserError(
                f"{file}: no such file, expected the predictions of seed {seed}; run: {command(study, cell)}"
            )
        by_seed[seed] = pd.read_parquet(file)
        _check_predictions(by_seed[seed], file)
        if (
            _test(by_seed[seed])["example_id"].tolist()
            != _test(by_seed[study.benchmark.seeds[0]])["example_id"].tolist()
        ):
            raise UserError(
                f"{file}: example_id: got other test rows than seed {study.benchmark.seeds[0]} has, "
                f"expected the same ones in the same order; run: {command(study, cell)}"
            )
    return by_seed


def _check_predictions(frame: pd.DataFrame, file: Path) -> None:
    for column in ("example_id", "split", "label", "predicted"):
        if column not in frame:
            raise UserError(f"{file}: {column}: the column is missing")
    classes = classes_of(frame)
    probabilities = frame[[PROBABILITY + name for name in classes]].to_numpy(dtype=float)
    if not np.isfinite(probabilities).all():
        row, column = np.argwhere(~np.isfinite(probabilities))[0]
        got = f"row {row}: {PROBABILITY}{classes[column]}: got {probabilities[row, column]}"
        raise UserError(f"{file}: {got}, expected a probability; the training that made it has failed")
    for column in ("label", "predicted"):
        unknown = frame.loc[~frame[column].isin(classes), column]
        if not unknown.empty:
            got = f"row {unknown.index[0]}: {column}: got {unknown.iloc[0]!r}"
            raise UserError(f"{file}: {got}, expected one of: {', '.join(classes)}")
    if _test(frame).empty:
        raise UserError(f"{file}: split: got no test rows, expected some")


def _test(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["split"] == "test"]


def _test_values(by_seed: dict[int, pd.DataFrame], positive: str | None = None) -> dict[str, np.ndarray]:
    """For every metric the values [seeds, test rows] whose mean it is."""
    values = [
        row_values(_test(frame)["label"], _test(frame)["predicted"], classes_of(frame), positive)
        for frame in by_seed.values()
    ]
    return {metric: np.stack([of_seed[metric] for of_seed in values]) for metric in metrics_of(positive)}


def _positive_class(study: Study, by_seed: dict[int, pd.DataFrame]) -> str | None:
    """The data set's positive class, which the predictions must know."""
    positive, known = study.dataset.positive_class, classes_of(next(iter(by_seed.values())))
    if positive is not None:
        refuse_unknown(paths.dataset_params(study.dataset.name), "positive_class", positive, known)
    return positive


def summarize(study: Study, cell: Cell) -> dict[str, Any]:
    """A cell's summary: each metric's mean, std (over seeds, ddof 1), interval and value of each seed, in percent."""
    by_seed = read_predictions(study, cell)
    positive = _positive_class(study, by_seed)
    by_split = {
        split: {
            seed: scores(part["label"], part["predicted"], classes_of(part), positive)
            for seed, frame in by_seed.items()
            if not (part := frame[frame["split"] == split]).empty
        }
        for split in ("test", "validation")
    }
    rule, metrics = study.shared.statistics, {}
    for metric, values in _test_values(by_seed, positive).items():
        interval = statistics.mean_interval(values, rule.confidence, rule.min_seeds_for_seed_variance)
        of_seeds = {str(seed): found[metric] for seed, found in by_split["test"].items()}
        metrics[metric] = {
            "mean": float(np.mean(list(of_seeds.values()))),
            "std": float(np.std(list(of_seeds.values()), ddof=1)) if len(of_seeds) > 1 else None,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "ci_kind": interval.kind,
            "by_seed": of_seeds,
        }
    validation = by_split["validation"].items()
    return {
        "benchmark": study.benchmark.name,
        "dataset": study.benchmark.dataset,
        "encoder": cell[0],
        "protocol": study.benchmark.protocol,
        "variant": cell[1],
        "seeds": list(by_seed),
        "n_test": len(_test(by_seed[study.benchmark.seeds[0]])),
        "metrics": metrics,
        "validation": {
            metric: {"by_seed": {str(seed): found[metric] for seed, found in validation}} for metric in metrics
        },
    }


def read_summaries(study: Study) -> list[dict[str, Any]]:
    """The summaries of all cells in table order; one that is missing or of other seeds is an error with its command."""
    summaries = []
    for cell in cells(study):
        file = paths.cell_summary(study.benchmark.name, *cell)
        if not file.is_file():
            raise UserError(f"{file}: no such file, expected the cell's summary; run: {command(study, cell)}")
        summary = json.loads(file.read_text(encoding="utf-8"))
        if summary["seeds"] != study.benchmark.seeds:
            got = f"got {summary['seeds']}, expected {study.benchmark.seeds} of the benchmark's params"
            raise UserError(f"{file}: seeds: {got}; run: {command(study, cell)}")
        summaries.append(summary)
    return summaries


def results_frame(study: Study, summaries: list[dict[str, Any]]) -> pd.DataFrame:
    """``results.csv``: a row for every cell and metric; ``paper.beside`` fills paper, delta and verdict."""
    rows = [
        {
            **{name: summary[name] for name in ("dataset", "encoder", "protocol", "variant", "n_test")},
            **{name: value for name, value in found.items() if name != "by_seed"},
            "metric": metric,
            "n_seeds": len(summary["seeds"]),
            "command": command(study, (summary["encoder"], summary["variant"])),
        }
        for summary in summaries
        for metric, found in summary["metrics"].items()
    ]
    return pd.DataFrame(rows, columns=RESULT_COLUMNS)


def runs_frame(summaries: list[dict[str, Any]]) -> pd.DataFrame:
    """``runs.csv``: a row for every cell, seed, split and metric."""
    rows = [
        {
            **{name: summary[name] for name in ("benchmark", "dataset", "encoder", "protocol", "variant")},
            "seed": int(seed),
            "split": split,
            "metric": metric,
            "value": value,
        }
        for summary in summaries
        for split, found in (("validation", summary["validation"]), ("test", summary["metrics"]))
        for metric in found
        for seed, value in found[metric]["by_seed"].items()
    ]
    return pd.DataFrame(rows, columns=RUN_COLUMNS)


def missing_numbers(study: Study, results: pd.DataFrame) -> list[str]:
    """``cell, metric`` of every row that the benchmark's params ask for and that ``results`` has no numbers for."""
    numbers = results.dropna(subset=["mean", "ci_low", "ci_high"])
    found = set(zip(numbers["encoder"], numbers["variant"], numbers["metric"], strict=True))
    wanted = [(*cell, metric) for cell in cells(study) for metric in metrics_of(study.dataset.positive_class)]
    return [f"{paths.cell_name(*row[:2])}, {row[2]}" for row in wanted if row not in found]


def scores_frame(study: Study, results: pd.DataFrame) -> pd.DataFrame:
    """What ``dvc plots`` compares: columns cell and score, the primary metric's mean over the seeds."""
    primary = results[results["metric"] == study.benchmark.primary_metric]
    names = [paths.cell_name(*cell) for cell in zip(primary["encoder"], primary["variant"], strict=True)]
    return pd.DataFrame({"cell": names, "score": primary["mean"].to_numpy()})


def claims_frame(study: Study) -> pd.DataFrame:
    """``claims.csv``: a row for every claim, cell that it compares with, and encoder, on the primary metric."""
    rows, known = [], cells(study)
    predictions = functools.cache(lambda cell: read_predictions(study, cell))
    for name, claim in study.shared.claims.items():
        for encoder in study.benchmark.run_encoders:
            for other in claim.others:
                row = {"claim": name, "text": claim.text, "variant": claim.variant, "other": other, "encoder": encoder}
                row |= {"metric": study.benchmark.primary_metric, "verdict": statistics.NOT_RUN}
                pair = [(encoder, claim.variant), (encoder, other)]
                if all(cell in known for cell in pair):
                    row |= _compare(study, pair, [predictions(cell) for cell in pair])
                rows.append(row)
    return pd.DataFrame(rows, columns=CLAIM_COLUMNS).astype({"n_seeds": "Int64", "n_test": "Int64"})


def _compare(study: Study, pair: list[Cell], predictions: list[dict[int, pd.DataFrame]]) -> dict[str, Any]:
    """The columns of a claim that the predictions of its two cells decide."""
    rule = study.shared.statistics
    values = [_test_values(by_seed)[study.benchmark.primary_metric] for by_seed in predictions]
    ids = [_test(by_seed[study.benchmark.seeds[0]])["example_id"].tolist() for by_seed in predictions]
    try:
        interval = statistics.paired_difference(*values, *ids, rule.confidence, rule.min_seeds_for_seed_variance)
    except UserError as error:
        names = " and ".join(paths.cell_name(*cell) for cell in pair)
        raise UserError(f"predictions of {names}: {error}") from None
    return {
        "n_seeds": len(predictions[0]),
        "n_test": len(ids[0]),
        "difference": interval.mean,
        "by_seed": ", ".join(f"{difference:+.1f}" for difference in (values[0] - values[1]).mean(axis=1)),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_kind": interval.kind,
        "verdict": statistics.claim_verdict(interval, study.shared.verdicts.claim_margin),
    }


def read_results(file: Path) -> pd.DataFrame:
    """Read results.csv, runs.csv or claims.csv back."""
    if not file.is_file():
        target = f"{paths.BENCHMARKS}/{file.parent.name}/dvc.yaml:collect_results"
        raise UserError(f"{file}: no such file, expected what collect_results writes; run: dvc repro {target}")
    return read_frame(file)


def read_frame(file: Path) -> pd.DataFrame:
    """Read a table of results; an empty text stays one, "none" or "NA" stay texts, an empty number is missing."""
    columns = pd.read_csv(file, nrows=0).columns
    numbers = {name: [""] for name in columns if name not in TEXT_COLUMNS}
    texts = {name: str for name in columns if name in TEXT_COLUMNS}
    return pd.read_csv(file, dtype=texts, keep_default_na=False, na_values=numbers)
