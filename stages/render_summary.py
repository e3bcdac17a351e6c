"""Stage render_summary: reports/summary.txt, what the terminal shows at the end of a study."""

import textwrap
from functools import partial

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    arguments = stage_parser(__doc__).parse_args()
    study = study_in(arguments.study)

    from threephase.base.files import write_text
    from threephase.report.finished import read_finished
    from threephase.report.own_answer import own_answer
    from threephase.results import tables
    from threephase.results.results import read_results

    filled = partial(textwrap.fill, width=tables.TERMINAL_WIDTH, break_on_hyphens=False)
    source = paths.results(study.folder)
    if study.asks_what_to_use:
        answer = own_answer(read_finished(study, with_costs=False))
        said, legend = "\n".join(map(filled, (answer.heading, *answer.sentences))), filled(answer.legend)
        parts = [said + "\n", tables.to_plain_text(answer.table()), legend + "\n"]
        if answer.chosen:
            parts.append(f"Labels for new texts: make predict STUDY={study.params.name} FILE=new.csv\n")
    else:
        metrics = list(dict.fromkeys([study.params.primary_metric, "accuracy"]))
        results, claims = read_results(source), read_results(source.with_name("claims.csv"))
        table = tables.to_plain_text(tables.results_table(study, results, metrics))
        caption = filled(tables.caption(study, results)) + "\n"
        parts = [caption, table, tables.claims_as_text(study, claims)]
    page = f"The page with figures and learning curves: {source.with_name('index.html')}\n"
    write_text(source.with_name("summary.txt"), "\n".join([*parts, page]))
