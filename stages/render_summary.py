"""Stage render_summary: reports/<benchmark>/summary.txt, what the terminal shows at the end of a study."""

import argparse
import textwrap

from stages.common import paths
from stages.common.config import load_dataset, load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)

    from stages.common.analysis import tables
    from stages.common.analysis.results import read_results
    from stages.common.files import write_text

    source = paths.results(study.benchmark.name)
    results, claims = read_results(source), read_results(source.with_name("claims.csv"))
    metrics = list(dict.fromkeys([study.benchmark.primary_metric, "accuracy"]))
    caption = tables.caption(study, load_dataset(study.benchmark.dataset).title, results)
    parts = [
        textwrap.fill(caption, tables.TERMINAL_WIDTH) + "\n",
        tables.to_plain_text(tables.results_table(study, results, metrics)),
        tables.claims_as_text(study, claims),
        f"The page with figures, learning curves and cost: {source.with_name('index.html')}\n",
    ]
    write_text(source.with_name("summary.txt"), "\n".join(parts))


if __name__ == "__main__":
    run_stage(main)
