"""Stage render_tables: the results as Markdown and LaTeX, and the claims as Markdown."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study = study_in(arguments.study)

    from threephase.base.files import write_text
    from threephase.results import tables
    from threephase.results.results import read_results

    source = paths.results(study.folder)
    results, claims = read_results(source), read_results(source.with_name("claims.csv"))
    folder = source.with_name("tables")
    table = tables.results_table(study, results)
    caption = tables.caption(study, results)
    write_text(folder / "results.md", tables.to_markdown(table) + "\n" + tables.escape_markdown(caption) + "\n")
    write_text(folder / "results.tex", tables.to_latex(table, caption))
    write_text(folder / "claims.md", tables.to_markdown(tables.claims_table(study, claims)))
