"""Stage render_report: the self-contained page of a study."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import study_in
from stages.common.errors import run_stage


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study = study_in(arguments.study)

    from stages.common.files import write_text
    from stages.common.page import render_page
    from stages.common.pages.finished import read_finished

    page = render_page(read_finished(study, with_costs=False), texts=True, with_costs=False)
    write_text(paths.reports(study.folder) / "index.html", page)


if __name__ == "__main__":
    run_stage(main)
