"""Stage summarize_cell: one cell's metrics over the study's seeds, from its predictions."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    arguments = stage_parser(__doc__, "encoder?", "variant").parse_args()
    study = study_in(arguments.study)

    from threephase.base.files import write_json
    from threephase.results.cells import check_cell, check_split, summarize

    cell = (arguments.encoder, arguments.variant)
    check_cell(study, cell)
    check_split(study, cell)
    summary = summarize(study, cell)
    declared = {metric: round(summary["metrics"][metric]["mean"], 4) for metric in ("accuracy", "macro_f1")}
    write_json(paths.cell_summary(paths.reports(study.folder), *cell), summary)
    write_json(paths.cell_metrics(study.folder, *cell), declared)
