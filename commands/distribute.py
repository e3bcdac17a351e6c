"""Run the stages of studies side by side on Dask's workers, each byte as `dvc repro` makes it."""

import argparse
import os
from contextlib import contextmanager
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError, run_stage
from threephase.study.arguments import folder_of
from threephase.study.read_params import load_shared

TOP = Path(__file__).resolve().parents[1]


@contextmanager
def cluster_of(arguments: argparse.Namespace):
    """Dask's workers: processes of this machine, one for each of its GPUs, or jobs of Slurm."""
    import dask
    from distributed import LocalCluster, Nanny, Scheduler, SpecCluster

    dask.config.set({"distributed.scheduler.allowed-failures": 3})
    if arguments.slurm:
        from dask_jobqueue import SLURMCluster
        from ruamel.yaml import YAML

        if not arguments.slurm.is_file():
            raise UserError(f"--slurm: got {arguments.slurm}, which is no file, expected a profile: docs/scale.md")
        profile = dict(YAML(typ="safe").load(arguments.slurm.read_text(encoding="utf-8")))
        count, start = profile.pop("workers", 1), [f"cd {TOP}", f"export PYTHONPATH={TOP}:$PYTHONPATH"]
        profile["job_script_prologue"] = [*profile.get("job_script_prologue", []), *start]
        with SLURMCluster(**profile) as cluster:
            cluster.scale(count)
            yield cluster
    elif arguments.gpus:
        gpus = sorted(Path("/dev").glob("nvidia[0-9]*"))
        if not gpus:
            raise UserError("--gpus: got none on this machine, expected at least one; use --workers")
        count = arguments.workers or len(gpus)  # more than GPUs: they share them in turn
        environments = [{"CUDA_VISIBLE_DEVICES": str(number % len(gpus))} for number in range(count)]
        workers = {
            number: {"cls": Nanny, "options": {"nthreads": 1, "env": environment}}
            for number, environment in enumerate(environments)
        }
        with SpecCluster(workers, {"cls": Scheduler, "options": {"dashboard_address": ":0"}}) as cluster:
            yield cluster
    else:
        count = arguments.workers or os.cpu_count()
        with LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster:
            yield cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=folder_of, action="append", metavar="NAME", help="may be given several times")
    parser.add_argument("--workers", type=int, help="processes on this machine; one a core, or one a GPU, if left out")
    parser.add_argument("--gpus", action="store_true", help="on this machine's GPUs, which the workers share")
    parser.add_argument("--slurm", type=Path, metavar="PROFILE", help="jobs of Slurm: a YAML file, docs/scale.md")
    parser.add_argument("--clone", metavar="URL", help="each worker clones this; dvc's remote carries what stages make")
    parser.add_argument("targets", nargs="*", help="stages, as dvc names them; all if left out")
    arguments = parser.parse_args()
    if arguments.workers is not None and arguments.workers < 1:
        raise UserError(f"--workers: got {arguments.workers}, expected at least 1")

    from distributed import Client

    from threephase.base.provenance import code_revision
    from threephase.project.distribution import Clones, Distribution

    studies = arguments.study or [Path()]
    shared = load_shared()
    cores, threads = os.cpu_count() or 1, shared.engine.threads
    workers = arguments.workers or (1 if arguments.gpus else cores)
    if not arguments.slurm and (cores if threads == "auto" else threads) * workers > cores:
        raise UserError(
            f"{paths.SHARED_PARAMS}: engine.threads: got {threads} for each of {workers} workers on {cores} "
            f"cores, expected at most {max(1, cores // workers)}; another number gives other last digits"
        )
    clones = None
    if arguments.clone:
        revision = code_revision()
        if "+" in revision:
            raise UserError("--clone: got uncommitted edits of tracked code, expected a commit, which workers clone")
        clones = Clones(arguments.clone, revision)
    with cluster_of(arguments) as cluster, Client(cluster) as client:
        distribution = Distribution([(folder, arguments.targets) for folder in studies], client, clones)
        distribution.run()
    for stage, said in distribution.failed.items():
        print(f"\n{stage}:\n{said}")
    if distribution.failed:
        raise UserError(
            f"{len(distribution.failed)} stages failed and {len(distribution.skipped)} that need them did not run; "
            "what they said stands above; run the same command again: only what is missing runs"
        )


if __name__ == "__main__":
    run_stage(main)
