"""Stage compare_with_paper: one table of the paper beside what was prepared or measured, as CSV."""

import argparse

from stages.common import paths
from stages.common.config import load_datasets, load_paper, load_shared, load_studies
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True, type=int, choices=(1, 2, 3, 4, 6, 7), help="the paper's number of it")
    parser.add_argument("--encoder", default="", help="a key of encoders in params.yaml; left out for tables 1 and 2")
    parser.add_argument("--protocol", default="", help="a key of protocols in params.yaml; left out for tables 1 and 2")
    arguments = parser.parse_args()
    table, encoder, protocol = arguments.table, arguments.encoder, arguments.protocol
    shared, settings, studies, datasets = load_shared(), load_paper(), load_studies(), load_datasets()

    from stages.common import paper, paper_data
    from stages.common.files import write_table

    numbers = paper.read_numbers()
    paper.check_table(shared, table, encoder, protocol)
    if table in paper.DATA_TABLES:
        wanted = {name: dataset for name, dataset in datasets.items() if name in set(numbers["dataset"])}
        frame = paper_data.comparison(numbers, table, paper_data.read_prepared(wanted), stand_ins={})
    else:
        work = paper.Reproduction(numbers, settings, shared, studies)
        frame = paper.comparison(work, table, encoder, protocol)
    write_table(paths.paper_table(table, encoder, protocol), frame)


if __name__ == "__main__":
    run_stage(main)
