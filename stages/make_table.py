"""Bring one table of the paper up to date, exactly the cells that it prints, and write it; ``make table``."""

import argparse

from stages.common.config import load_datasets, load_paper, load_shared, load_studies
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True, help="the paper's number of it: 1, 2, 3, 4, 6 or 7")
    parser.add_argument("--encoder", default="", help="a file of encoders/; left out for tables 1 and 2")
    parser.add_argument("--protocol", default="", help="of shared.yaml, described if left out; none for tables 1 and 2")
    arguments = parser.parse_args()
    shared, settings, studies, datasets = load_shared(), load_paper(), load_studies(), load_datasets()

    from stages.common import paper, paper_data, paper_run
    from stages.common.paper_tables import write_comparison

    which = paper_run.which_table(shared, arguments.table, arguments.encoder, arguments.protocol)
    work = paper.Reproduction(paper.read_numbers(), settings, shared, studies)
    paper_run.bring_up_to_date(studies, paper_run.stages_of(work, *which))
    if which[0] in paper.MEASURED_TABLES:
        frame = paper.comparison(work, *which)
    else:
        prepared = paper_data.read_prepared(paper_data.data_studies(work).values())
        frame = paper_data.comparison(work.numbers, which[0], prepared, stand_ins={})
    titles = {name: dataset.title for name, dataset in datasets.items()}
    file = write_comparison(frame, *which, shared, titles)
    print(f"{file.with_suffix('.md')} (.csv, .tex): {paper.count_of(frame)}")


if __name__ == "__main__":
    run_stage(main)
