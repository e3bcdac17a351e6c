"""All studies in a table: what each runs, and whether it is complete, stale, not finished, broken or was never run."""

import argparse

from threephase.base.errors import UserError, run_stage
from threephase.study.read_params import load_paper, read_studies

COLUMNS = ("study", "data set", "encoders", "protocol", "trainings", "state")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    studies, paper = read_studies(), load_paper()

    from tabulate import tabulate

    from threephase.project.preview import count_trainings, state_of

    rows = []
    for name, study in studies.items():
        try:
            if isinstance(study, UserError):
                raise study
            about, state = study.params, state_of(study, paper)
            what = (about.dataset, ", ".join(about.encoders), about.protocol, str(count_trainings(study)[0]))
        except UserError as error:
            what, state = ("",) * 4, f"broken: {error}"
        rows.append((name, *what, state))
    print(tabulate(rows, COLUMNS, tablefmt="simple", disable_numparse=True))


if __name__ == "__main__":
    run_stage(main)
