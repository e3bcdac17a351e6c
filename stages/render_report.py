"""Stage render_report: the self-contained page of a benchmark."""

import argparse

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    study = load_study(parser.parse_args().benchmark)

    from stages.common.files import write_text
    from stages.common.page import render_page
    from stages.common.pages.finished import read_finished

    write_text(paths.REPORTS / study.benchmark.name / "index.html", render_page(read_finished(study), texts=True))


if __name__ == "__main__":
    run_stage(main)
