"""Render all tables of the paper from what exists, without running anything; ``make tables``."""

import argparse

from stages.common import paths
from stages.common.config import load_datasets, load_paper, load_shared, load_studies
from stages.common.errors import run_stage


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    shared, settings, studies, datasets = load_shared(), load_paper(), load_studies(), load_datasets()

    from stages.common import paper, paper_data
    from stages.common.paper_tables import write_comparison

    work, frames = paper.Reproduction(paper.read_numbers(), settings, shared, studies), {}
    prepared = paper_data.read_prepared(studies.values())
    for table in paper.DATA_TABLES:
        frames[table, "", ""] = paper_data.comparison(work.numbers, table, prepared, settings.stand_in_datasets)
    for which in paper.measured_tables(work):
        frames[which] = paper.comparison(work, *which, with_extra=True)
    titles = {name: dataset.title for name, dataset in datasets.items()}
    for which, frame in frames.items():
        file = write_comparison(frame, *which, shared, titles)
        print(f"{file.with_suffix('.md')}: {paper.count_of(frame)}")
    print(f"{paths.PUBLISHED / 'tables.md'}: the same of the published runs")


if __name__ == "__main__":
    run_stage(main)
