"""Refuse a results.csv that lacks a row or a number; for CI."""

from threephase.base import paths
from threephase.base.errors import UserError, run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    study = study_in(stage_parser(__doc__).parse_args().study)

    from threephase.results.results import missing_numbers, read_results

    file = paths.results(study.folder)
    results = read_results(file)
    missing = missing_numbers(study, results)
    if missing:
        raise UserError(
            f"{file}: {len(missing)} numbers are missing, the first of {missing[0]}; "
            f"run: make repro STUDY={study.params.name}"
        )
    print(f"{file}: complete, {len(results)} rows")


if __name__ == "__main__":
    run_stage(main)
