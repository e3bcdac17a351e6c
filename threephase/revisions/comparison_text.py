"""A comparison of two revisions or studies as text for the terminal, as Markdown, and as a page."""

import re
import textwrap
from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.base.files import new_folder, write_table, write_text
from threephase.base.provenance import code_revision
from threephase.report.layout import render
from threephase.results.tables import (
    METRIC_TITLES,
    MISSING,
    TERMINAL_WIDTH,
    escape_markdown,
    format_difference,
    format_number,
    to_markdown,
    to_plain_text,
)
from threephase.revisions.comparison import NAMES, NOTHING_HERE, PARAM_COLUMNS, SAME, Comparison

MOST_PARAMS = 20  # shown in the terminal; the files have all


def folder_of(comparison: Comparison) -> Path:
    """Where a comparison is written, by the names that the reader gave; revisions of another study name it."""
    of_other = not comparison.sides[0].is_study and comparison.study.folder != Path()
    names = [comparison.study.params.name] * of_other + [side.name for side in comparison.sides]
    return paths.REPORTS / "compare" / "-".join(re.sub(r"[^\w.~^@-]", "_", name) for name in names)


def write(comparison: Comparison) -> Path:
    """Write ``comparison.csv``, ``comparison.md`` and the page; returns the page."""
    with new_folder(folder_of(comparison)) as folder:
        write_table(folder / "comparison.csv", comparison.rows)
        write_text(folder / "comparison.md", as_markdown(comparison))
        write_text(folder / "index.html", as_page(comparison))
    return folder_of(comparison) / "index.html"


def as_text(comparison: Comparison) -> str:
    """For the terminal: what differs, what must be known besides, and the cells unless none moved."""
    parts = [*legend(comparison), "", params_sentence(comparison)]
    changed = params_table(comparison)
    for key, *values in changed[:MOST_PARAMS].itertuples(index=False):
        parts += [wrapped(f"  {key}: {values[0]} -> {values[1]}")]
    if len(changed) > MOST_PARAMS:
        parts += [f"  and {len(changed) - MOST_PARAMS} more: {folder_of(comparison) / 'comparison.md'}"]
    # Before the numbers: among them is that a side was not run again with its settings.
    parts += map(wrapped, comparison.notes)
    rows = comparison.rows
    if rows["note"].eq(SAME).all():
        here = not any(note.startswith(NOTHING_HERE) for note in comparison.notes)
        parts += ["", f"{rows['cell'].nunique()} cells, all with the same predictions{'' if here else ' in git'}."]
    else:
        parts += ["", wrapped(caption(comparison)), "", to_plain_text(table(rows).drop(columns="Note"))]
        for note, of_note in rows[~rows["note"].isin(["", SAME])].groupby("note", sort=False):
            parts += [wrapped(f"{note}: {', '.join(dict.fromkeys(of_note['cell']))}")]
    return "\n".join([*parts, "", *map(wrapped, made_by(comparison))])


def as_markdown(comparison: Comparison) -> str:
    lines = [f"# Compared: {escape_markdown(comparison.name)}", ""]
    lines += [*(f"- {escape_markdown(line)}" for line in legend(comparison)), ""]
    lines += ["## Parameters", "", params_sentence(comparison), ""]
    if len(changed := params_table(comparison)):
        lines += [to_markdown(changed)]
    lines += [f"- {escape_markdown(note)}" for note in comparison.notes]
    lines += ["", "## Cells", "", escape_markdown(caption(comparison)), "", to_markdown(table(comparison.rows))]
    lines += ["## How it was compared", "", *(f"- {escape_markdown(line)}" for line in made_by(comparison))]
    return "\n".join(lines) + "\n"


def as_page(comparison: Comparison) -> str:
    """One HTML file without network access."""
    return render(
        "comparison.html.j2",
        what=comparison.name,
        names=[side.name for side in comparison.sides],
        legend=legend(comparison),
        params_sentence=params_sentence(comparison),
        params=params_table(comparison),
        caption=caption(comparison),
        rows=table(comparison.rows),
        notes=comparison.notes,
        made_by=made_by(comparison),
    )


def legend(comparison: Comparison) -> list[str]:
    """Which side is A and which is B."""
    return [f"{name}: {side.describe()}" for name, side in zip(NAMES, comparison.sides, strict=True)]


def made_by(comparison: Comparison) -> list[str]:
    """What dvc itself shows of the same, and by which code and rules it was compared."""
    both, dvc = " ".join(side.name for side in comparison.sides), comparison.study.in_folder
    by_dvc = (
        f"By dvc: {dvc} params diff {both}; {dvc} metrics diff {both} (point values); {dvc} plots diff {both} (curves)."
    )
    own = f"Compared with the code and the rules of the working tree ({code_revision()[:7]})."
    return [own] if comparison.sides[0].is_study else [by_dvc, own]


def params_sentence(comparison: Comparison) -> str:
    """How many settings differ."""
    if comparison.params is None:
        return "Which parameters differ is not known."
    count = len(comparison.params)
    return f"{count} parameter{'s' * (count != 1)} differ{'s' * (count == 1)}." if count else "No parameter differs."


def params_table(comparison: Comparison) -> pd.DataFrame:
    """Key and both values as text; a dash where a side has no such key."""
    known = pd.DataFrame(columns=PARAM_COLUMNS) if comparison.params is None else comparison.params
    return known.map(lambda value: "-" if value is None else str(value)).set_axis(["Key", *NAMES], axis=1)


def caption(comparison: Comparison) -> str:
    """What the numbers of the table are, and how many cells moved."""
    study, rows = comparison.study, comparison.rows
    kinds = " or ".join(kind for kind in dict.fromkeys(rows["ci_kind"].dropna()) if kind) or "none"
    primary = rows[rows["metric"] == study.params.primary_metric]
    same = primary["note"].str.startswith(SAME).sum()
    moved = ((primary["ci_low"] > 0) | (primary["ci_high"] < 0)).sum()
    return (
        f"{len(primary)} cells, {same} with the same predictions, {moved} whose interval of "
        f"{METRIC_TITLES[study.params.primary_metric]} leaves out 0. Percent on the test rows that both have; "
        f"differences are B minus A in percentage points, paired by seed and test row, with "
        f"{100 * study.shared.statistics.confidence:g}% intervals ({kinds}), not adjusted for their number; "
        "alike: test predictions that name the same class."
    )


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as text."""
    numbers = zip(rows["note"], rows["difference"], rows["ci_low"], rows["ci_high"], strict=True)
    return pd.DataFrame(
        {
            "Cell": rows["cell"],
            "Metric": rows["metric"].map(METRIC_TITLES),
            NAMES[0]: rows["a"].map(value_text),
            NAMES[1]: rows["b"].map(value_text),
            "Difference": [SAME if note.startswith(SAME) else difference_text(*values) for note, *values in numbers],
            "Alike": rows["alike"].map(alike_text),
            "Note": rows["note"].str.removeprefix(SAME).str.removeprefix("; "),
        }
    )


def value_text(value: float) -> str:
    """A metric in percent, or that it is missing."""
    return MISSING if pd.isna(value) else format_number(value)


def alike_text(percent: float) -> str:
    """The share of predictions that name the same class; empty where none were paired."""
    return "" if pd.isna(percent) else f"{format_number(percent)}%"


def difference_text(difference: float, low: float, high: float) -> str:
    """A difference in percentage points with its interval, which point values do not give."""
    return MISSING if pd.isna(difference) else format_difference(difference, low, high)


def wrapped(line: str) -> str:
    """A line of prose for the terminal; commands, keys and paths stay whole."""
    return textwrap.fill(line, TERMINAL_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
