"""Stage render_paper_table: one table of the paper beside ours as Markdown and LaTeX, from its CSV."""

import argparse

from stages.common import paths
from stages.common.config import load_datasets, load_shared
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True, type=int, choices=(1, 2, 3, 4, 6, 7), help="the paper's number of it")
    parser.add_argument("--encoder", default="", help="a key of encoders in params.yaml; left out for tables 1 and 2")
    parser.add_argument("--protocol", default="", help="a key of protocols in params.yaml; left out for tables 1 and 2")
    arguments = parser.parse_args()
    table, encoder, protocol = arguments.table, arguments.encoder, arguments.protocol
    shared, datasets = load_shared(), load_datasets()

    from stages.common import paper
    from stages.common.paper_tables import write_texts

    paper.check_table(shared, table, encoder, protocol)
    titles = {name: dataset.title for name, dataset in datasets.items()}
    write_texts(paths.paper_table(table, encoder, protocol), table, encoder, protocol, shared, titles)


if __name__ == "__main__":
    run_stage(main)
