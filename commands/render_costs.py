"""Render what a study's trainings took here, and on which machine: reports/costs.html; not a part of the pipeline."""

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    study = study_in(stage_parser(__doc__).parse_args().study)

    from threephase.base.files import write_text
    from threephase.report.finished import read_finished
    from threephase.report.own_answer import own_answer
    from threephase.report.page import render_costs, seconds_of_methods

    finished, file = read_finished(study), paths.reports(study.folder) / "costs.html"
    write_text(file, render_costs(finished))
    if study.asks_what_to_use and (chosen := own_answer(finished).chosen):
        seconds = seconds_of_methods(finished)[chosen.row]
        took = "was not timed here" if seconds is None else f"took {seconds:.0f} seconds a seed"
        print(f"Training {chosen.title} {took}.")
    print(f"What the trainings took here: {file}")


if __name__ == "__main__":
    run_stage(main)
