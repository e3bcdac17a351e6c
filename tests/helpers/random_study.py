"""Studies drawn at random, with results by the project's own statistics: what a page must say and hold.

Few or many classes, variants and seeds, long names, cells that are missing, without any variance, or always right.
"""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from threephase.base import paths
from threephase.base.files import write_table
from threephase.report.finished import Finished
from threephase.results import mistakes
from threephase.results.curves import CURVE_COLUMNS, CURVES
from threephase.results.differences import verdict
from threephase.results.results import CLAIM_COLUMNS, DIFFERENCE_COLUMNS, RESULT_COLUMNS, RUN_COLUMNS
from threephase.scores import statistics
from threephase.scores.metrics import METRICS
from threephase.scores.statistics import NOT_RUN
from threephase.study.params import Study, Variant
from threephase.study.source_params import DataSource
from threephase.study.topology import cells, command, trainings

WORDS = ("denoising", "contrastive", "Überprüfungsverfahren", "x" * 60, "a", "of", "漢字", "30%", "<b>", "fine-tuning")


def random_study(base: Study, number: int, folder: Path, drawn: bool = True, own: bool = False) -> Finished:
    """A study like ``base``, another one for every ``number``; what its page draws lies in ``folder``, if it does.

    ``own``: on a reader's own texts, whose updates are always recorded.
    """
    random = np.random.default_rng(number)
    study = _study(base, random)
    if own:
        dataset = dataclasses.replace(study.dataset, source=DataSource(files="reviews.csv"))
        study = dataclasses.replace(study, dataset=dataset)
    classes = [_name(random, 3) + f" {label}" for label in range(random.choice([2, 3, 5, 10, 11, 40]))]
    labels = random.choice(classes, 30)
    gone = {cell for cell in cells(study) if random.random() < 0.1}
    right = {cell: _right(random, len(study.params.seeds)) for cell in cells(study) if cell not in gone}
    if drawn or own:
        write_table(folder / "curves.csv", _curves(study, random))
    if drawn:
        predictions = pd.concat([_predictions(cell, right[cell], labels, classes, random) for cell in right])
        predictions = predictions[predictions["variant"].isin(study.params.trained())]
        write_table(paths.mistakes(folder) / "confusion.csv", mistakes.confusion_frame(predictions, classes))
        write_table(paths.mistakes(folder) / "disagreements.csv", mistakes.disagreements_frame(predictions))
    results, runs = _results(study, right, np.random.default_rng([number, 1]))
    differences = _differences(study, right)
    return Finished(study, results, runs, differences, _claims(study, differences), [], folder)


def _name(random: np.random.Generator, most: int) -> str:
    return " ".join(random.choice(WORDS, random.integers(1, most + 1)))


def _study(base: Study, random: np.random.Generator) -> Study:
    more = {f"variant_{number}": Variant(_name(random, 8), "pretrained", None) for number in range(12)}
    variants = base.shared.variants | more
    shared = dataclasses.replace(base.shared, variants=variants)
    others = [name for name in variants if name != "three_phase"]
    chosen = random.permutation(others)[: random.integers(2, 20)].tolist()
    seeds = list(range(random.choice([1, 2, 2, 3, 5, 10])))
    baselines = random.permutation(list(shared.baselines))[: random.integers(0, 4)].tolist()
    params = dataclasses.replace(base.params, variants=["three_phase", *chosen], seeds=seeds, baselines=baselines)
    return dataclasses.replace(base, shared=shared, params=params)


def _right(random: np.random.Generator, seeds: int, rows: int = 30) -> np.ndarray:
    """Whether each answer [seeds, rows] is right: by chance, always, never, or the same with every seed."""
    shares = np.clip(random.normal(random.choice([0.05, 0.5, 0.9]), random.choice([0, 0.02, 0.2]), seeds), 0, 1)
    drawn = random.random((seeds, rows)) < shares[:, None]
    kind = random.choice(["drawn", "drawn", "drawn", "always", "never", "alike"])
    return {"drawn": drawn, "always": drawn | True, "never": drawn & False, "alike": drawn[:1].repeat(seeds, 0)}[kind]


def _interval(study: Study, values: np.ndarray) -> statistics.Interval:
    rule = study.shared.statistics
    return statistics.mean_interval(100.0 * values, rule.confidence, rule.min_seeds_for_seed_variance)


def _results(study: Study, right: dict, random: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validation scores are near the test scores, equal to them, or rounded so that methods and seeds tie."""
    results, runs, step = [], [], random.choice([0.1, 10, 50])
    about = {"dataset": study.params.dataset, "protocol": study.params.protocol}
    for cell, values in right.items():
        interval, who = _interval(study, values), dict(zip(("encoder", "variant"), cell, strict=True))
        for metric in METRICS:
            row = about | who | {"metric": metric, "n_seeds": len(values), "n_test": values.shape[1], "note": ""}
            row |= {"mean": interval.mean, "ci_low": max(interval.low, 0.0), "ci_high": min(interval.high, 100.0)}
            results.append(row | {"ci_kind": interval.kind, "command": command(study, cell)})
            for seed, value in enumerate(100.0 * values.mean(axis=1)):
                near = np.clip(step * round((value + random.choice([0, 5]) * random.normal()) / step), 0, 100)
                run = about | who | {"seed": seed, "metric": metric}
                runs += [run | {"split": "test", "value": value}, run | {"split": "validation", "value": near}]
    return pd.DataFrame(results, columns=RESULT_COLUMNS), pd.DataFrame(runs, columns=RUN_COLUMNS)


def _differences(study: Study, right: dict) -> pd.DataFrame:
    """Of all pairs, a claim's the way round that the claim has it."""
    rule, rows = study.shared.statistics, []
    claimed = {(claim.variant, other) for claim in study.shared.claims.values() for other in claim.others}
    for pair in itertools.combinations(right, 2):
        first, other = pair[::-1] if (pair[1][1], pair[0][1]) in claimed else pair
        values = right[first].astype(float) - right[other]
        interval = _interval(study, values)
        row = {"encoder": first[0] or other[0], "variant": first[1], "other": other[1], "metric": "macro_f1"}
        row |= {"difference": interval.mean, "ci_low": interval.low, "ci_high": interval.high}
        row |= {"by_seed": ", ".join(f"{value:+.1f}" for value in 100 * values.mean(axis=1))}
        smallest = statistics.detectable(interval, rule.confidence, rule.detectable_power)
        row |= {"ci_kind": interval.kind, "p_value": statistics.p_value(interval), "detectable": smallest}
        rows.append(row)
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _claims(study: Study, differences: pd.DataFrame) -> pd.DataFrame:
    known = {(row["variant"], row["other"]): row for row in differences.to_dict("records")}
    rows = []
    for name, claim in study.shared.claims.items():
        for other in claim.others:
            row = {"claim": name, "text": claim.text, "variant": claim.variant, "other": other}
            row |= {"encoder": study.params.encoders[0], "verdict": NOT_RUN, "ci_kind": "", "by_seed": ""}
            if found := known.get((claim.variant, other)):
                row |= found | {"verdict": verdict(study, found)}
            rows.append(row)
    return pd.DataFrame(rows, columns=CLAIM_COLUMNS)


def _predictions(
    cell: tuple[str, str], right: np.ndarray, labels: np.ndarray, classes: list[str], random: np.random.Generator
) -> pd.DataFrame:
    frames = []
    for seed, of_seed in enumerate(right):
        predicted = np.where(of_seed, labels, random.choice(classes, len(labels)))
        rows = {"example_id": [f"test-{row:06d}" for row in range(len(labels))], "label": labels}
        who = {"encoder": cell[0], "variant": cell[1], "seed": seed}
        frames.append(pd.DataFrame(rows | {"predicted": predicted}).assign(**who))
    return pd.concat(frames, ignore_index=True)


def _curves(study: Study, random: np.random.Generator) -> pd.DataFrame:
    points = [
        (curve.name, training.encoder, training.variant, seed, x, y)
        for curve, training, seed in itertools.product(CURVES, trainings(study), study.params.seeds)
        if training.program in curve.programs
        for x, y in enumerate(random.normal(10.0 ** random.integers(-3, 4), 1, random.integers(1, 11)), 1)
    ]
    return pd.DataFrame(points, columns=CURVE_COLUMNS)
