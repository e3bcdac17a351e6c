"""Stage collect_results: all that a study's tables and page are made from, and what dvc plots draws."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_paper, study_in


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study, paper = study_in(arguments.study), load_paper()

    from threephase.base.files import new_folder, write_table
    from threephase.paper.numbers import result_tables
    from threephase.results import mistakes
    from threephase.results.class_counts import class_counts_frame
    from threephase.results.curves import curves_frame, validation_curves
    from threephase.results.results import read_summaries, scores_frame

    folder, curves = paths.reports(study.folder), curves_frame(study)
    tables = result_tables(study, read_summaries(study), paper)
    for name, table in {**tables, "curves.csv": curves, "class_counts.csv": class_counts_frame(study)}.items():
        write_table(folder / name, table)
    predictions, classes = mistakes.trained_predictions(study)
    with new_folder(paths.mistakes(folder)) as new:
        write_table(new / "confusion.csv", mistakes.confusion_frame(predictions, classes))
        write_table(new / "disagreements.csv", mistakes.disagreements_frame(predictions))
    write_table(paths.plot_data(study.folder, "scores"), scores_frame(study, tables["results.csv"]))
    write_table(paths.plot_data(study.folder, "learning_curves"), validation_curves(study, curves))
