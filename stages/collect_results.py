"""Stage collect_results: a benchmark's tables of results, runs, differences and claims, and scores for dvc plots."""

import argparse

from stages.common import paths
from stages.common.config import load_paper, load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    arguments = parser.parse_args()
    study, paper = load_study(arguments.benchmark), load_paper()

    from stages.common.analysis.results import read_summaries, scores_frame
    from stages.common.files import write_table
    from stages.common.paper import result_tables

    tables = result_tables(study, read_summaries(study), paper)
    for name, table in tables.items():
        write_table(paths.results(study.benchmark.name).with_name(name), table)
    write_table(paths.plot_data(study.benchmark.name, "scores"), scores_frame(study, tables["results.csv"]))


if __name__ == "__main__":
    run_stage(main)
