"""Stage render_figures: results, claims, learning curves and mistakes of a study as SVG and PNG."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import study_in
from stages.common.errors import run_stage


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study = study_in(arguments.study)

    from stages.common import display, figures, mistakes
    from stages.common.analysis.results import read_results
    from stages.common.figure_style import save_figure
    from stages.common.figures_confusion import confusion_figure
    from stages.common.files import new_folder, write_table

    source = paths.results(study.folder)
    results, runs, claims = (read_results(source.with_name(f"{table}.csv")) for table in ("results", "runs", "claims"))
    with new_folder(display.figures_folder(study.folder)) as folder:
        save_figure(figures.variants_figure(study, results, runs), folder, "variants")
        save_figure(figures.claims_figure(study, claims), folder, "claims")
        for curves in display.curves_of(study):
            histories = display.read_histories(study, curves)
            save_figure(figures.curves_figure(study, curves, histories), folder, curves.name)
    predictions, classes = mistakes.trained_predictions(study)
    confusion = mistakes.confusion_frame(predictions, classes)
    with new_folder(paths.mistakes(study.folder)) as folder:
        write_table(folder / "confusion.csv", confusion)
        write_table(folder / "disagreements.csv", mistakes.disagreements_frame(predictions))
        save_figure(confusion_figure(study, confusion), folder, "confusion")
    write_table(paths.plot_data(study.folder, "learning_curves"), display.validation_curves(study))


if __name__ == "__main__":
    run_stage(main)
