"""What a verification says in the terminal: parameters that differ, what the runs ran on, a table, one line."""

import pandas as pd

from threephase.results.tables import METRIC_TITLES, to_plain_text
from threephase.revisions.paired_text import alike_text, difference_text, value_text, wrapped
from threephase.revisions.verification import NOT_RUN, SAME, Verification, summary
from threephase.study.params import Study


def as_text(study: Study, verification: Verification) -> str:
    """The whole text; the last line is the summary."""
    lines = verification.params or ["No setting and no input differs."]
    lines += ["", *(_engine(*facts) for facts in verification.engine), "", _rule(study, verification.rows)]
    notes = [f"{row.cell}: {row.note}" for row in verification.rows.itertuples() if row.note]
    parts = [*map(wrapped, lines), "", to_plain_text(_table(verification.rows)), *map(wrapped, notes)]
    return "\n".join([*parts, summary(study, verification)])


def _engine(name: str, published: str, own: str) -> str:
    return f"{name}: {own}, as published" if own == published else f"{name}: {own}; published: {published}"


def _rule(study: Study, rows: pd.DataFrame) -> str:
    kinds = " or ".join(dict.fromkeys(rows["ci_kind"].dropna())) or "none"
    return (
        f"{METRIC_TITLES[study.params.primary_metric]} in percent on the test rows; difference: yours minus "
        f"published, paired by seed and test row, with {100 * study.shared.statistics.confidence:g}% intervals "
        f"({kinds}). Identical: predictions with the published checksums. Agrees: 0 lies in the interval, or the "
        f"difference is at most {study.shared.verdicts.claim_margin:g} points. Undecided: 0 lies in it, but it is "
        f"wider than {study.shared.verdicts.undecided_interval_width:g} points. Another machine gives other last "
        "digits that a training amplifies; an interval of test rows only does not cover that."
    )


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Cell": row.cell,
                "Own": value_text(row.own),
                "Published": value_text(row.published),
                "Difference": ""
                if row.verdict in (SAME, NOT_RUN)
                else difference_text(row.difference, row.ci_low, row.ci_high),
                "Alike": alike_text(row.alike),
                "Verdict": row.verdict,
            }
            for row in rows.itertuples()
        ]
    )
