"""What README.md and docs/findings.md say of the published studies, and their picture: all from the same leads."""

from pathlib import Path

import pandas as pd

from threephase.base import paths
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
from threephase.report.figure_style import PALETTE, QUIET, STYLE, WIDTH
from threephase.report.overview import Overview
from threephase.results.tables import (
    MISSING,
    escape_markdown,
    format_difference,
    format_interval,
    format_number,
    to_markdown,
)  # fmt: skip
from threephase.study.params import THREE_PHASE

FINDINGS, PICTURE = Path("docs/findings.md"), paths.PUBLISHED / "leads.svg"
COMMAND = "python -m commands.render_index --published"
WORDS = "tfidf_logistic"
FEW_CELLS = (THREE_PHASE, PLAIN, UNTOUCHED, WORDS, "majority")
CELLS = (THREE_PHASE, "extra_imbalance", PLAIN, ORDINARY, "ft_ordinary", UNTOUCHED, WORDS, "majority")
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
    bullets = "".join(f"- **{start}.** {escape_markdown(text)}\n" for start, text in said)
    return {
        paths.README: {"answer": bullets, "table": table(own, FEW_CELLS, (BY_PAPER,))},
        FINDINGS: {"means": table(own, CELLS, ()), "leads": table(every, (), PAIRS)},
    }


def draw(overview: Overview) -> None:
    """Write the forest plot of three phases minus fine-tuning: a row a study, a dot with its interval a recipe."""
    import matplotlib
    from matplotlib.figure import Figure

    own = columns(overview.claiming, {TEXT_PROTOCOL})
    names = [*own]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.2 + 0.36 * len(names)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=QUIET, linewidth=0.8)
        drawn = (("the main settings", BY_PAPER, PALETTE[0]), ("ordinary recipe for phase 3", BY_ORDINARY, "white"))
        for place, (label, pair, fill) in enumerate(drawn):
            rows = leads(own, *pair)
            heights = [names.index(name) + 0.26 * (place - 0.5) for name in rows.index]
            reach = (rows["difference"] - rows["ci_low"], rows["ci_high"] - rows["difference"])
            style = {"fmt": "o", "color": PALETTE[place], "markerfacecolor": fill}
            axes.errorbar(rows["difference"], heights, xerr=reach, label=label, **style)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        confidence = overview.work.shared.statistics.confidence
        axes.set_xlabel(f"Three phases minus fine-tuning, in points, with {confidence:.0%} intervals")
        axes.legend(loc="lower right")
        figure.savefig(PICTURE, metadata={"Date": None, "Creator": None})


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
    return {
        row.Index: f"{format_difference(row.difference, row.ci_low, row.ci_high)}, {row.verdict}"
        for row in leads(studies, *pair).itertuples()
    }
