"""Write a table of the paper beside ours: dvc makes exactly the cells that it prints; ``make table``.

Without a table all of them, from what exists and without running anything; ``make tables``.
"""

import argparse

from threephase.base import paths
from threephase.base.errors import UserError, run_stage
from threephase.study.read_params import load_datasets, load_paper, load_shared, load_studies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", default="", help="the paper's number of it: 1, 2, 3, 4, 6 or 7; left out for all")
    parser.add_argument("--encoder", default="", help="a file of encoders/; left out for tables 1 and 2")
    parser.add_argument("--protocol", default="", help="of shared.yaml, described if left out; none for tables 1 and 2")
    arguments = parser.parse_args()
    if not arguments.table and (arguments.encoder or arguments.protocol):
        raise UserError("--table: got nothing, expected the number of a table of --encoder and --protocol")
    shared, settings, datasets = load_shared(), load_paper(), load_datasets()
    studies = load_studies(all_good=False)

    from threephase.paper import data_tables, numbers, runs
    from threephase.paper.tables import write_comparison

    work = numbers.Reproduction(numbers.read_numbers(), settings, shared, studies)
    counted, stand_ins = studies, settings.stand_in_datasets
    tables = [*((table, "", "") for table in numbers.DATA_TABLES), *numbers.measured_tables(work)]
    if arguments.table:
        tables = [runs.which_table(shared, arguments.table, arguments.encoder, arguments.protocol)]
        runs.bring_up_to_date(studies, runs.stages_of(work, *tables[0]))
        counted, stand_ins = data_tables.data_studies(work), {}
    titles = {name: dataset.title for name, dataset in datasets.items()}
    for which in tables:
        if which[0] in numbers.DATA_TABLES:
            prepared = data_tables.read_prepared(counted.values())
            frame = data_tables.comparison(work.numbers, which[0], prepared, stand_ins)
        else:
            frame = numbers.comparison(work, *which, with_extra=not arguments.table)
        file = write_comparison(frame, *which, shared, titles)
        print(f"{file.with_suffix('.md')}: {numbers.count_of(frame)}")
    if not arguments.table:
        print(f"{paths.PUBLISHED / 'tables.md'}: the same of the published runs")


if __name__ == "__main__":
    run_stage(main)
