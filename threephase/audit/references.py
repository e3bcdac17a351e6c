"""The paper's fine-tuning and its best numbers beside published figures."""

from threephase.audit.item import FINDING, PASSES, Item, code_of, points, table
from threephase.audit.printed import Printed
from threephase.paper.numbers import CITED
from threephase.results.tables import format_printed

ROWS = ["Data set", "Paper", "Printed", "Published", "By", "Difference", "Rows", "Source"]


def weak_baselines(printed: Printed) -> list[dict]:
    """Plain fine-tuning of table 3 beside published figures of the same encoder."""
    plain = printed.measured(3)
    rows = []
    for figure in printed.references[printed.references["encoder"] != ""].to_dict("records"):
        same = (plain["encoder"] == figure["encoder"]) & (plain["dataset"] == figure["dataset"])
        for value in plain.loc[same & (plain["variant"] == "ft"), "value"]:
            rows.append(_row(figure, f"ft, {figure['encoder']}", value))
    return rows


def highest(printed: Printed) -> list[dict]:
    """The highest accuracy that the paper measured of each data set beside the highest published one known here."""
    quoted = printed.numbers[(printed.numbers["encoder"] == CITED) & (printed.numbers["metric"] == "accuracy")]
    known = printed.references[printed.references["metric"] == "accuracy"].to_dict("records")
    for number in quoted.to_dict("records"):
        known.append(number | {"model": number["variant"], "rows": "", "source": "quoted by the paper"})
    rows = []
    for dataset, own in printed.measured(3, 4).groupby("dataset", sort=False):
        figures = [figure for figure in known if figure["dataset"] == dataset]
        if figures:
            best = own.loc[own["value"].idxmax()]
            rows.append(
                _row(max(figures, key=lambda figure: figure["value"]), f"best: {best['variant']}", best["value"])
            )
    return rows


def _row(figure: dict, paper: str, value: float) -> dict:
    return {
        "Data set": figure["dataset"],
        "Paper": paper,
        "Printed": format_printed(value),
        "Published": format_printed(figure["value"]),
        "By": figure["model"],
        "Difference": points(value - figure["value"]),
        "Rows": figure["rows"],
        "Source": figure["source"],
    }


def audit(printed: Printed) -> Item:
    """Weak baselines and best numbers against paper/references.csv and what the paper quotes."""
    plain, best = weak_baselines(printed), highest(printed)
    below = [row for row in plain if row["Difference"].startswith("-")]
    above = [row for row in best if row["Difference"].startswith("+") and row["Difference"] != points(0.0)]
    said = [
        f"{row['Data set']}, {row['Paper']}: printed {row['Printed']}, published {row['Published']} ({row['By']})"
        for row in below
    ]
    if above:
        names = ", ".join(f"{row['Data set']} ({row['Printed']}, {row['Published']})" for row in above)
        said.append(f"the paper's best number is above the highest published one listed here on {names}")
    return Item(
        id="references",
        title="Published figures",
        question="Is plain fine-tuning as strong as others report it, and is the best number one that others reach?",
        method=(
            "Table 3's fine-tuning minus published accuracies of the same encoder on the same rows. Then the highest "
            "accuracy of tables 3 and 4 minus the highest of paper/references.csv or quoted by the paper."
        ),
        finding="; ".join(said or ["no printed number is out of line with the published ones"]) + ".",
        outcome=FINDING if said else PASSES,
        **table(ROWS, [*plain, *best]),
        code=code_of(__name__),
        falsify=(
            "A figure that was copied wrongly or is of other rows; each has its source. For the best numbers a "
            "published system that reaches them and is missing here."
        ),
        data="paper/tables.csv, tables 3 and 4; paper/references.csv",
    )
