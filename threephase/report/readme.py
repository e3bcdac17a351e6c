"""What the README says of the published studies: the answer and the claims, from the frames that the page shows."""

import pandas as pd

from threephase.report.answer import ORDINARY, PLAIN, TEXT_PROTOCOL, UNTOUCHED, metric_name, overview_answer
from threephase.report.claims import family
from threephase.report.finished import Finished
from threephase.report.overview import Overview
from threephase.report.paper_grid import paper_frame
from threephase.results.tables import (
    MISSING,
    escape_markdown,
    format_difference,
    format_interval,
    format_number,
    to_markdown,
)
from threephase.study.params import THREE_PHASE, Study

CELLS = (THREE_PHASE, "extra_imbalance", PLAIN, ORDINARY, "ft_ordinary", UNTOUCHED, "tfidf_logistic", "majority")
NAME, COMMAND = "published", "python -m commands.render_index --published"


def readme_part(overview: Overview) -> str:
    """The answer's sentences, then a row for every cell and comparison and a column for every published study.

    The studies are those of the paper's text that have been tested for every claim.
    """
    claims, verdicts, _ = family(overview.claiming)
    said = overview_answer(overview.claiming, claims, verdicts, paper_frame(overview.work))
    shown = [one for one in overview.finished if _is_shown(one.study)]
    rows: dict[str, dict[str, str]] = {overview.finished[0].study.title(cell): {} for cell in CELLS}
    for one in shown:
        for encoder in one.study.params.encoders:
            heading = _heading(one.study, encoder)
            for title, text in [*_means(one, encoder), *_comparisons(one, encoder)]:
                rows.setdefault(title, {})[heading] = text
    table = pd.DataFrame([{"": title} | texts for title, texts in rows.items() if texts]).fillna(MISSING)
    return "\n\n".join([*map(escape_markdown, said), to_markdown(table)])


def _is_shown(study: Study) -> bool:
    """Whether the study is of the paper's text and runs what the claims compare."""
    run = study.params.trained()
    return study.params.protocol == TEXT_PROTOCOL and {THREE_PHASE, PLAIN, "joint", "dae_ft", "cl_ft"} <= {*run}


def _heading(study: Study, encoder: str) -> str:
    names = [study.params.name, *([encoder] if len(study.params.encoders) > 1 else [])]
    return ", ".join([*names, metric_name(study.params.primary_metric)])


def _means(one: Finished, encoder: str) -> list[tuple[str, str]]:
    results = one.results
    primary = results["metric"] == one.study.params.primary_metric
    lines = results[primary & results["encoder"].isin([encoder, ""])].set_index("variant")
    return [
        (one.study.title(cell), f"{format_number(line['mean'])} {format_interval(line['ci_low'], line['ci_high'])}")
        for cell in CELLS
        if cell in lines.index
        for line in [lines.loc[cell]]
    ]


def _comparisons(one: Finished, encoder: str) -> list[tuple[str, str]]:
    claims = one.claims[one.claims["encoder"] == encoder].dropna(subset=["difference"])
    return [
        (
            f"{one.study.title(line['variant'])} minus {one.study.title(line['other'])}",
            f"{format_difference(line['difference'], line['ci_low'], line['ci_high'])}, {line['verdict']}",
        )
        for _, line in claims.iterrows()
    ]
