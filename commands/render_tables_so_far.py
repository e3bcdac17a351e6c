"""Render all tables of the paper from what exists, without running anything; ``make tables``."""

import argparse

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.read_params import load_datasets, load_paper, load_shared, load_studies


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    shared, settings, studies, datasets = load_shared(), load_paper(), load_studies(all_good=False), load_datasets()

    from threephase.paper import data_tables, numbers
    from threephase.paper.tables import write_comparison

    work, frames = numbers.Reproduction(numbers.read_numbers(), settings, shared, studies), {}
    prepared = data_tables.read_prepared(studies.values())
    for table in numbers.DATA_TABLES:
        frames[table, "", ""] = data_tables.comparison(work.numbers, table, prepared, settings.stand_in_datasets)
    for which in numbers.measured_tables(work):
        frames[which] = numbers.comparison(work, *which, with_extra=True)
    titles = {name: dataset.title for name, dataset in datasets.items()}
    for which, frame in frames.items():
        file = write_comparison(frame, *which, shared, titles)
        print(f"{file.with_suffix('.md')}: {numbers.count_of(frame)}")
    print(f"{paths.PUBLISHED / 'tables.md'}: the same of the published runs")


if __name__ == "__main__":
    run_stage(main)
