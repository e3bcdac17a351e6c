"""Stage collect_results: a study's tables of results, runs, differences and claims, and scores for dvc plots."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import load_paper, study_in
from stages.common.errors import run_stage


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study, paper = study_in(arguments.study), load_paper()

    from stages.common.analysis.results import read_summaries, scores_frame
    from stages.common.files import write_table
    from stages.common.paper import result_tables

    tables = result_tables(study, read_summaries(study), paper)
    for name, table in tables.items():
        write_table(paths.results(study.folder).with_name(name), table)
    write_table(paths.plot_data(study.folder, "scores"), scores_frame(study, tables["results.csv"]))


if __name__ == "__main__":
    run_stage(main)
