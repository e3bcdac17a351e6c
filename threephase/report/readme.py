"""What README.md and docs/findings.md say of the published studies, and their picture: all from the same leads."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.report.answer import ORDINARY, PLAIN, TEXT_PROTOCOL, UNTOUCHED, metric_name
from threephase.report.claims import family
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
    to_markdown,
)
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
        drawn = (("the paper's settings", BY_PAPER, PALETTE[0]), ("ordinary recipe for phase 3", BY_ORDINARY, "white"))
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
    """A line for each of three comparisons: on how many studies the interval tells one side from the other."""
    by_paper = leads(own, *BY_PAPER)
    frozen = [
        name for name, (study, encoder) in own.items() if study.study.params.hyperparameters[encoder].freeze_encoder
    ]
    said = [_counted(by_paper)]
    if frozen and frozen == [*by_paper.index[by_paper["verdict"] == SUPPORTED]]:
        said.append(f"On {_names(frozen)} phase 3 trains a small head on a frozen encoder.")
    claims, verdicts, _ = family(overview.claiming)
    claim = claims[(claims["variant"] == THREE_PHASE) & (claims["other"] == PLAIN)]["claim"]
    for row in verdicts[(verdicts["protocol"] == TEXT_PROTOCOL) & verdicts["claim"].isin(claim)].itertuples():
        said.append(f"Over {row.n_datasets} data sets together: {row.verdict}.")
    untouched = _counted(leads(own, THREE_PHASE, UNTOUCHED))
    lines = {
        "Three phases against plain fine-tuning, by the paper's settings": " ".join(said),
        "The same by an ordinary recipe for phase 3": _counted(leads(own, *BY_ORDINARY)),
        "Three phases against a simple classifier on the untouched encoder": untouched,
    }
    return "\n".join(f"- **{start}.** {text}" for start, text in lines.items()) + "\n"


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


def _counted(rows: pd.DataFrame) -> str:
    """On how many studies the first cell is ahead, behind or neither, naming those where it is told."""
    if rows.empty:
        return "No study has run both."
    behind = (rows["verdict"] == NOT_SUPPORTED) & (rows["ci_high"] < 0)
    ways = {"ahead": [*rows.index[rows["verdict"] == SUPPORTED]], "behind": [*rows.index[behind]]}
    counts = [f"{way} on {len(names)} ({_names(names)})" for way, names in ways.items() if names]
    if rest := len(rows) - sum(map(len, ways.values())):
        counts.append(f"no difference found on {rest}")
    return f"Of {len(rows)} {'study' if len(rows) == 1 else 'studies'}: {', '.join(counts)}."


def _names(names: list[str]) -> str:
    return ", ".join(map(escape_markdown, names))
