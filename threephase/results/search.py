"""Hyper-parameter search on validation rows of one seed that is never reported.

Each trial runs the very stages of the pipeline in a workspace of its own, in which the study is the default one, with
one point of the grid in its params file. First phase 1 is chosen, then phase 2, then phase 3 for each variant.
"""

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
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
from threephase.study.rules import selection_metric
from threephase.study.topology import CLASSIFY, CONTRAST, DENOISE, JOINT_TRAINING, SPLIT

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
            raise UserError(
                f"{study.file}: got protocol {study.params.protocol!r} and folds {study.dataset.folds}, expected "
                "a protocol that selects on validation rows and a data set without folds: a search must not see "
                "what is reported"
            )
        self.study, self.encoder, self.seed, self.folder = study, encoder, seed, folder
        self.machine = choose_machine(study.shared.engine)
        self.metric = selection_metric(study.params)
        self.trials: list[Trial] = []
        self.report: dict[str, Any] = {}  # of the newest trial; all run on one machine

    def run(self) -> list[Trial]:
        """All trials, in order; prints a line after each."""
        start = self._workspace("split", {}, self._inputs())
        self._stage(start, SPLIT)
        denoised = best_of([self._phase_1(point, start) for point in points(PHASE_1)])
        contrasted = best_of([self._phase_2(point, denoised) for point in points(PHASE_2)])
        for variant in self._searched_variants():
            self._make_encoder(variant, contrasted.workspace)
            for point in points(PHASE_3):
                self._phase_3(denoised.point | contrasted.point, point, variant, contrasted.workspace)
        return self.trials

    def _searched_variants(self) -> list[str]:
        """Those of the study but for controls, whose classifiers are trained as those without, and recipes."""
        known = self.study.shared.variants
        trained = self.study.params.variants_of(self.encoder)
        return [name for name in trained if known[name].pairs_as_many_as is None and known[name].recipe is None]

    def _phase_1(self, point: Point, start: Path) -> Trial:
        workspace = self._workspace("phase_1", point, start / paths.RUNS)
        self._train(workspace, DENOISE, DENOISED)
        return self._probed("phase 1", DENOISED, point, workspace)

    def _phase_2(self, point: Point, denoised: Trial) -> Trial:
        workspace = self._workspace("phase_2", denoised.point | point, denoised.workspace / paths.RUNS)
        self._train(workspace, CONTRAST, THREE_PHASE)
        return self._probed("phase 2", THREE_PHASE, point, workspace)

    def _make_encoder(self, variant: str, workspace: Path) -> None:
        """Run what makes the variant's encoder in the workspace of phase 2's best trial, where it is not made yet."""
        source = self.study.shared.variants[variant].encoder_from
        if source == JOINT_TRAINING:
            self._train(workspace, JOINT_TRAINING, variant)
        elif source not in (DENOISE, PRETRAINED) and variant != THREE_PHASE:
            self._train(workspace, CONTRAST, variant)

    def _phase_3(self, earlier: Point, point: Point, variant: str, start: Path) -> Trial:
        workspace = self._workspace(f"phase_3-{variant}", earlier | point, start / paths.RUNS)
        self._train(workspace, CLASSIFY, variant, "--validation-only")
        predictions = read_table(paths.predictions(workspace, self.encoder, variant, self.seed))
        labels, predicted = predictions["label"].to_numpy(), predictions["predicted"].to_numpy()
        score = scores(labels, predicted, classes_of(predictions))[self.metric]
        return self._done("phase 3", variant, point, score, workspace, "classifier")

    def _probed(self, phase: str, variant: str, point: Point, workspace: Path) -> Trial:
        """Score an encoder by logistic regression on its vectors of training rows, on validation rows."""
        from threephase.model.encoder_folder import load_trained

        folder = paths.trained_encoder(workspace, self.encoder, variant, self.seed)
        parts, classes = read_parts(workspace, self.seed)
        labels = {part: parts[part]["label"].to_numpy() for part in ("train", "validation")}
        encoder = load_trained(folder)
        vectors = {part: unit_vectors(parts[part]["text"].tolist(), encoder, folder, self.machine) for part in labels}
        models = logistic_regressions(self.study.shared.baseline_inverse_regularization)
        score, _, _ = best_model(models, vectors, labels, classes, self.metric, "validation")
        return self._done(phase, variant, point, score, workspace, "encoder")

    def _done(self, phase: str, variant: str, point: Point, score: float, workspace: Path, report: str) -> Trial:
        file = paths.run_report(workspace, self.encoder, variant, self.seed, report)
        self.report = json.loads(file.read_text(encoding="utf-8"))
        updates = self.report["sequence_updates"]
        trial = Trial(phase, variant, point, score, updates, workspace)
        self.trials.append(trial)
        settings = ", ".join(f"{key} {value:g}" for key, value in point.items())
        print(f"{phase}, {variant}: {settings}: {score:.1f} ({updates} sequences)", flush=True)
        return trial

    def _inputs(self) -> dict[Path, Path]:
        """What a search starts from, the prepared data and the encoder of the study, by its place in a workspace."""
        found = {}
        for place in (paths.examples, lambda folder: paths.pretrained_encoder(folder, self.encoder)):
            found[place(Path())] = made = place(self.study.folder)
            if not made.exists():
                raise UserError(
                    f"{made}: not there, expected it before a search; run: {self.study.in_folder} repro prepare_data "
                    f"fetch_encoder@{self.encoder}"
                )
        return found

    def _workspace(self, phase: str, point: Point, start: Path | Mapping[Path, Path]) -> Path:
        """A folder in which stages run: shared code and data, its own params, and the runs of ``start`` linked.

        ``start``: another workspace's runs, or the inputs of all.
        """
        name = "-".join([phase, *(f"{value:g}" for value in point.values())])
        folder = (self.folder / name).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for linked in LINKED:
            (folder / linked).symlink_to(linked.resolve())
        write_text(folder / paths.PARAMS, yaml_text(self._params(point)))
        for place, made in start.items() if isinstance(start, Mapping) else [(Path(paths.RUNS), start)]:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            if made.is_dir():
                shutil.copytree(made, folder / place, copy_function=os.link)
            else:
                os.link(made, folder / place)
        if isinstance(start, Mapping):
            self._run(folder, "commands.write_pipelines")
        else:  # all have the same stages
            os.link(start.with_name(paths.PIPELINE), folder / paths.PIPELINE)
        self._run(folder, "stages.resolve_settings")
        return folder

    def _params(self, point: Point) -> dict[str, Any]:
        """The study's params for one encoder and the variants that are searched, with the point written in."""
        content = dataclasses.asdict(self.study.params)
        settings = content["hyperparameters"][self.encoder] | next(points(PHASE_3)) | point
        variants = list(dict.fromkeys([THREE_PHASE, *self.study.params.variants_of(self.encoder)]))
        return content | {
            "encoders": [self.encoder],
            "variants": variants,
            "baselines": [],
            "draw_encoders": False,
            "hyperparameters": {self.encoder: settings},
        }

    def _train(self, workspace: Path, stage: str, variant: str, *options: str) -> None:
        self._stage(workspace, stage, "--encoder", self.encoder, "--variant", variant, *options)

    def _stage(self, workspace: Path, stage: str, *arguments: str) -> None:
        self._run(workspace, f"stages.{stage}", "--seed", str(self.seed), *arguments)

    def _run(self, workspace: Path, program: str, *arguments: str) -> None:
        command = [sys.executable, "-m", program, *arguments]
        finished = subprocess.run(command, cwd=workspace, capture_output=True, text=True)
        if finished.returncode:
            raise UserError(f"{program.split('.')[1]} in {workspace}: {finished.stderr.strip()}")


def introduction(study: Study, encoder: str, seed: int, report: dict[str, Any]) -> str:
    """What the table of trials shows and on what they ran (``report``: of one of them), as Markdown."""
    params, named = study.params, "" if study.folder == Path() else f" --study {study.params.name}"
    return f"""# Hyper-parameters of {params.name}, {study.shared.encoders[encoder].title}

Chosen on the validation rows of seed {seed}, which is never reported; no test score was computed. First phase 1
is chosen, then phase 2 from there, then learning rate and epochs of phase 3, with the same grid for every variant.
Phases 1 and 2 are scored by logistic regression on the encoder's vectors, phase 3 by the classifier, both by
{METRIC_TITLES[selection_metric(params)]} in percent. Of the points within {TOLERANCE:g} of the best, the first,
which is the cheapest, is chosen. "Sequences" went through the encoder or decoder with a gradient. Not searched:
batch_size, max_length, adam_eps, freeze_encoder, which were set beforehand. Phase 2 is searched for three_phase and
joint takes phase 1's rate. One seed of 200 validation rows has a standard error of about 3 points, and the best of a
grid flatters: read the choices as reasonable, not as optimal. The numbers of epochs are bounded by what a study of
ten minutes can afford: more might be better, so differences may be of speed as well as of quality.
Run on {report["device"]} ({report["gpu"] or report["cpu_model"]}), {report["precision"]}, {report["threads"]} threads,
torch {report["versions"]["torch"]}.

    python -m commands.search_hyperparameters{named} --encoder {encoder} --seed {seed} --table ...
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
