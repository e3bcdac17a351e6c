"""Write the map of commands, paper/commands.csv, and print it summed by table and encoder; ``make plan``."""

import argparse

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.read_params import load_paper, load_shared, load_studies


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    shared, settings, studies = load_shared(), load_paper(), load_studies()

    from threephase.base.files import write_table
    from threephase.paper.numbers import Reproduction, read_numbers
    from threephase.paper.plan import plan, stages_of_dvc, summary
    from threephase.results.tables import to_plain_text

    work, needed = Reproduction(read_numbers(), settings, shared, studies), stages_of_dvc(studies)
    planned = plan(work, needed)
    write_table(paths.PAPER_COMMANDS, planned)
    summed = summary(work, needed, planned)
    print(to_plain_text(summed))
    for row in summed[summed["table"] == "all"].to_dict("records"):
        print(
            f"All under {row['protocol']}: about {row['gpu_minutes'] / 60:.0f} hours on one gpu or "
            f"{row['cpu_hours'] / 24:.0f} days on one cpu; what several tables share is run, and counted here, once."
        )
    for name, device in settings.costs.devices.items():
        print(f"{name}: {device.source}")
    print(f"{paths.PAPER_COMMANDS}: {len(planned)} numbers, each with its command under each protocol")


if __name__ == "__main__":
    run_stage(main)
