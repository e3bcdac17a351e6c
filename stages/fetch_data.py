"""Stage fetch_data: a data set's rows as its source has them, and which source that was."""

import argparse

from stages.common import paths
from stages.common.config import load_dataset, load_shared
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="a folder of data/")
    arguments = parser.parse_args()
    dataset, settings = load_dataset(arguments.dataset), load_shared().sources

    from stages.common.files import write_json, write_table
    from stages.common.sources import read_source

    rows, used = read_source(dataset, settings, paths.dataset_params(dataset.name))
    write_table(paths.raw_rows(dataset.name), rows)
    write_json(paths.used_source(dataset.name), used)
    passed_over = "".join(f"; passed over {kind}: {why}" for kind, why in used["passed_over"].items())
    print(f"{dataset.name}: {len(rows)} rows from {used['origin']}{passed_over}")


if __name__ == "__main__":
    run_stage(main)
