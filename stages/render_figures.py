"""Stage render_figures: results, claims and learning curves of a benchmark as SVG and PNG."""

import argparse

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    study = load_study(parser.parse_args().benchmark)

    from stages.common import display, figures
    from stages.common.analysis.results import read_results
    from stages.common.files import new_folder, write_table

    source = paths.results(study.benchmark.name)
    results, runs, claims = (read_results(source.with_name(f"{table}.csv")) for table in ("results", "runs", "claims"))
    with new_folder(display.figures_folder(study.benchmark.name)) as folder:
        figures.save_figure(figures.variants_figure(study, results, runs), folder, "variants")
        figures.save_figure(figures.claims_figure(study, claims), folder, "claims")
        for curves in display.curves_of(study):
            histories = display.read_histories(study, curves)
            figures.save_figure(figures.curves_figure(study, curves, histories), folder, curves.name)
    write_table(paths.plot_data(study.benchmark.name, "learning_curves"), display.validation_curves(study))


if __name__ == "__main__":
    run_stage(main)
