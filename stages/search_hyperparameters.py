"""Search hyper-parameters on validation rows of a seed that is never reported; not a part of the pipeline."""

import argparse
from pathlib import Path

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--encoder", required=True, help="an encoder of params.yaml")
    parser.add_argument("--seed", default=100, type=int, help="a seed that the benchmark does not report (100)")
    parser.add_argument("--table", required=True, type=Path, help="where to write all trials, as Markdown")
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    study.check_encoder(arguments.encoder)

    from stages.common.analysis.tables import to_markdown
    from stages.common.files import write_text
    from stages.common.search import Search, introduction, trials_table

    folder = paths.RUNS / study.benchmark.name / "search"
    search = Search(study, arguments.encoder, arguments.seed, folder)
    trials = search.run()
    table = to_markdown(trials_table(trials, study))
    write_text(arguments.table, introduction(study, arguments.encoder, arguments.seed, search.report) + "\n" + table)


if __name__ == "__main__":
    run_stage(main)
