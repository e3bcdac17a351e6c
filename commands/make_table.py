"""Bring one table of the paper up to date, exactly the cells that it prints, and write it; ``make table``."""

import argparse

from threephase.base.errors import run_stage
from threephase.study.read_params import load_datasets, load_paper, load_shared, load_studies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True, help="the paper's number of it: 1, 2, 3, 4, 6 or 7")
    parser.add_argument("--encoder", default="", help="a file of encoders/; left out for tables 1 and 2")
    parser.add_argument("--protocol", default="", help="of shared.yaml, described if left out; none for tables 1 and 2")
    arguments = parser.parse_args()
    shared, settings, studies, datasets = load_shared(), load_paper(), load_studies(all_good=False), load_datasets()

    from threephase.paper import data_tables, numbers, runs
    from threephase.paper.tables import write_comparison

    which = runs.which_table(shared, arguments.table, arguments.encoder, arguments.protocol)
    work = numbers.Reproduction(numbers.read_numbers(), settings, shared, studies)
    runs.bring_up_to_date(studies, runs.stages_of(work, *which))
    if which[0] in numbers.MEASURED_TABLES:
        frame = numbers.comparison(work, *which)
    else:
        prepared = data_tables.read_prepared(data_tables.data_studies(work).values())
        frame = data_tables.comparison(work.numbers, which[0], prepared, stand_ins={})
    titles = {name: dataset.title for name, dataset in datasets.items()}
    file = write_comparison(frame, *which, shared, titles)
    print(f"{file.with_suffix('.md')} (.csv, .tex): {numbers.count_of(frame)}")


if __name__ == "__main__":
    run_stage(main)
