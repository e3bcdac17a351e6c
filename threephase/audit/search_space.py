"""The settings of table 5 that the search space printed beside them does not hold."""

from typing import Any

from threephase.audit.item import FINDING, PASSES, Item, code_of, table
from threephase.audit.printed import Printed

SPACE, OPEN = "search_space", "per data set"  # an entry that lets every whole number in


def allowed(value: Any, space: list[Any]) -> bool:
    """Whether a search space holds a value."""
    return value in space or (OPEN in space and isinstance(value, int))


def audit(printed: Printed) -> Item:
    """Every setting of table 5 against the search space of the same table."""
    space, rows, looked_at = printed.settings[SPACE], [], 0
    for encoder, by_dataset in printed.settings.items():
        for dataset, settings in by_dataset.items() if encoder != SPACE else ():
            for name, value in settings.items():
                looked_at += 1
                if not allowed(value, space[name]):
                    about = {"Encoder": encoder, "Data set": dataset, "Setting": name, "Printed": f"{value:g}"}
                    rows.append(about | {"Search space": ", ".join(f"{choice:g}" for choice in space[name])})
    which = "; ".join(f"{row['Setting']} {row['Printed']} of {row['Data set']}, {row['Encoder']}" for row in rows)
    return Item(
        id="search_space",
        title="Settings outside the search space",
        question="Does the printed search space hold every setting that the paper says it found?",
        method="Each setting of table 5 looked up in the search space of the same table.",
        finding=f"{len(rows)} of {looked_at} settings lie outside" + (f" ({which})." if which else "."),
        outcome=FINDING if rows else PASSES,
        **table(["Encoder", "Data set", "Setting", "Printed", "Search space"], rows),
        code=code_of(__name__),
        falsify="Another reading of table 5, or a search space that the paper states elsewhere.",
        data="paper/hyperparameters.yaml",
    )
