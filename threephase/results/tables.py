"""Numbers as text, and the tables of a study: a data frame first, then Markdown, LaTeX and plain text of it."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from threephase.results.cells import pools_folds
from threephase.scores.metrics import METRICS, POSITIVE_METRICS
from threephase.scores.statistics import NOT_RUN, ROWS_ONLY
from threephase.study.params import Study
from threephase.study.topology import cells

METRIC_TITLES = dict(zip(METRICS, ["Accuracy", "Macro precision", "Macro recall", "Macro F1"], strict=True)) | {
    metric: f"{title} of the positive class"
    for metric, title in zip(POSITIVE_METRICS, ["Precision", "Recall", "F1"], strict=True)
}
MISSING = "missing"
# What TeX prints as another character: two of these in a row, or a quotation mark turned over.
LIGATURE = re.compile(r"(-(?=-)|`(?=`)|'(?=')|,(?=,)|[?!](?=`))")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SPREAD, NOTE = "SD", "Note"
TERMINAL_WIDTH = 100


def format_number(value: float) -> str:
    """A value in percent with one decimal, such as ``87.3``."""
    return f"{value:z.1f}"


def format_printed(value: float) -> str:
    """A number of the paper with its two decimals, such as ``98.57``."""
    return f"{value:.2f}"


def format_signed(value: float) -> str:
    """A difference in percentage points with its sign, such as ``+3.1``."""
    return f"{value:+z.1f}"


def format_interval(low: float, high: float) -> str:
    """An interval such as ``[84.9, 89.6]``."""
    return f"[{format_number(low)}, {format_number(high)}]"


def format_difference(difference: float, low: float, high: float) -> str:
    """A difference in percentage points with its interval, such as ``+3.1 [-0.4, 6.6]``; point values have none."""
    return f"{format_signed(difference)} {'(no interval)' if pd.isna(low) else format_interval(low, high)}"


def format_setting(value: object) -> str:
    """A parameter's value: ``none``, ``yes``, ``0.1``, those of a list, or the names and values of a group of them."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {format_setting(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(format_setting, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def caption(study: Study, results: pd.DataFrame) -> str:
    """One sentence under the results table: whose numbers they are and what their intervals cover."""
    params = study.params
    encoders = ", ".join(study.shared.encoders[encoder].title for encoder in params.encoders)
    kinds = " or ".join(dict.fromkeys(results["ci_kind"])) or "none"
    seeds, rows = len(params.seeds), " or ".join(str(count) for count in dict.fromkeys(results["n_test"]))
    tail = f" (long-tailed training part, {params.long_tail_ratio:g} to 1)" if params.long_tail_ratio else ""
    tail += f" ({params.shots} labelled training rows a class)" if params.shots else ""
    unit = "seed" if study.dataset.folds is None else "fold"
    return (
        f"{study.dataset.title}{tail}, {encoders}, protocol {params.protocol}: "
        f"{'all' if pools_folds(study) else 'mean of'} {seeds} {unit}{'s' if seeds != 1 else ''} "
        f"on {rows} test rows in percent, with {100 * study.shared.statistics.confidence:g}% intervals ({kinds}); "
        f"SD: of {METRIC_TITLES[study.params.primary_metric]} over the {unit}s."
    )


def results_table(study: Study, results: pd.DataFrame, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """A row for every cell of the study, in its order, and a column for every metric: mean and interval as text.

    ``results`` holds the columns of results.csv. A cell that it lacks shows as missing. The encoder has a column only
    where the study has several. Behind the metrics stand the primary one's standard deviation over the seeds and notes.
    """
    by_key = {(line.encoder, line.variant, line.metric): line for line in results.itertuples()}
    rows = []
    for encoder, variant in cells(study):
        row = {"Variant": study.title(variant), "Encoder": _encoder_title(study, encoder)}
        for metric in metrics:
            line = by_key.get((encoder, variant, metric))
            stated = f"{format_number(line.mean)} {format_interval(line.ci_low, line.ci_high)}" if line else MISSING
            row[METRIC_TITLES[metric]] = stated
        primary = by_key.get((encoder, variant, study.params.primary_metric))
        row[NOTE] = "" if primary is None else primary.note
        row[SPREAD] = "" if primary is None or pd.isna(primary.std) else format_number(primary.std)
        rows.append(row)
    titles = [METRIC_TITLES[metric] for metric in metrics]
    notes = [NOTE] if any(row[NOTE] for row in rows) else []
    return pd.DataFrame(rows, columns=["Variant", *_encoder_column(study), *titles, SPREAD, *notes])


def claims_table(study: Study, claims: pd.DataFrame) -> pd.DataFrame:
    """A row for every comparison of claims.csv: claim, what is compared, paired difference with interval, verdict."""
    rows = [
        {
            "Claim": line.text,
            "Compared": f"{study.title(line.variant)} minus {study.title(line.other)}",
            "Encoder": _encoder_title(study, line.encoder),
            "Difference": _difference(line),
            "By seed": line.by_seed,
            "Verdict": line.verdict,
        }
        for line in claims.itertuples()
    ]
    columns = ["Claim", "Compared", *_encoder_column(study), "Difference", "By seed", "Verdict"]
    return pd.DataFrame(rows, columns=columns)


def _difference(line: Any) -> str:
    """A row of claims.csv as text; an interval that leaves out the seeds is none of the method, so that it is left."""
    if line.verdict == NOT_RUN:
        return ""
    if line.ci_kind == ROWS_ONLY:
        return format_signed(line.difference)
    return format_difference(line.difference, line.ci_low, line.ci_high)


def _encoder_title(study: Study, encoder: str) -> str:
    return study.shared.encoders[encoder].title if encoder else "none"


def _encoder_column(study: Study) -> list[str]:
    return ["Encoder"] if len(study.params.encoders) > 1 else []


def to_markdown(frame: pd.DataFrame) -> str:
    """A pipe table in which no cell or heading is taken for markup."""
    from tabulate import tabulate

    headings, rows = _texts(frame, escape_markdown)
    return tabulate(rows, headings, tablefmt="github", disable_numparse=True) + "\n"


def to_latex(frame: pd.DataFrame, caption: str) -> str:
    """A floating table with booktabs rules in which no cell, heading or caption is taken for markup.

    Letters outside of Latin scripts stand as they are, for which a document needs LuaLaTeX or XeLaTeX and a font.
    """
    from tabulate import LATEX_ESCAPE_RULES, tabulate

    headings, rows = _texts(frame, str)
    tabular = tabulate(rows, headings, tablefmt="latex_booktabs", disable_numparse=True)
    # A bracket or star that opens a row would be read as an argument of the line break before it.
    tabular = re.sub(r"^(\s*)([\[*])", r"\1{\2}", tabular, flags=re.MULTILINE)
    described = "".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in _one_line(caption))
    tabular, described = (LIGATURE.sub(r"\1{}", text) for text in (tabular, described))
    lines = [
        r"% needs \usepackage[T1]{fontenc} and \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{described}}}",
        tabular,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_plain_text(frame: pd.DataFrame) -> str:
    """A table for the terminal: the first column wraps where the others leave too little of 100 columns."""
    from tabulate import tabulate

    headings, rows = _texts(frame, str)
    # The library leaves two more columns than a heading needs, and two between columns.
    columns = list(zip(headings, *rows, strict=True))[1:]
    others = [max(len(heading) + 2, *map(len, values)) + 2 for heading, *values in columns]
    widths = [max(TERMINAL_WIDTH - sum(others), 20), *[None] * len(others)]
    return tabulate(rows, headings, tablefmt="simple", disable_numparse=True, maxcolwidths=widths) + "\n"


def claims_as_text(study: Study, claims: pd.DataFrame) -> str:
    """For the terminal: under each claim a line a comparison with verdict, paired difference and interval."""
    confidence = f"{100 * study.shared.statistics.confidence:g}%"
    metric = METRIC_TITLES[study.params.primary_metric]
    kinds = " or ".join(kind for kind in dict.fromkeys(claims["ci_kind"]) if kind not in ("", ROWS_ONLY)) or "none"
    lines = [f"Claims ({metric}, paired differences in percentage points, {confidence} intervals: {kinds})", ""]
    for text, compared in claims_table(study, claims).groupby("Claim", sort=False):
        lines += textwrap.wrap(text, TERMINAL_WIDTH)
        for row in compared.to_dict("records"):
            encoder = f" ({row['Encoder']})" if "Encoder" in row else ""
            by_seed = f" (by seed {row['By seed']})" if row["By seed"] else ""
            line = f"  {row['Verdict']:<13}  {row['Difference']:<19}  {row['Compared']}{encoder}{by_seed}"
            lines += textwrap.wrap(line, TERMINAL_WIDTH, subsequent_indent=" " * 38)
    return "\n".join(lines) + "\n"


def _texts(frame: pd.DataFrame, escape: Callable[[str], str]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows as one-line texts, each escaped."""
    headings = [escape(_one_line(name)) for name in frame]
    return headings, [[escape(_one_line(value)) for value in row] for row in frame.itertuples(index=False)]


def _one_line(value: object) -> str:
    # Control characters show nothing, and one of them is a row of its own to tabulate.
    return " ".join(CONTROL.sub(" ", str(value)).split())


def escape_markdown(text: str) -> str:
    """Backslashes before what Markdown reads as markup; a bracket is markup only where a link's target follows."""
    return re.sub(r"([\\`*_<>|~&$#]|(?<=\])[(\[])", r"\\\1", text)
