"""Stage render_report: the self-contained page of a study."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study = study_in(arguments.study)

    from threephase.base.files import write_text
    from threephase.report.finished import read_finished
    from threephase.report.page import render_page

    page = render_page(read_finished(study, with_costs=False), texts=True, with_costs=False)
    write_text(paths.reports(study.folder) / "index.html", page)
