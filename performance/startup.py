"""Seconds from the start of a training stage to its first update, beyond those of ``import torch``.

Needs a finished default study (make repro); each stage starts in a process of its own and ends at its first update, so
that nothing is written. The median of a few starts, the disk warm.
"""

import argparse
import runpy
import sys
import time
from statistics import median

from performance.process import last_line
from threephase.base.errors import UserError, run_stage

STARTS = 5
OF_THE_STUDY = ["--encoder", "minilm_l6", "--seed", "0"]
VARIANTS = {  # of each stage the training that is started
    "train_dae": "dae_ft",
    "train_contrastive": "three_phase",
    "train_joint": "joint",
    "train_classifier": "three_phase",
}


def until_first_update(stage: str) -> tuple[float, float]:
    """Run the stage in this process up to its first update; returns the seconds since torch's import, and of that."""
    start = time.perf_counter()
    import torch  # noqa: F401

    imported = time.perf_counter()
    from threephase.phases.optimization import Optimization

    class FirstUpdate(Exception):
        pass

    def stop(*_, **__):
        raise FirstUpdate

    Optimization.backward = stop
    sys.argv = [stage, *OF_THE_STUDY, "--variant", VARIANTS[stage]]
    try:
        runpy.run_module(f"stages.{stage}", run_name="__main__")
    except FirstUpdate:
        return time.perf_counter() - imported, imported - start
    raise UserError(f"{stage}: ended without an update, expected one")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", nargs="?", choices=VARIANTS, help="one start of it, in this process")
    arguments = parser.parse_args()
    if arguments.stage:
        print("\n", *until_first_update(arguments.stage))
        return
    for stage in VARIANTS:
        said = [last_line("performance.startup", stage, what=stage) for _ in range(STARTS + 1)]
        found = [map(float, line.split()) for line in said]
        beyond, torch_alone = (median(column) for column in zip(*found[1:], strict=True))
        print(f"{stage}: {beyond:.2f} s beyond the {torch_alone:.2f} s of importing torch", flush=True)


if __name__ == "__main__":
    run_stage(main)
