"""A cell that two tables print has one number."""

from threephase.audit.item import FINDING, PASSES, Item, code_of, points, table
from threephase.audit.printed import CELL, Printed
from threephase.results.tables import format_printed


def audit(printed: Printed) -> Item:
    """The cells that both table 3 and table 4 print."""
    both = printed.measured(3).merge(printed.measured(4), on=[*CELL, "metric"], suffixes=("_3", "_4"))
    differing = both[both["value_3"] != both["value_4"]]
    rows = [
        {
            "Data set": cell["dataset"],
            "Encoder": cell["encoder"],
            "Variant": cell["variant"],
            "Table 3": format_printed(cell["value_3"]),
            "Table 4": format_printed(cell["value_4"]),
            "Difference": points(cell["value_4"] - cell["value_3"]),
        }
        for cell in differing.to_dict("records")
    ]
    which = "; ".join(
        f"{row['Data set']}, {row['Encoder']}, {row['Variant']}: {row['Table 3']} and {row['Table 4']}" for row in rows
    )
    return Item(
        id="same_cell",
        title="Cells that two tables print",
        question="Do tables 3 and 4 print the same accuracy for the same cell?",
        method="Every cell of table 3 (encoder, data set, variant) that table 4 prints too, compared digit by digit.",
        finding=f"{len(differing)} of {len(both)} cells differ" + (f" ({which})." if which else "."),
        outcome=FINDING if len(differing) else PASSES,
        **table(["Data set", "Encoder", "Variant", "Table 3", "Table 4", "Difference"], rows),
        code=code_of(__name__),
        falsify="A reading of the paper's tables that prints the same digits in both.",
        data="paper/tables.csv, tables 3 and 4",
    )
