"""Which classifier of a finished study is kept, and its folder with scores and model card."""

from pathlib import Path

import numpy as np

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import new_folder, read_table, sha256_of, write_json, write_text
from threephase.phases.kept_classifier import DESCRIPTION, Description
from threephase.phases.onnx_file import refuse_onnx, write_onnx
from threephase.phases.remade_classifier import write_remade
from threephase.report.finished import read_finished
from threephase.report.model_card import model_card
from threephase.report.own_answer import Method, OwnAnswer, own_answer
from threephase.results.cells import test_rows
from threephase.scores.metrics import row_values
from threephase.scores.predictions import classes_of
from threephase.scores.statistics import mean_interval
from threephase.study.params import Study

SCORES = "scores.json"


def keep(study: Study, folder: Path, with_onnx: bool = False) -> str:
    """Make the classifier of the method to use again, write its folder, and say which one it is and why.

    Refuses a study that isn't finished, or whose methods have no validation scores to be chosen by, or whose test rows
    chose epochs and C, and a folder that holds something else.
    """
    if folder.exists() and not (folder / DESCRIPTION).is_file():
        raise UserError(f"--folder: {folder}: holds no classifier that would be replaced, expected a new folder")
    if not (results := paths.results(study.folder)).is_file():
        raise UserError(
            f"{results}: no such file, expected a finished study; run: make repro STUDY={study.params.name}"
        )
    answer = own_answer(read_finished(study, with_costs=False))
    if answer.chosen is None:
        raise UserError(
            f"{study.file}: no method can be chosen without validation scores of every seed; expected a finished study "
            "whose protocol sets validation rows apart and chooses by them (selection_split validation)"
        )
    if with_onnx:
        refuse_onnx(answer.chosen.row.encoder, answer.chosen.title)
    seed = median_seed(study.params.seeds, answer.chosen.validation)
    write(study, answer, answer.chosen, seed, folder, with_onnx)
    return reason(answer, answer.chosen, seed)


def write(study: Study, answer: OwnAnswer, method: Method, seed: int, folder: Path, with_onnx: bool = False) -> None:
    """Write the folder of a method's model of one seed, whole or not at all."""
    cell = (method.row.encoder, method.row.variant)
    with new_folder(folder) as new:
        described = write_remade(study, *cell, seed, new)
        scores = own_scores(study, *cell, seed)
        write_json(new / SCORES, scores)
        if with_onnx:
            write_onnx(new)
        card = model_card(answer, method, described, scores, reason(answer, method, seed), with_onnx)
        write_text(new / "README.md", card)


def median_seed(seeds: list[int], validation: list[float]) -> int:
    """The seed whose validation score is the median; of an even number the lower of the two in the middle."""
    return sorted(zip(validation, seeds, strict=True))[(len(seeds) - 1) // 2][1]


def reason(answer: OwnAnswer, method: Method, seed: int) -> str:
    """Which model is kept and why."""
    count = len(answer.study.params.seeds)
    middle = f", the {'' if count % 2 else 'lower '}median of {count} by validation score" * (count > 1)
    of_these = " Only methods that learn from the texts are kept." * answer.guessing_wins
    return f"Kept: “{method.title}” with {answer.units()} {seed}{middle}.{of_these} {answer.how}"


def own_scores(study: Study, encoder: str, variant: str, seed: int) -> dict[str, object]:
    """Every metric of this seed's test rows in percent, with the interval that other test rows would move it in."""
    tested = test_rows(read_table(paths.predictions(study.folder, encoder, variant, seed)))
    rule, positive = study.shared.statistics, study.dataset.positive_class
    values = row_values(tested["label"], tested["predicted"], classes_of(tested), positive)
    metrics = {}
    for metric, of_rows in values.items():
        interval = mean_interval(of_rows[np.newaxis], rule.confidence, rule.min_seeds_for_seed_variance)
        metrics[metric] = {"value": interval.mean, "low": max(interval.low, 0.0), "high": min(interval.high, 100.0)}
    return {"test_rows": len(tested), "confidence": rule.confidence, "metrics": metrics}


def refuse_outdated(study: Study, kept: Description, folder: Path) -> None:
    """Refuse a kept classifier whose study has other scores by now, which may choose another; without any it passes."""
    file = paths.seed_scores(study.folder)
    if kept.study == study.params.name and file.is_file() and sha256_of(file) != kept.seed_scores_sha256:
        raise UserError(
            f"{folder}: the study has been run again since this classifier was kept; type: "
            f"python -m commands.keep_classifier --study {study.params.name}"
        )
