"""What README.md and docs/findings.md say of the published studies, and their picture: all from the same leads."""

from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.base.files import write_text
from threephase.report.answer import (
    BY_ORDINARY,
    BY_PAPER,
    ORDINARY,
    PLAIN,
    TEXT_PROTOCOL,
    UNTOUCHED,
    Columns,
    columns,
    leads,
    metric_name,
    overall_answer,
)  # fmt: skip
from threephase.report.drawing import scale_of
from threephase.report.layout import render_drawing
from threephase.report.overview import RECIPES, Overview
from threephase.results.tables import (
    MISSING,
    escape_markdown,
    format_interval,
    format_number,
    to_markdown,
)  # fmt: skip
from threephase.study.params import THREE_PHASE

FINDINGS, PICTURE = Path("docs/findings.md"), paths.PUBLISHED / "leads.svg"
COMMAND = "python -m commands.render_index --published"
WORDS = "tfidf_logistic"
SIMPLE = (UNTOUCHED, "embedding_nearest_mean", WORDS, "majority")
FEW_CELLS = (THREE_PHASE, PLAIN, *SIMPLE)
CELLS = (THREE_PHASE, "extra_imbalance", PLAIN, ORDINARY, "ft_ordinary", *SIMPLE)
PAIRS = (
    BY_PAPER, BY_ORDINARY,
    (THREE_PHASE, "no_imbalance"), (THREE_PHASE, "no_imbalance_equal_updates"), ("extra_imbalance", "no_imbalance"),
    (THREE_PHASE, "joint"), (THREE_PHASE, "dae_ft"), (THREE_PHASE, "cl_ft"),
    (THREE_PHASE, UNTOUCHED), (ORDINARY, UNTOUCHED), (PLAIN, UNTOUCHED), (THREE_PHASE, WORDS),
)  # fmt: skip


def parts(overview: Overview) -> dict[Path, dict[str, str]]:
    """The text of each marked part, by page and by the part's name."""
    own = columns(overview.claiming, {TEXT_PROTOCOL})
    every = columns(overview.claiming, {study.study.params.protocol for study in overview.claiming})
    claims, verdicts, _ = overview.claims
    said = overall_answer(overview.claiming, claims, verdicts).items()
    bullets = "".join(f"- **{start}.** {escape_markdown('. '.join(texts))}.\n" for start, texts in said)
    return {
        paths.README: {"answer": bullets, "table": table(own, FEW_CELLS, (BY_PAPER,))},
        FINDINGS: {"means": table(own, CELLS, ()), "leads": table(every, (), PAIRS)},
    }


def draw(overview: Overview) -> None:
    """Write the forest plot of three phases minus fine-tuning: a row a study and recipe."""
    own = columns(overview.claiming, {TEXT_PROTOCOL})
    rows = [
        {"study": name, "how": how, "first": not number, "judged": found[name]}
        for name in own
        for number, (how, found) in enumerate((how, leads(own, *pair)) for how, pair in RECIPES.items())
        if name in found
    ]
    scale = scale_of([0.0, *(value for row in rows for value in row["judged"].reach)])
    drawn = [row | {"drawing": row["judged"].drawn(scale)} for row in rows]
    confidence = f"{overview.work.shared.statistics.confidence:.0%}"
    write_text(PICTURE, render_drawing("leads.svg.j2", rows=drawn, scale=scale, confidence=confidence))


def table(studies: Columns, cells: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> str:
    """A column for every study, a row for every cell (mean and interval) and for every pair (difference, verdict)."""
    if not studies:
        return "No study runs what the claims compare yet.\n"
    texts = {cell: _means(studies, cell) for cell in cells} | {pair: _differences(studies, pair) for pair in pairs}
    title = next(iter(studies.values()))[0].study.title
    headings = {
        name: f"{name}, {metric_name(study.study.params.primary_metric)}" for name, (study, _) in studies.items()
    }
    rows = [
        {"": title(key) if isinstance(key, str) else " minus ".join(map(title, key))}
        | {heading: by_study.get(name, MISSING) for name, heading in headings.items()}
        for key, by_study in texts.items()
        if by_study
    ]
    return to_markdown(pd.DataFrame(rows))


def _means(studies: Columns, cell: str) -> dict[str, str]:
    texts = {}
    for name, (study, encoder) in studies.items():
        rows = study.results[study.results["metric"] == study.study.params.primary_metric]
        rows = rows[(rows["variant"] == cell) & rows["encoder"].isin([encoder, ""])]
        for row in rows.itertuples():
            texts[name] = f"{format_number(row.mean)} {format_interval(row.ci_low, row.ci_high)}"
    return texts


def _differences(studies: Columns, pair: tuple[str, str]) -> dict[str, str]:
    return {name: f"{found.stated}, {found.verdict}" for name, found in leads(studies, *pair).items()}
