"""Run the stages of studies side by side on Dask's workers, each byte as `dvc repro` makes it."""

import argparse
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError, run_stage
from threephase.study.arguments import folder_of
from threephase.study.read_params import load_shared

TOP = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=folder_of, action="append", metavar="NAME", help="may be given several times")
    parser.add_argument(
        "--workers", type=int, help="processes on this machine; one a GPU, or what cores and memory allow"
    )
    parser.add_argument("--gpus", action="store_true", help="on this machine's GPUs, which the workers share")
    parser.add_argument("--slurm", type=Path, metavar="PROFILE", help="jobs of Slurm: a YAML file, docs/scale.md")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="workers that you started on any machines: docs/scale.md"
    )
    parser.add_argument("--clone", metavar="URL", help="each worker clones this; dvc's remote carries what stages make")
    parser.add_argument("targets", nargs="*", help="stages, as dvc names them; all if left out")
    arguments = parser.parse_args()
    cluster = cluster_of(arguments)

    from distributed import Client

    from threephase.project.distribution import Distribution
    from threephase.project.turns import turn

    folders = arguments.study or [Path()]
    studies = [(folder, arguments.targets) for folder in folders]
    clones = clones_of(arguments.clone)
    with turn(folders), cluster as (dask, workers), Client(dask) as client:
        distribution = Distribution(studies, client, workers, clones)
        distribution.run()
    for stage, said in distribution.failed.items():
        print(f"\n{stage}:\n{said}")
    if distribution.failed:
        raise UserError(
            f"failed stages: {len(distribution.failed)}, not run as they need one: {len(distribution.skipped)}; what "
            "they said stands above; run the same command again: only what is missing runs"
        )


def cluster_of(arguments: argparse.Namespace) -> AbstractContextManager[tuple]:
    """The workers that the options ask for; UserError where this machine has too few cores or no GPU."""
    from threephase.model.machine import cores_here
    from threephase.project.clusters import of_scheduler, on_slurm, on_this_machine, visible_gpus, workers_here

    if arguments.slurm:
        return on_slurm(arguments.slurm, TOP)
    if arguments.scheduler:
        return of_scheduler(arguments.scheduler)
    engine, cores, workers = load_shared().engine, cores_here(), arguments.workers
    wants_gpus = arguments.gpus or (workers is None and engine.device != "cpu")
    gpus = visible_gpus() if wants_gpus else []
    if arguments.gpus and not gpus:
        raise UserError("--gpus: got none on this machine, expected at least one; use --workers")
    threads = cores if engine.threads == "auto" else engine.threads
    if workers is None:
        workers = len(gpus) or workers_here(threads)
    if workers < 1:
        raise UserError(f"--workers: got {workers}, expected at least 1")
    if threads * workers > cores:
        raise UserError(
            f"{paths.SHARED_PARAMS}: engine.threads: got {threads} for each of {workers} workers on {cores} cores, "
            f"expected at most {max(1, cores // workers)}; another number gives other last digits"
        )
    return on_this_machine(workers, gpus)


def clones_of(origin: str | None):
    """What workers clone, or None where they work in this checkout; UserError for edits that a clone would not have."""
    if origin is None:
        return None

    from threephase.base.provenance import code_revision
    from threephase.project.worker import Clones

    command = ["git", "status", "--porcelain", "--", "*.py", "*.yaml", ":!*resolved.yaml"]
    if edits := subprocess.run(command, cwd=TOP, capture_output=True, text=True).stdout.split():
        raise UserError(f"--clone: got {edits[1]}, which is not committed, expected a commit, which workers clone")
    return Clones(origin, code_revision())


if __name__ == "__main__":
    run_stage(main)
