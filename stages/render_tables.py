"""Stage render_tables: the results as Markdown and LaTeX, and the claims as Markdown."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import study_in
from stages.common.errors import run_stage


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study = study_in(arguments.study)

    from stages.common.analysis import tables
    from stages.common.analysis.results import read_results
    from stages.common.files import write_text

    source = paths.results(study.folder)
    results, claims = read_results(source), read_results(source.with_name("claims.csv"))
    folder = source.with_name("tables")
    table = tables.results_table(study, results)
    caption = tables.caption(study, study.dataset.title, results)
    write_text(folder / "results.md", tables.to_markdown(table) + "\n" + tables.escape_markdown(caption) + "\n")
    write_text(folder / "results.tex", tables.to_latex(table, caption))
    write_text(folder / "claims.md", tables.to_markdown(tables.claims_table(study, claims)))


if __name__ == "__main__":
    run_stage(main)
