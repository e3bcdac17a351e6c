"""Write dvc.yaml and the other generated files of every study: make pipelines."""

import argparse

from threephase.base.errors import run_stage
from threephase.study.read_params import load_studies


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    studies = load_studies(all_good=False)

    from threephase.project.project import write_project

    for study in studies.values():
        write_project(study)


if __name__ == "__main__":
    run_stage(main)
