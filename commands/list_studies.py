"""All studies in a table: what each runs, and whether it was run, is stale, or was never run."""

import argparse

from threephase.base.errors import run_stage
from threephase.study.read_params import load_paper, load_studies


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    studies, paper = load_studies(), load_paper()

    from tabulate import tabulate

    from threephase.project.study_states import COLUMNS, row_of

    rows = [row_of(study, paper) for study in studies.values()]
    print(tabulate(rows, COLUMNS, tablefmt="simple", disable_numparse=True))


if __name__ == "__main__":
    run_stage(main)
