"""The overview's results and claims as Markdown and LaTeX, from the frames and rows that the page shows."""

import pandas as pd

from threephase.paper.tables import measured_table
from threephase.report.claims import claims_context
from threephase.report.overview import Overview
from threephase.results.tables import METRIC_TITLES, MISSING, to_latex, to_markdown
from threephase.scores.metrics import METRICS

CAPTIONS = {
    "paper": "The paper's measured numbers beside ours, in percent. A stand-in encoder or data set is not comparable.",
    "results": "Every cell of every study in percent: mean and interval.",
    "claims": "The paper's claims: paired differences in percentage points with their intervals.",
}

LEFT_OUT = (
    "Not here: studies of few labels, named `_labels` or `_untrained`. `make labels` writes their numbers to "
    "`reports/published/labels/`."
)


def tables(overview: Overview) -> dict[str, pd.DataFrame]:
    """Tables of texts by the names of ``CAPTIONS``."""
    return {"claims": _claims(overview), "results": _results(overview), "paper": _paper(overview)}


def as_markdown(frames: dict[str, pd.DataFrame]) -> str:
    """All tables with their captions in one document."""
    parts = [f"## {key.capitalize()}\n\n{CAPTIONS[key]}\n\n{to_markdown(frame)}" for key, frame in frames.items()]
    return f"# Tables of all studies\n\n{LEFT_OUT}\n\n" + "\n".join(parts)


def as_latex(frames: dict[str, pd.DataFrame]) -> str:
    """All tables as floats in one file, to be read in by a document."""
    return "\n".join(to_latex(frame, CAPTIONS[name]) for name, frame in frames.items())


def _paper(overview: Overview) -> pd.DataFrame:
    frame, encoders = overview.numbers, overview.work.shared.encoders
    texts = measured_table(frame, overview.work.shared, overview.datasets)
    texts.insert(0, "Table", [f"{table}" for table in frame["table"]])
    texts.insert(2, "Encoder", [encoders[encoder].title for encoder in frame["encoder"]])
    texts.insert(3, "Protocol", list(frame["protocol"]))
    return texts


def _results(overview: Overview) -> pd.DataFrame:
    rows = [
        {
            "Study": line["study"],
            "Data set": line["dataset_title"],
            "Encoder": line["encoder"],
            "Protocol": line["protocol"],
            "Variant": line["title"],
            **{
                METRIC_TITLES[metric]: f"{number['mean']} {number['stated']}".strip() if number else MISSING
                for metric, number in zip(METRICS, line["shown"], strict=True)
            },
            "Interval covers": "" if line["first"] is None else line["first"]["ci_kind"],
            "Note": line["note"],
        }
        for line in overview.cells
    ]
    return pd.DataFrame(rows)


def _claims(overview: Overview) -> pd.DataFrame:
    claims, verdicts, _ = overview.claims
    context = claims_context(overview.claiming, claims, verdicts)
    rows = [
        {
            "Claim": group["text"],
            "Study": row["study"],
            "Encoder": row["encoder_title"],
            "Protocol": row["protocol"],
            "Compared": f"{row['judged'].first} minus {row['judged'].second}",
            "Difference": row["judged"].stated,
            **dict(row["tests"]),
            "Verdict": "; ".join(filter(None, [row["judged"].verdict, row["judged"].small])),
        }
        for group in context["groups"]
        for row in group["rows"]
    ]
    return pd.DataFrame(rows)
