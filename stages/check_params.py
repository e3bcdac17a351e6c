"""Stage check_params: refuse what is wrong in any params file or pipeline copy before dvc starts."""

import argparse

from stages.common import paths
from stages.common.config import load_dataset, load_shared, load_study
from stages.common.errors import UserError, run_stage


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    load_shared()
    for root, load in ((paths.DATA, load_dataset), (paths.BENCHMARKS, load_study)):
        for file in sorted(root.glob("*/params.yaml")):
            load(file.parent.name)
            pipeline, copy = root / "pipeline.yaml", file.with_name("dvc.yaml")
            if not copy.is_file() or copy.read_bytes() != pipeline.read_bytes():
                raise UserError(f"{copy}: expected a copy of {pipeline}; run make pipelines")


if __name__ == "__main__":
    run_stage(main)
