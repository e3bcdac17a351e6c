"""Stage summarize_cell: one cell's metrics over the benchmark's seeds, from its predictions."""

import argparse

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--encoder", default="", help="a key of encoders in params.yaml; left out where none is needed")
    parser.add_argument("--variant", required=True, help="a variant or baseline that the benchmark runs")
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)

    from stages.common.analysis.cells import check_cell, check_split, summarize
    from stages.common.files import write_json

    cell = (arguments.encoder, arguments.variant)
    check_cell(study, cell)
    check_split(study, cell)
    summary = summarize(study, cell)
    declared = {metric: round(summary["metrics"][metric]["mean"], 4) for metric in ("accuracy", "macro_f1")}
    write_json(paths.cell_summary(study.benchmark.name, *cell), summary)
    write_json(paths.cell_metrics(study.benchmark.name, *cell), declared)


if __name__ == "__main__":
    run_stage(main)
