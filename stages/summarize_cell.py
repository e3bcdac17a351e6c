"""Stage summarize_cell: one cell's metrics over the study's seeds, from its predictions."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import study_in
from stages.common.errors import run_stage


def main() -> None:
    arguments = stage_parser(__doc__, "encoder?", "variant").parse_args()
    study = study_in(arguments.study)

    from stages.common.analysis.cells import check_cell, check_split, summarize
    from stages.common.files import write_json

    cell = (arguments.encoder, arguments.variant)
    check_cell(study, cell)
    check_split(study, cell)
    summary = summarize(study, cell)
    declared = {metric: round(summary["metrics"][metric]["mean"], 4) for metric in ("accuracy", "macro_f1")}
    write_json(paths.cell_summary(paths.reports(study.folder), *cell), summary)
    write_json(paths.cell_metrics(study.folder, *cell), declared)


if __name__ == "__main__":
    run_stage(main)
