"""Hyper-parameter search on validation rows of one seed that is never reported.

Each trial runs the very stages of the pipeline in a workspace of its own. There the study is the default one, with a
point of the grid in its params file. First phase 1 is chosen, then phase 2, then phase 3 for each variant.
"""

import dataclasses
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

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import read_table, write_text
from threephase.model.machine import choose_machine
from threephase.phases.baselines import best_model, logistic_regressions, read_parts, unit_vectors
from threephase.project.project import yaml_text
from threephase.results.tables import METRIC_TITLES
from threephase.scores.metrics import scores
from threephase.scores.predictions import classes_of
from threephase.study.params import DENOISED, PRETRAINED, THREE_PHASE, Study
from threephase.study.topology import CLASSIFIER_PHASE, CONTRAST, DENOISE, ENCODER_PHASE, JOINT_TRAINING

Point = dict[str, float]
# In the order of preference: of points that are equally good, within TOLERANCE, the first and cheapest is chosen.
TOLERANCE = 1.0  # points of the selection metric; on 200 validation rows its standard error is about 3
PHASE_1 = {"epochs_dae": [1], "deletion_ratio": [0.4, 0.6], "lr_dae": [1e-5, 5e-5, 1e-4]}
PHASE_2 = {"epochs_contrastive": [2, 4], "lr_contrastive": [1e-4, 2e-4, 5e-4]}
PHASE_3 = {"max_epochs_classifier": [4, 8], "lr_classifier": [2e-4, 5e-4, 1e-3]}
LINKED = (
    *map(Path, ("stages", "threephase", "commands")), paths.DATA, paths.ENCODERS, paths.PAPER, paths.SHARED_PARAMS,
    paths.CITATION, paths.ENGINE_CHOICE,
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One point of a phase's grid for one variant: its score on validation rows and what it cost."""

    phase: str
    variant: str
    point: Point
    score: float
    sequence_updates: int
    workspace: Path

    @property
    def settings(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in self.point.items())


def points(grid: dict[str, list[float]]) -> Iterator[Point]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def best_of(trials: list[Trial]) -> Trial:
    """The first trial whose score is within TOLERANCE of the highest."""
    highest = max(trial.score for trial in trials)
    return next(trial for trial in trials if trial.score >= highest - TOLERANCE)


class Search:
    """The search for one encoder of a study."""

    def __init__(self, study: Study, encoder: str, seed: int, folder: Path):
        if seed in study.params.seeds:
            raise UserError(f"{study.file}: seeds: got {seed}, which is reported; expected another seed for the search")
        if study.protocol.selection_split != "validation" or study.dataset.folds is not None:
            got = f"got protocol {study.params.protocol!r} and folds {study.dataset.folds}"
            expected = "expected a protocol that selects on validation rows and a data set without folds"
            raise UserError(f"{study.file}: {got}, {expected}: a search must not see what is reported")
        self.study, self.encoder, self.seed, self.folder = study, encoder, seed, folder
        self.machine = choose_machine(study.shared.engine)
        self.metric = study.params.primary_metric
        self.trials: list[Trial] = []
        self.report: dict[str, Any] = {}  # of the newest trial; all run on one machine

    def run(self) -> list[Trial]:
        """All trials, in order; prints a line after each."""
        start = self._workspace("split", {})
        self._run(start, "stages", "split_data", "--seed", str(self.seed))
        denoised = self._best_encoder("phase 1", DENOISE, DENOISED, PHASE_1, {}, start)
        contrasted = self._best_encoder("phase 2", CONTRAST, THREE_PHASE, PHASE_2, denoised.point, denoised.workspace)
        for variant in self._searched_variants():
            self._make_encoder(variant, contrasted.workspace)
            for point in points(PHASE_3):
                self._classifier_trial(variant, denoised.point | contrasted.point, point, contrasted.workspace)
        return self.trials

    def _searched_variants(self) -> list[str]:
        """Those of the study but for controls, whose classifiers are trained as those without, and recipes."""
        known = self.study.shared.variants
        trained = self.study.params.variants_of(self.encoder)
        return [name for name in trained if known[name].pairs_as_many_as is None and known[name].recipe is None]

    def _make_encoder(self, variant: str, workspace: Path) -> None:
        """Run what makes the variant's encoder in the workspace of phase 2's best trial, where it is not made yet."""
        source = self.study.shared.variants[variant].encoder_from
        if source == JOINT_TRAINING:
            self._train(workspace, JOINT_TRAINING, variant)
        elif source not in (DENOISE, PRETRAINED) and variant != THREE_PHASE:
            self._train(workspace, CONTRAST, variant)

    def _best_encoder(
        self, phase: str, stage: str, variant: str, grid: dict[str, list[float]], earlier: Point, start: Path
    ) -> Trial:
        """Train an encoder at each point; its score is a logistic regression's on its vectors, on validation rows."""
        trials = []
        for point in points(grid):
            workspace = self._workspace(phase, earlier | point, start)
            self._train(workspace, stage, variant)
            trials.append(
                self._trial(phase, variant, point, self._probed(variant, workspace), workspace, ENCODER_PHASE)
            )
        return best_of(trials)

    def _probed(self, variant: str, workspace: Path) -> float:
        from threephase.model.encoder_folder import load_trained

        folder = paths.trained_encoder(workspace, self.encoder, variant, self.seed)
        parts, classes = read_parts(workspace, self.seed)
        labels = {part: parts[part]["label"].to_numpy() for part in ("train", "validation")}
        encoder = load_trained(folder)
        vectors = {part: unit_vectors(parts[part]["text"].tolist(), encoder, folder, self.machine) for part in labels}
        models = logistic_regressions(self.study.shared.baseline_inverse_regularization)
        return best_model(models, vectors, labels, classes, self.metric, "validation")[0]

    def _classifier_trial(self, variant: str, earlier: Point, point: Point, start: Path) -> Trial:
        workspace = self._workspace(f"phase 3-{variant}", earlier | point, start)
        self._train(workspace, "train_classifier", variant, "--validation-only")
        predictions = read_table(paths.predictions(workspace, self.encoder, variant, self.seed))
        labels, predicted = predictions["label"].to_numpy(), predictions["predicted"].to_numpy()
        score = scores(labels, predicted, classes_of(predictions))[self.metric]
        return self._trial("phase 3", variant, point, score, workspace, CLASSIFIER_PHASE)

    def _trial(self, phase: str, variant: str, point: Point, score: float, workspace: Path, report: str) -> Trial:
        file = paths.run_report(workspace, self.encoder, variant, self.seed, report)
        self.report = json.loads(file.read_text(encoding="utf-8"))
        trial = Trial(phase, variant, point, score, self.report["sequence_updates"], workspace)
        self.trials.append(trial)
        print(f"{phase}, {variant}: {trial.settings}: {score:.1f} ({trial.sequence_updates} sequences)", flush=True)
        return trial

    def _workspace(self, phase: str, point: Point, start: Path | None = None) -> Path:
        """A folder in which stages run: shared code and data, its own params, and the runs of ``start`` linked.

        Without another workspace to start from it has the prepared data and the encoder of the study.
        """
        name = "-".join([phase.replace(" ", "_"), *(f"{value:g}" for value in point.values())])
        folder = (self.folder / name).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for linked in LINKED:
            (folder / linked).symlink_to(linked.resolve())
        write_text(folder / paths.PARAMS, yaml_text(self._params(point)))
        if start is None:
            self._link_inputs(folder)
            self._run(folder, "commands.write_pipelines")
        else:  # all have the same stages
            shutil.copytree(start / paths.RUNS, folder / paths.RUNS, copy_function=os.link)
            os.link(start / paths.PIPELINE, folder / paths.PIPELINE)
        self._run(folder, "stages", "resolve_settings")
        return folder

    def _link_inputs(self, folder: Path) -> None:
        study, encoder = self.study, self.encoder
        for made, place in (
            (paths.examples(study.folder), paths.examples(folder)),
            (paths.pretrained_encoder(study.folder, encoder), paths.pretrained_encoder(folder, encoder)),
        ):
            if not made.exists():
                raise UserError(
                    f"{made}: not there, expected it before a search; run: {study.in_folder} repro prepare_data "
                    f"fetch_encoder@{encoder}"
                )
            place.parent.mkdir(parents=True, exist_ok=True)
            if made.is_dir():
                shutil.copytree(made, place, copy_function=os.link)
            else:
                os.link(made, place)

    def _params(self, point: Point) -> dict[str, Any]:
        """The study's params for one encoder and the variants that are searched, with the point written in."""
        content = dataclasses.asdict(self.study.params)
        settings = content["hyperparameters"][self.encoder] | next(points(PHASE_3)) | point
        variants = list(dict.fromkeys([THREE_PHASE, *self.study.params.variants_of(self.encoder)]))
        searched = {"encoders": [self.encoder], "variants": variants, "hyperparameters": {self.encoder: settings}}
        return content | searched | {"baselines": [], "draw_encoders": False}

    def _train(self, workspace: Path, stage: str, variant: str, *options: str) -> None:
        named = ("--encoder", self.encoder, "--variant", variant)
        self._run(workspace, "stages", stage, "--seed", str(self.seed), *named, *options)

    def _run(self, workspace: Path, *words: str) -> None:
        finished = subprocess.run([sys.executable, "-m", *words], cwd=workspace, capture_output=True, text=True)
        if finished.returncode:
            program = words[1] if words[0] == "stages" else words[0]
            raise UserError(f"{program} in {workspace}: {finished.stderr.strip()}")


def introduction(study: Study, encoder: str, seed: int, report: dict[str, Any]) -> str:
    """What the table of trials shows and on what they ran (``report``: of one of them), as Markdown."""
    metric = METRIC_TITLES[study.params.primary_metric]
    params, named = study.params, "" if study.folder == Path() else f" --study {study.params.name}"
    return f"""# Hyper-parameters of {params.name}, {study.shared.encoders[encoder].title}

Chosen on the validation rows of seed {seed}, which is never reported; no test score was computed. First phase 1 is
chosen, then phase 2 from there, then phase 3, with the same grid for every variant. Phases 1 and 2 are scored by
logistic regression on the encoder's vectors, phase 3 by the classifier, both by {metric} in percent.
Of the points within {TOLERANCE:g} of the best, the first and cheapest is chosen. "Sequences" went through
the encoder or decoder with a gradient. Phase 2 is searched for three_phase, and joint takes phase 1's rate. All other
settings were set beforehand. With 200 validation rows the standard error is about 3 points, and the best of a grid
flatters. Read the choices as reasonable, not as optimal. Epochs are bounded by what a study of ten minutes can afford.
Run on {report["device"]} ({report["gpu"] or report["cpu_model"]}), {report["precision"]}, {report["threads"]} threads,
torch {report["versions"]["torch"]}.

    python -m commands.search_hyperparameters{named} --encoder {encoder} --seed {seed} --table ...
"""


def trials_table(trials: list[Trial], study: Study) -> pd.DataFrame:
    """A row a trial: phase, variant, settings, score in percent, sequences trained on, and whether it was chosen."""
    by_search: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        by_search.setdefault((trial.phase, trial.variant), []).append(trial)
    chosen = [best_of(alternatives) for alternatives in by_search.values()]
    rows = [
        {
            "phase": trial.phase,
            "variant": study.title(trial.variant),
            "settings": trial.settings,
            "validation score": f"{trial.score:.1f}",
            "sequences": trial.sequence_updates,
            "chosen": "yes" if trial in chosen else "",
        }
        for trial in trials
    ]
    return pd.DataFrame(rows)
