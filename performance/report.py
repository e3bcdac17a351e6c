"""Seconds from the runs of a study to its page, on a study made larger: python -m performance.report.

Needs a finished study with seeds (make repro). In a folder of its own each run stands many times over, as other
seeds, with a tenth of its predicted classes drawn anew so that seeds differ; then the stages behind the trainings run
one after another, as dvc would start them. Not counted: dvc itself, what resolves the settings, and the pictures of
the encoders (t-SNE), which don't grow with the runs.
"""

import dataclasses
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from performance.process import output_of
from threephase.base import paths
from threephase.base.errors import UserError, run_stage
from threephase.base.files import read_json, read_table, sha256_of, write_json, write_table, write_text
from threephase.base.run_reports import RESULT
from threephase.project.project import yaml_text
from threephase.results.cells import cells
from threephase.study.arguments import stage_parser
from threephase.study.params import Study
from threephase.study.read_params import study_in
from threephase.study.topology import CLASSIFIER_PHASE, REPORT_STAGES

REPOSITORY = Path(__file__).resolve().parent.parent
REDRAWN = 0.1
LINKED = (
    Path("stages"),
    Path("threephase"),
    paths.PAPER,
    paths.DATA,
    paths.ENCODERS,
    paths.SHARED_PARAMS,
    paths.CITATION,
)


def enlarge(study: Study, seeds: int, root: Path) -> None:
    """Write the study's runs below ``root`` with so many seeds, and the parameters and examples they belong to.

    The study is the default one there. Only predicted classes are drawn anew: probabilities stay those of the run.
    Raises UserError where the study is not finished or its seeds are folds, of which there are no more.
    """
    name, folder, known = study.params.name, study.folder, study.params.seeds
    if study.dataset.folds is not None:
        raise UserError(f"{name}: got a study whose seeds are folds, expected one with seeds, such as bbc")
    if not (paths.reports(folder) / "index.html").is_file():
        raise UserError(f"{name}: has no page yet; run: {study.in_folder} repro")
    root.mkdir(parents=True, exist_ok=True)
    for linked in LINKED:
        (root / linked).symlink_to(linked.resolve())
    params = dataclasses.asdict(study.params) | {"seeds": list(range(seeds)), "draw_encoders": False}
    write_text(root / paths.PARAMS, yaml_text(params))
    paths.examples(root).parent.mkdir(parents=True)
    shutil.copyfile(paths.examples(folder), paths.examples(root))
    for seed in range(seeds):
        copied = known[seed % len(known)]
        shutil.copytree(paths.splits(folder, copied), paths.splits(root, seed))
        for kind in ("histories", "reports"):
            for file in (folder / paths.RUNS / kind).glob(f"*/{copied}-*"):
                target = root / paths.RUNS / kind / file.parent.name / file.name.replace(str(copied), str(seed), 1)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        for cell in cells(study):
            frame, random = read_table(paths.predictions(folder, *cell, copied)), np.random.default_rng(seed)
            drawn = pd.Series(random.permutation(frame["predicted"].to_numpy()), index=frame.index)
            frame["predicted"] = frame["predicted"].where(random.random(len(frame)) > REDRAWN, drawn)
            write_table(paths.predictions(root, *cell, seed), frame)
            report = paths.run_report(root, *cell, seed, CLASSIFIER_PHASE)
            if cell[1] in study.params.baselines and report.is_file():
                # That of a baseline belongs to its predictions, others to their histories, which stay.
                checked = {RESULT: sha256_of(paths.predictions(root, *cell, seed))}
                write_json(report, read_json(report) | checked)


def steps(study: Study) -> list[tuple[str, ...]]:
    """The stages behind the trainings with their arguments, in their order."""
    summaries = [
        ("summarize_cell", *(["--encoder", encoder] if encoder else []), "--variant", variant)
        for encoder, variant in cells(study)
    ]
    return [*summaries, *((stage,) for stage in REPORT_STAGES)]


def run_steps(study: Study, root: Path) -> float:
    """Run them on the runs below ``root``, print the seconds of each, and return their sum."""
    environment, total = os.environ | {"PYTHONPATH": str(REPOSITORY)}, 0.0
    for stage in ("write_pipelines", "resolve_settings"):
        output_of(f"stages.{stage}", what=stage, cwd=root, env=environment)
    for stage, *options in steps(study):
        start = time.perf_counter()
        output_of(f"stages.{stage}", *options, what=stage, cwd=root, env=environment)
        taken = time.perf_counter() - start
        print(f"{' '.join((stage, *options))}: {taken:.1f} s", flush=True)
        total += taken
    return total


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--runs", type=int, default=600, help="trainings and baselines in all, at least")
    arguments = parser.parse_args()
    study = study_in(arguments.study)
    seeds = -(-arguments.runs // len(cells(study)))
    with tempfile.TemporaryDirectory() as folder:
        enlarge(study, seeds, Path(folder))
        total = run_steps(study, Path(folder))
    print(f"{seeds * len(cells(study))} runs ({seeds} seeds of {len(cells(study))} cells): {total:.1f} s to the page")


if __name__ == "__main__":
    run_stage(main)
