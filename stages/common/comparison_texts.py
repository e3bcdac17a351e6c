"""A comparison of two revisions as text for the terminal, as Markdown, and as a page."""

import re
from pathlib import Path

import pandas as pd

from stages.common import paths
from stages.common.analysis.tables import METRIC_TITLES, escape_markdown, to_markdown, to_plain_text
from stages.common.comparison import NAMES, SAME, Comparison
from stages.common.files import new_folder, write_table, write_text
from stages.common.pages.layout import render
from stages.common.paired_text import alike_text, difference_text, value_text, wrapped
from stages.common.provenance import code_revision

MOST_PARAMS = 20  # shown in the terminal; the files have all


def folder_of(comparison: Comparison) -> Path:
    """Where a comparison is written, by the names that the reader gave."""
    names = [re.sub(r"[^\w.~^@-]", "_", revision.name) for revision in (comparison.first, comparison.second)]
    return paths.REPORTS / "compare" / "-".join(names)


def write(comparison: Comparison) -> Path:
    """Write ``comparison.csv``, ``comparison.md`` and the page; returns the page."""
    with new_folder(folder_of(comparison)) as folder:
        write_table(folder / "comparison.csv", comparison.rows)
        write_text(folder / "comparison.md", as_markdown(comparison))
        write_text(folder / "index.html", as_page(comparison))
    return folder_of(comparison) / "index.html"


def as_text(comparison: Comparison) -> str:
    """For the terminal: what differs, what must be known besides, and a table for every benchmark that moved."""
    parts = [*legend(comparison), "", _params_sentence(comparison)]
    for file, changed in comparison.params[:MOST_PARAMS].groupby("file", sort=False):
        parts += [file, *(wrapped(f"  {row.key}: {_value(row.a)} -> {_value(row.b)}") for row in changed.itertuples())]
    if len(comparison.params) > MOST_PARAMS:
        parts += [f"  and {len(comparison.params) - MOST_PARAMS} more: {folder_of(comparison) / 'comparison.md'}"]
    # Before the numbers: among them is that a side was not run again with its parameters.
    parts += map(wrapped, comparison.notes)
    for benchmark, rows in comparison.rows.groupby("benchmark", sort=False):
        if rows["note"].eq(SAME).all():
            cells = rows["cell"].nunique()
            parts += ["", f"{benchmark}: {cells} cell{'s, all' if cells > 1 else ','} with the same predictions."]
            continue
        parts += ["", wrapped(caption(comparison, benchmark, rows))]
        parts += ["", to_plain_text(table(rows).drop(columns="Note"))]
        for note, of_note in rows[~rows["note"].isin(["", SAME])].groupby("note", sort=False):
            parts += [wrapped(f"{note}: {', '.join(dict.fromkeys(of_note['cell']))}")]
    return "\n".join([*parts, "", *map(wrapped, made_by(comparison))])


def as_markdown(comparison: Comparison) -> str:
    lines = ["# Two revisions compared", "", *(f"- {escape_markdown(line)}" for line in legend(comparison)), ""]
    lines += ["## Parameters", "", _params_sentence(comparison), ""]
    if len(comparison.params):
        lines += [to_markdown(params_table(comparison))]
    lines += [f"- {escape_markdown(note)}" for note in comparison.notes]
    for benchmark, rows in comparison.rows.groupby("benchmark", sort=False):
        lines += [f"## {escape_markdown(benchmark)}", "", escape_markdown(caption(comparison, benchmark, rows)), ""]
        lines += [to_markdown(table(rows))]
    lines += ["## How it was compared", "", *(f"- {escape_markdown(line)}" for line in made_by(comparison))]
    return "\n".join(lines) + "\n"


def as_page(comparison: Comparison) -> str:
    """One HTML file without network access."""
    return render(
        "comparison.html.j2",
        names=(comparison.first.name, comparison.second.name),
        legend=legend(comparison),
        params_sentence=_params_sentence(comparison),
        params=params_table(comparison),
        benchmarks={
            benchmark: (caption(comparison, benchmark, rows), table(rows))
            for benchmark, rows in comparison.rows.groupby("benchmark", sort=False)
        },
        notes=comparison.notes,
        made_by=made_by(comparison),
    )


def legend(comparison: Comparison) -> list[str]:
    """Which revision is A and which is B."""
    revisions = (comparison.first, comparison.second)
    return [f"{name}: {revision.describe()}" for name, revision in zip(NAMES, revisions, strict=True)]


def made_by(comparison: Comparison) -> list[str]:
    """What dvc itself shows of the same, and by which code and rules it was compared."""
    both = f"{comparison.first.name} {comparison.second.name}"
    return [
        f"By dvc: dvc params diff {both}; dvc metrics diff {both} (point values); dvc plots diff {both} (curves).",
        f"Compared with the code and the rules of the working tree ({code_revision()[:7]}).",
    ]


def _params_sentence(comparison: Comparison) -> str:
    count = len(comparison.params)
    return f"{count} parameter{'s' * (count != 1)} differ{'s' * (count == 1)}." if count else "No parameter differs."


def params_table(comparison: Comparison) -> pd.DataFrame:
    """File, key and both values as text; a dash where a file has no such key, or none."""
    return comparison.params.map(_value).set_axis(["File", "Key", *NAMES], axis=1)


def _value(value: object) -> str:
    return "-" if value is None else str(value)


def caption(comparison: Comparison, benchmark: str, rows: pd.DataFrame) -> str:
    """What the numbers of a benchmark's table are, and how many cells moved."""
    study = comparison.studies[benchmark]
    kinds = " or ".join(kind for kind in dict.fromkeys(rows["ci_kind"].dropna()) if kind) or "none"
    primary = rows[rows["metric"] == study.benchmark.primary_metric]
    same = primary["note"].str.startswith(SAME).sum()
    moved = ((primary["ci_low"] > 0) | (primary["ci_high"] < 0)).sum()
    return (
        f"{benchmark}: {len(primary)} cells, {same} with the same predictions, {moved} whose interval of "
        f"{METRIC_TITLES[study.benchmark.primary_metric]} leaves out 0. Percent on the test rows that both have; "
        f"differences are B minus A in percentage points, paired by seed and test row, with "
        f"{100 * study.shared.statistics.confidence:g}% intervals ({kinds}), not adjusted for their number; "
        "alike: test predictions that name the same class."
    )


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """A benchmark's rows as text."""
    return pd.DataFrame(
        [
            {
                "Cell": row.cell,
                "Metric": METRIC_TITLES[row.metric],
                NAMES[0]: value_text(row.a),
                NAMES[1]: value_text(row.b),
                "Difference": SAME
                if row.note.startswith(SAME)
                else difference_text(row.difference, row.ci_low, row.ci_high),
                "Alike": alike_text(row.alike),
                "Note": row.note.removeprefix(SAME).removeprefix("; "),
            }
            for row in rows.itertuples()
        ],
        columns=["Cell", "Metric", *NAMES, "Difference", "Alike", "Note"],
    )
