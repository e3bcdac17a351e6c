"""Stage render_figures: results, claims, learning curves and mistakes of a study as SVG and PNG."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study = study_in(arguments.study)

    from threephase.base.files import new_folder, write_table
    from threephase.report import curves, figures, mistake_pictures
    from threephase.report.figure_style import save_figure
    from threephase.results import mistakes
    from threephase.results.results import read_results

    source = paths.results(study.folder)
    results, runs, claims = (read_results(source.with_name(f"{table}.csv")) for table in ("results", "runs", "claims"))
    with new_folder(figures.figures_folder(study)) as folder:
        save_figure(figures.variants_figure(study, results, runs), folder, "variants")
        save_figure(figures.claims_figure(study, claims), folder, "claims")
        for drawn in curves.curves_of(study):
            save_figure(curves.curves_figure(study, drawn, curves.read_histories(study, drawn)), folder, drawn.name)
    predictions, classes = mistakes.trained_predictions(study)
    confusion = mistakes.confusion_frame(predictions, classes)
    with new_folder(paths.mistakes(study.folder)) as folder:
        write_table(folder / "confusion.csv", confusion)
        write_table(folder / "disagreements.csv", mistakes.disagreements_frame(predictions))
        save_figure(mistake_pictures.confusion_figure(study, confusion), folder, "confusion")
    write_table(paths.plot_data(study.folder, "learning_curves"), curves.validation_curves(study))
