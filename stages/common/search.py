"""Hyper-parameter search on validation rows of one seed that is never reported.

Each trial runs the very stages of the pipeline in a workspace of its own, with one point of the grid written into
its copy of the benchmark's params file. First phase 1 is chosen, then phase 2, then phase 3 for each variant.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from stages.common import paths
from stages.common.analysis.tables import METRIC_TITLES
from stages.common.baselines import best_model, logistic_regressions, read_parts, unit_vectors, validation_score
from stages.common.engine.switches import selection_metric
from stages.common.errors import UserError
from stages.common.files import read_table
from stages.common.scores.predictions import classes_of
from stages.common.settings import PRETRAINED, Study

Point = dict[str, float]
# In the order of preference: of points that are equally good, within TOLERANCE, the first and cheapest is chosen.
TOLERANCE = 1.0  # points of the selection metric; on 200 validation rows its standard error is about 3
PHASE_1 = {"epochs_dae": [1], "deletion_ratio": [0.4, 0.6], "lr_dae": [1e-5, 5e-5, 1e-4]}
PHASE_2 = {"epochs_contrastive": [2, 4], "lr_contrastive": [1e-4, 2e-4, 5e-4]}
PHASE_3 = {"max_epochs_classifier": [4, 8], "lr_classifier": [2e-4, 5e-4, 1e-3]}
SHARED = (Path("stages"), paths.DATA, paths.ENCODERS, paths.SHARED_PARAMS, paths.ENGINE_CHOICE)


@dataclass(frozen=True)
class Trial:
    """One point of a phase's grid for one variant: its score on validation rows and what it cost."""

    phase: str
    variant: str
    point: Point
    score: float
    sequence_updates: int
    workspace: Path


def points(grid: dict[str, list[float]]) -> Iterator[Point]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def best_of(trials: list[Trial]) -> Trial:
    """The first trial whose score is within TOLERANCE of the highest."""
    highest = max(trial.score for trial in trials)
    return next(trial for trial in trials if trial.score >= highest - TOLERANCE)


class Search:
    """The search for one encoder of a benchmark."""

    def __init__(self, study: Study, encoder: str, seed: int, folder: Path):
        if seed in study.benchmark.seeds:
            file = paths.benchmark_params(study.benchmark.name)
            raise UserError(f"{file}: seeds: got {seed}, which is reported; expected another seed for the search")
        if study.protocol.selection_split != "validation" or study.dataset.folds is not None:
            raise UserError(
                f"{paths.benchmark_params(study.benchmark.name)}: got protocol {study.benchmark.protocol!r} and folds "
                f"{study.dataset.folds}, expected a protocol that selects on validation rows and a data set without "
                "folds: a search must not see what is reported"
            )
        self.study, self.encoder, self.seed, self.folder = study, encoder, seed, folder
        self.name = study.benchmark.name
        self.trials: list[Trial] = []
        self.report: dict[str, Any] = {}  # of the newest trial; all run on one machine

    def run(self) -> list[Trial]:
        """All trials, in order; prints a line after each."""
        start = self._workspace("split", {}, None)
        self._stage(start, "split_data")
        denoised = best_of([self._phase_1(point, start) for point in points(PHASE_1)])
        contrasted = best_of([self._phase_2(point, denoised) for point in points(PHASE_2)])
        for variant, definition in self.study.shared.variants.items():
            # A control's classifier is trained as that of the variant without the control.
            if definition.pairs_as_many_as is None and variant in self._trained_variants():
                self._make_encoder(variant, contrasted.workspace)
                for point in points(PHASE_3):
                    self._phase_3(denoised.point | contrasted.point, point, variant, contrasted.workspace)
        return self.trials

    def _trained_variants(self) -> list[str]:
        lists = self.study.benchmark.run_variants
        return [variant for variant in lists.trained() if self.study.shared.variants[variant].recipe is None]

    def _phase_1(self, point: Point, start: Path) -> Trial:
        workspace = self._workspace("phase_1", point, start)
        self._stage(workspace, "train_dae", "--encoder", self.encoder)
        return self._probed("phase 1", "dae_ft", point, workspace)

    def _phase_2(self, point: Point, denoised: Trial) -> Trial:
        workspace = self._workspace("phase_2", denoised.point | point, denoised.workspace)
        self._stage(workspace, "train_contrastive", "--encoder", self.encoder, "--variant", "three_phase")
        return self._probed("phase 2", "three_phase", point, workspace)

    def _make_encoder(self, variant: str, workspace: Path) -> None:
        """Run what makes the variant's encoder in the workspace of phase 2's best trial, where it is not made yet."""
        source = self.study.shared.variants[variant].encoder_from
        if source == "train_joint":
            self._stage(workspace, "train_joint", "--encoder", self.encoder)
        elif source not in ("train_dae", PRETRAINED) and variant != "three_phase":
            self._stage(workspace, "train_contrastive", "--encoder", self.encoder, "--variant", variant)

    def _phase_3(self, earlier: Point, point: Point, variant: str, start: Path) -> Trial:
        workspace = self._workspace(f"phase_3-{variant}", earlier | point, start)
        self._stage(workspace, "train_classifier", "--encoder", self.encoder, "--variant", variant, "--validation-only")
        predictions = read_table(workspace / paths.predictions(self.name, self.encoder, variant, self.seed))
        labels, predicted = predictions["label"].to_numpy(), predictions["predicted"].to_numpy()
        score = validation_score(labels, predicted, classes_of(predictions), self.study)
        return self._done("phase 3", variant, point, score, workspace, "classifier")

    def _probed(self, phase: str, variant: str, point: Point, workspace: Path) -> Trial:
        """Score an encoder by logistic regression on its vectors of training rows, on validation rows."""
        from stages.common.engine.encoder_folder import load_trained

        folder = workspace / paths.trained_encoder(self.name, self.encoder, variant, self.seed)
        parts, classes = read_parts(self.study, self.seed, workspace)
        labels = {part: parts[part]["label"].to_numpy() for part in ("train", "validation")}
        encoder = load_trained(folder)
        vectors = {part: unit_vectors(parts[part]["text"].tolist(), encoder, folder, self.study) for part in labels}
        score, _, _ = best_model(logistic_regressions(self.study), vectors, labels, classes, self.study, "validation")
        return self._done(phase, variant, point, score, workspace, "encoder")

    def _done(self, phase: str, variant: str, point: Point, score: float, workspace: Path, report: str) -> Trial:
        file = workspace / paths.report(self.name, self.encoder, variant, self.seed, report)
        self.report = json.loads(file.read_text(encoding="utf-8"))
        updates = self.report["sequence_updates"]
        trial = Trial(phase, variant, point, score, updates, workspace)
        self.trials.append(trial)
        settings = ", ".join(f"{key} {value:g}" for key, value in point.items())
        print(f"{phase}, {variant}: {settings}: {score:.1f} ({updates} sequences)", flush=True)
        return trial

    def _workspace(self, phase: str, point: Point, start: Path | None) -> Path:
        """A folder in which stages run: shared code and data, its own params, the runs of ``start`` linked."""
        name = "-".join([phase, *(f"{value:g}" for value in point.values())])
        folder = (self.folder / name).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        params = paths.benchmark_params(self.name)
        (folder / params).parent.mkdir(parents=True)
        for shared in SHARED:
            (folder / shared).symlink_to(shared.resolve())
        yaml = YAML()
        content = yaml.load(params)
        content["hyperparameters"][self.encoder].update(point)
        yaml.dump(content, folder / params)
        if start is not None:
            shutil.copytree(start / paths.RUNS, folder / paths.RUNS, copy_function=os.link)
        return folder

    def _stage(self, workspace: Path, stage: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"stages.{stage}", "--benchmark", self.name, "--seed", str(self.seed)]
        finished = subprocess.run([*command, *arguments], cwd=workspace, capture_output=True, text=True)
        if finished.returncode:
            raise UserError(f"{stage} in {workspace}: {finished.stderr.strip()}")


def introduction(study: Study, encoder: str, seed: int, report: dict[str, Any]) -> str:
    """What the table of trials shows and on what they ran (``report``: of one of them), as Markdown."""
    benchmark = study.benchmark
    return f"""# Hyper-parameters of {benchmark.name}, {study.shared.encoders[encoder].title}

Chosen on the validation rows of seed {seed}, which is never reported; no test score was computed. First phase 1
is chosen, then phase 2 from there, then learning rate and epochs of phase 3, with the same grid for every variant.
Phases 1 and 2 are scored by logistic regression on the encoder's vectors, phase 3 by the classifier, both by
{METRIC_TITLES[selection_metric(benchmark)]} in percent. Of the points within {TOLERANCE:g} of the best, the first,
which is the cheapest, is chosen. "Sequences" went through the encoder or decoder with a gradient. Not searched:
batch_size, max_length, adam_eps, freeze_encoder, which were set beforehand. Phase 2 is searched for three_phase and
joint takes phase 1's rate. One seed of 200 validation rows has a standard error of about 3 points, and the best of a
grid flatters: read the choices as reasonable, not as optimal. The numbers of epochs are bounded by what a study of
ten minutes can afford: more might be better, so differences may be of speed as well as of quality.
Run on {report["device"]} ({report["gpu"] or report["cpu_model"]}), {report["precision"]}, {report["threads"]} threads,
torch {report["versions"]["torch"]}.

    python -m stages.search_hyperparameters --benchmark {benchmark.name} --encoder {encoder} --seed {seed} --table ...
"""


def trials_table(trials: list[Trial], study: Study) -> pd.DataFrame:
    """A row a trial: phase, variant, settings, score in percent, sequences trained on, and whether it was chosen."""
    chosen = [
        best_of([trial for trial in trials if (trial.phase, trial.variant) == key])
        for key in dict.fromkeys((trial.phase, trial.variant) for trial in trials)
    ]
    rows = [
        {
            "phase": trial.phase,
            "variant": study.title(trial.variant),
            "settings": ", ".join(f"{key} {value:g}" for key, value in trial.point.items()),
            "validation score": f"{trial.score:.1f}",
            "sequences": trial.sequence_updates,
            "chosen": "yes" if trial in chosen else "",
        }
        for trial in trials
    ]
    return pd.DataFrame(rows)
