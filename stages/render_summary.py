"""Stage render_summary: reports/summary.txt, what the terminal shows at the end of a study."""

import textwrap

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
    metrics = list(dict.fromkeys([study.params.primary_metric, "accuracy"]))
    caption = tables.caption(study, results)
    parts = [
        textwrap.fill(caption, tables.TERMINAL_WIDTH) + "\n",
        tables.to_plain_text(tables.results_table(study, results, metrics)),
        tables.claims_as_text(study, claims),
        f"The page with figures and learning curves: {source.with_name('index.html')}\n",
    ]
    write_text(source.with_name("summary.txt"), "\n".join(parts))
