"""Refuse a results.csv that lacks a row or a number; for CI."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import study_in
from stages.common.errors import UserError, run_stage


def main() -> None:
    study = study_in(stage_parser(__doc__).parse_args().study)

    from stages.common.analysis.results import missing_numbers, read_results

    file = paths.results(study.folder)
    results = read_results(file)
    missing = missing_numbers(study, results)
    if missing:
        raise UserError(
            f"{file}: {len(missing)} numbers are missing, the first of {missing[0]}; "
            f"run: make repro STUDY={study.benchmark.name}"
        )
    print(f"{file}: complete, {len(results)} rows")


if __name__ == "__main__":
    run_stage(main)
