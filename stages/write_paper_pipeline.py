"""Write paper/dvc.yaml from the paper's numbers and the benchmarks' params files; ``make pipelines``."""

import argparse

from stages.common import paths
from stages.common.config import load_datasets, load_paper, load_shared, load_studies
from stages.common.errors import run_stage


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    shared, settings, studies, datasets = load_shared(), load_paper(), load_studies(), load_datasets()

    from stages.common.files import write_text
    from stages.common.paper import Reproduction, read_numbers
    from stages.common.paper_pipeline import pipeline

    work = Reproduction(read_numbers(), settings, shared, studies)
    write_text(paths.PAPER_PIPELINE, pipeline(work, datasets))


if __name__ == "__main__":
    run_stage(main)
