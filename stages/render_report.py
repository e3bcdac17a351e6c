"""Stage render_report: the self-contained page of a benchmark."""

import argparse

from stages.common import paths
from stages.common.config import load_dataset, load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    study = load_study(parser.parse_args().benchmark)

    from stages.common.analysis.results import read_results
    from stages.common.files import write_text
    from stages.common.page import render_page

    results = paths.results(study.benchmark.name)
    claims = results.with_name("claims.csv")
    page = render_page(
        study, load_dataset(study.benchmark.dataset), read_results(results), read_results(claims), texts=True
    )
    write_text(results.with_name("index.html"), page)


if __name__ == "__main__":
    run_stage(main)
