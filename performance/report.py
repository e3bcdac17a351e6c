"""Seconds from the runs of a benchmark to its page, on a benchmark made larger: python -m performance.report.

Needs a finished benchmark with seeds (make repro). In a folder of its own each run stands many times over, as other
seeds, with a tenth of its predicted classes drawn anew so that seeds differ; then the stages behind the trainings run
one after another, as dvc would start them. Not counted: dvc itself, and the pictures of the encoders (t-SNE), which
don't grow with the runs.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from performance.process import output_of
from stages.common import paths
from stages.common.analysis.cells import cells
from stages.common.config import load_study
from stages.common.errors import UserError, run_stage
from stages.common.files import read_table, write_table
from stages.common.settings import Study

REPOSITORY = Path(__file__).resolve().parent.parent
REDRAWN = 0.1
COPIED = (paths.SHARED_PARAMS, paths.CITATION, paths.DEVIATIONS, paths.PAPER_PARAMS, paths.PAPER_NUMBERS)


def enlarge(study: Study, seeds: int, root: Path) -> None:
    """Write the study's runs below ``root`` with so many seeds, and the parameters and examples they belong to.

    Only predicted classes are drawn anew: probabilities stay those of the run. Raises UserError where the study is not
    finished or its seeds are folds, of which there are no more.
    """
    name, known = study.benchmark.name, study.benchmark.seeds
    if study.dataset.folds is not None:
        raise UserError(f"{name}: got a benchmark whose seeds are folds, expected one with seeds, such as bbc")
    if not (paths.REPORTS / name / "index.html").is_file():
        raise UserError(f"{name}: has no page yet; run: dvc repro {paths.BENCHMARKS / name}/dvc.yaml")
    files = [*COPIED, paths.dataset_params(study.benchmark.dataset), paths.examples(study.benchmark.dataset)]
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, root / file)
    yaml, params = YAML(), root / paths.benchmark_params(name)
    changed = yaml.load(paths.benchmark_params(name)) | {"seeds": list(range(seeds)), "run_representations": []}
    params.parent.mkdir(parents=True)
    yaml.dump(changed, params)
    for seed in range(seeds):
        copied = known[seed % len(known)]
        shutil.copytree(paths.splits(name, copied), root / paths.splits(name, seed))
        for kind in ("histories", "reports"):
            for file in (paths.RUNS / name / kind).glob(f"*/{copied}-*"):
                target = root / file.with_name(file.name.replace(str(copied), str(seed), 1))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        for cell in cells(study):
            frame, random = read_table(paths.predictions(name, *cell, copied)), np.random.default_rng(seed)
            drawn = pd.Series(random.permutation(frame["predicted"].to_numpy()), index=frame.index)
            frame["predicted"] = frame["predicted"].where(random.random(len(frame)) > REDRAWN, drawn)
            write_table(root / paths.predictions(name, *cell, seed), frame)


def steps(study: Study) -> list[tuple[str, ...]]:
    """The stages behind the trainings with their arguments, in their order."""
    summaries = [
        ("summarize_cell", *(["--encoder", encoder] if encoder else []), "--variant", variant)
        for encoder, variant in cells(study)
    ]
    return [
        *summaries,
        *((stage,) for stage in ("collect_results", "render_tables", "render_figures", "render_report")),
    ]


def run_steps(study: Study, root: Path) -> float:
    """Run them on the runs below ``root``, print the seconds of each, and return their sum."""
    environment, total = os.environ | {"PYTHONPATH": str(REPOSITORY)}, 0.0
    for stage, *options in steps(study):
        start = time.perf_counter()
        arguments = ("--benchmark", study.benchmark.name, *options)
        output_of(f"stages.{stage}", *arguments, what=stage, cwd=root, env=environment)
        taken = time.perf_counter() - start
        print(f"{' '.join((stage, *options))}: {taken:.1f} s", flush=True)
        total += taken
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", default="bbc", help="a finished benchmark")
    parser.add_argument("--runs", type=int, default=600, help="trainings and baselines in all, at least")
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    seeds = -(-arguments.runs // len(cells(study)))
    with tempfile.TemporaryDirectory() as folder:
        enlarge(study, seeds, Path(folder))
        total = run_steps(study, Path(folder))
    print(f"{seeds * len(cells(study))} runs ({seeds} seeds of {len(cells(study))} cells): {total:.1f} s to the page")


if __name__ == "__main__":
    run_stage(main)
