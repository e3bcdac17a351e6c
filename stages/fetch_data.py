"""Stage fetch_data: a data set's rows as its source has them."""

import argparse

from stages.common import paths
from stages.common.config import load_dataset
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="a folder of data/")
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset)

    from stages.common.data import read_source
    from stages.common.files import write_table

    rows = read_source(dataset, paths.dataset_params(dataset.name))
    write_table(paths.raw_rows(dataset.name), rows)


if __name__ == "__main__":
    run_stage(main)
