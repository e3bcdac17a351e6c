"""Write dvc.yaml and the other generated files of every study: make pipelines."""

import argparse

from stages.common.config import load_studies
from stages.common.errors import run_stage


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    studies = load_studies()

    from stages.common.project import write_project

    for study in studies.values():
        write_project(study)


if __name__ == "__main__":
    run_stage(main)
