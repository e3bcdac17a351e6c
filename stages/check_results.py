"""Stage check_results: refuse a results.csv that lacks a row or a number; for CI."""

import argparse

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import UserError, run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    study = load_study(parser.parse_args().benchmark)

    from stages.common.analysis.results import missing_numbers, read_results

    file = paths.results(study.benchmark.name)
    results = read_results(file)
    missing = missing_numbers(study, results)
    if missing:
        raise UserError(f"{file}: {len(missing)} numbers are missing, the first of {missing[0]}; run: make repro")
    print(f"{file}: complete, {len(results)} rows")


if __name__ == "__main__":
    run_stage(main)
