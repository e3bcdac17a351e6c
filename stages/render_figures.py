"""Stage render_figures: results, claims, learning curves and mistakes of a benchmark as SVG and PNG."""

import argparse

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    study = load_study(parser.parse_args().benchmark)

    from stages.common import display, figures, mistakes
    from stages.common.analysis.results import read_results
    from stages.common.figure_style import save_figure
    from stages.common.figures_confusion import confusion_figure
    from stages.common.files import new_folder, write_table

    source = paths.results(study.benchmark.name)
    results, runs, claims = (read_results(source.with_name(f"{table}.csv")) for table in ("results", "runs", "claims"))
    with new_folder(display.figures_folder(study.benchmark.name)) as folder:
        save_figure(figures.variants_figure(study, results, runs), folder, "variants")
        save_figure(figures.claims_figure(study, claims), folder, "claims")
        for curves in display.curves_of(study):
            histories = display.read_histories(study, curves)
            save_figure(figures.curves_figure(study, curves, histories), folder, curves.name)
    predictions, classes = mistakes.trained_predictions(study)
    confusion = mistakes.confusion_frame(predictions, classes)
    with new_folder(paths.mistakes(study.benchmark.name)) as folder:
        write_table(folder / "confusion.csv", confusion)
        write_table(folder / "disagreements.csv", mistakes.disagreements_frame(predictions))
        save_figure(confusion_figure(study, confusion), folder, "confusion")
    write_table(paths.plot_data(study.benchmark.name, "learning_curves"), display.validation_curves(study))


if __name__ == "__main__":
    run_stage(main)
