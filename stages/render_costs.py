"""Render what a study's trainings took here, and on which machine: reports/costs.html; not a part of the pipeline."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import study_in
from stages.common.errors import run_stage


def main() -> None:
    study = study_in(stage_parser(__doc__).parse_args().study)

    from stages.common.files import write_text
    from stages.common.page import render_costs
    from stages.common.pages.finished import read_finished

    file = paths.reports(study.folder) / "costs.html"
    write_text(file, render_costs(read_finished(study)))
    print(f"What the trainings took here: {file}")


if __name__ == "__main__":
    run_stage(main)
