"""What README.md and docs/findings.md say of the published studies, and their picture: all from the same leads."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.report.answer import ORDINARY, PLAIN, TEXT_PROTOCOL, UNTOUCHED, metric_name
from threephase.report.figure_style import PALETTE, QUIET, STYLE, WIDTH
from threephase.report.finished import Finished
from threephase.report.overview import Overview
from threephase.results.differences import verdict
from threephase.results.tables import (
    MISSING,
    escape_markdown,
    format_difference,
    format_interval,
    format_number,
    format_signed,
    to_markdown,
)  # fmt: skip
from threephase.scores.statistics import NOT_SUPPORTED, SUPPORTED
from threephase.study.params import THREE_PHASE

FINDINGS, PICTURE = Path("docs/findings.md"), paths.PUBLISHED / "leads.svg"
COMMAND = "python -m commands.render_index --published"
WORDS = "tfidf_logistic"
FEW_CELLS = (THREE_PHASE, PLAIN, UNTOUCHED, WORDS, "majority")
CELLS = (THREE_PHASE, "extra_imbalance", PLAIN, ORDINARY, "ft_ordinary", UNTOUCHED, WORDS, "majority")
BY_PAPER, BY_ORDINARY = (THREE_PHASE, PLAIN), (ORDINARY, "ft_ordinary")
PAIRS = (
    BY_PAPER, BY_ORDINARY,
    (THREE_PHASE, "no_imbalance"), (THREE_PHASE, "no_imbalance_equal_updates"), ("extra_imbalance", "no_imbalance"),
    (THREE_PHASE, "joint"), (THREE_PHASE, "dae_ft"), (THREE_PHASE, "cl_ft"),
    (THREE_PHASE, UNTOUCHED), (ORDINARY, UNTOUCHED), (PLAIN, UNTOUCHED), (THREE_PHASE, WORDS),
)  # fmt: skip
MAIN, RECIPE = "By each study's main settings", "By the ordinary recipe"
ANSWERS = {
    "Three phases against plain fine-tuning": {MAIN: BY_PAPER, RECIPE: BY_ORDINARY},
    "Against phases 1 and 2 trained at once": {MAIN: (THREE_PHASE, "joint")},
    "Against leaving a phase out": {
        "Without phase 1": (THREE_PHASE, "cl_ft"),
        "Without phase 2": (THREE_PHASE, "dae_ft"),
    },
    "Against a simple classifier on untouched vectors": {MAIN: (THREE_PHASE, UNTOUCHED), RECIPE: (ORDINARY, UNTOUCHED)},
}
LEAD = ["difference", "ci_low", "ci_high", "verdict"]
Columns = Mapping[str, tuple[Finished, str]]  # a study and one of its encoders, by the name that a table gives them


def parts(overview: Overview) -> dict[Path, dict[str, str]]:
    """The text of each marked part, by page and by the part's name."""
    own = columns(overview, {TEXT_PROTOCOL})
    every = columns(overview, {study.study.params.protocol for study in overview.claiming})
    return {
        paths.README: {"answer": answer(overview, own), "table": table(own, FEW_CELLS, (BY_PAPER,))},
        FINDINGS: {"means": table(own, CELLS, ()), "leads": table(every, (), PAIRS)},
    }


def draw(overview: Overview) -> None:
    """Write the forest plot of three phases minus fine-tuning: a row a study, a dot with its interval a recipe."""
    import matplotlib
    from matplotlib.figure import Figure

    own = columns(overview, {TEXT_PROTOCOL})
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


def columns(overview: Overview, protocols: set[str]) -> Columns:
    """The studies of these protocols that run what the claims compare."""
    needed = {THREE_PHASE, PLAIN, "joint", "dae_ft", "cl_ft"}
    return {
        study.name if len(study.study.params.encoders) == 1 else f"{study.name}, {encoder}": (study, encoder)
        for study in overview.claiming
        if study.study.params.protocol in protocols and needed <= {*study.study.params.trained()}
        for encoder in study.study.params.encoders
    }


def leads(studies: Columns, variant: str, other: str) -> pd.DataFrame:
    """The differences of two cells, that way round, with verdicts; the index names the studies that ran both."""
    rows = {}
    for name, (study, encoder) in studies.items():
        table = study.differences[study.differences["encoder"] == encoder].set_index(["variant", "other"])
        if (variant, other) in table.index:
            row = dict(table.loc[(variant, other)])
        elif (other, variant) in table.index:
            row = dict(table.loc[(other, variant)])
            row |= {"difference": -row["difference"], "ci_low": -row["ci_high"], "ci_high": -row["ci_low"]}
        else:
            continue
        rows[name] = row | {"verdict": verdict(study.study, row)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=LEAD)


def answer(overview: Overview, own: Columns) -> str:
    """A line for each of ``ANSWERS``: who is ahead on which study, and the claim's verdict over all data sets."""
    claims, verdicts, lines = *(frame[frame["protocol"] == TEXT_PROTOCOL] for frame in overview.claims[:2]), []
    for start, pairs in ANSWERS.items():
        texts = [f"{how}: {_counted(own, *pair)}." for how, pair in pairs.items()]
        rows = claims[claims.set_index(["variant", "other"]).index.isin([*pairs.values()])]
        for row in verdicts[verdicts["claim"].isin(rows["claim"])].itertuples():
            holm = f"after Holm's correction: {row.verdict} (least p {rows['p_holm'].min():.3f})."
            texts.append(f"Over {row.n_datasets} data sets together, {holm}")
        lines.append(f"- **{start}.** {' '.join(texts)}\n")
    return "".join(lines)


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


def _counted(studies: Columns, variant: str, other: str) -> str:
    """On how many studies the first cell is ahead (by how much), behind or neither, and which did not run both."""
    rows, counts = leads(studies, variant, other), []
    behind = (rows["verdict"] == NOT_SUPPORTED) & (rows["ci_high"] < 0)
    ways = {"ahead": rows["verdict"] == SUPPORTED, "behind": behind}
    for way, told in ways.items():
        named = [f"{escape_markdown(row.Index)} {format_signed(row.difference)}" for row in rows[told].itertuples()]
        counts += [f"{way} on {len(named)} ({', '.join(named)})"] if named else []
    if rest := len(rows) - sum(map(sum, ways.values())):
        counts.append(f"no difference found on {rest}")
    counts += [f"not run on {escape_markdown(name)}" for name in studies if name not in rows.index]
    return ", ".join(counts)
