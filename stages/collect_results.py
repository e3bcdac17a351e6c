"""Stage collect_results: a benchmark's cells as results.csv, runs.csv, claims.csv and the scores for dvc plots."""

import argparse

from stages.common import paths
from stages.common.config import load_paper, load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    arguments = parser.parse_args()
    study, paper = load_study(arguments.benchmark), load_paper()

    from stages.common.analysis.results import claims_frame, read_summaries, results_frame, runs_frame, scores_frame
    from stages.common.files import write_table
    from stages.common.paper import beside

    summaries = read_summaries(study)
    results = paths.results(study.benchmark.name)
    table, claims = beside(study, results_frame(study, summaries), paper), claims_frame(study)
    write_table(results, table)
    write_table(results.with_name("runs.csv"), runs_frame(summaries))
    write_table(results.with_name("claims.csv"), claims)
    write_table(paths.plot_data(study.benchmark.name, "scores"), scores_frame(study, table))


if __name__ == "__main__":
    run_stage(main)
