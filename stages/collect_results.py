"""Stage collect_results: a study's tables of results, runs, differences and claims, and scores for dvc plots."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_paper, study_in


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study, paper = study_in(arguments.study), load_paper()

    from threephase.base.files import write_table
    from threephase.paper.numbers import result_tables
    from threephase.results.results import read_summaries, scores_frame

    tables = result_tables(study, read_summaries(study), paper)
    for name, table in tables.items():
        write_table(paths.results(study.folder).with_name(name), table)
    write_table(paths.plot_data(study.folder, "scores"), scores_frame(study, tables["results.csv"]))
