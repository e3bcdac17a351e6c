"""Macro F1 is the mean of the classes' F1, not the harmonic mean of averaged precision and averaged recall."""

from threephase.audit.item import FINDING, PASSES, Item, code_of, points, table
from threephase.audit.printed import EXACT, Printed
from threephase.results.tables import format_printed

NEAR = 0.02  # points, twice what the rounding of the three printed numbers can add up to


def harmonic_mean(precision: float, recall: float) -> float:
    """F1 of a precision and a recall; 0 where both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def audit(printed: Printed) -> Item:
    """The runs of the data sets with several classes in tables 6 and 7."""
    rows, by_dataset = [], {}
    runs = printed.runs[printed.runs["dataset"].map(printed.macro)]
    for run in runs.to_dict("records"):
        other = harmonic_mean(run["precision"], run["recall"])
        near, apart = abs(run["f1"] - other) <= NEAR + EXACT, abs(run["precision"] - run["recall"])
        by_dataset.setdefault(run["dataset"], []).append((near, apart > 2 * NEAR + EXACT))
        rows.append(
            {
                "Data set": run["dataset"],
                "Encoder": run["encoder"],
                "Variant": run["variant"],
                "Printed precision": format_printed(run["precision"]),
                "Printed recall": format_printed(run["recall"]),
                "Printed F1": format_printed(run["f1"]),
                "Harmonic mean": format_printed(other),
                "F1 minus it": points(run["f1"] - other),
                f"Within {NEAR:g}": "yes" if near else "no",
            }
        )
    suspect = [name for name, runs in by_dataset.items() if all(near and telling for near, telling in runs)]
    blind = [name for name, runs in by_dataset.items() if not any(telling for _, telling in runs)]
    counted = ", ".join(f"{name} {sum(near for near, _ in runs)} of {len(runs)}" for name, runs in by_dataset.items())
    verdict = "no data set in all"
    if suspect:
        verdict = f"it takes the place of macro F1 in every run of {', '.join(suspect)}"
    if blind:
        verdict += f"; {', '.join(blind)} cannot tell, precision and recall being within {2 * NEAR:g} of each other"
    return Item(
        id="macro_f1",
        title="Macro F1 of table 7",
        question="Is the printed F1 the mean of the classes' F1, or the harmonic mean of the two averages of table 6?",
        method=(
            "The printed F1 of each run with several classes minus the harmonic mean of its printed precision and "
            "recall. The mean of the classes' F1 never exceeds it and reaches it only where precision and recall are "
            "in the same ratio in every class. A run tells nothing where the two lie within "
            f"{2 * NEAR:g} points of each other: any F1 between them is near."
        ),
        finding=f"Within {NEAR:g} points of the harmonic mean: {counted}; {verdict}.",
        outcome=FINDING if suspect else PASSES,
        **table(list(rows[0]), rows),
        code=code_of(__name__),
        falsify=(
            "A confusion matrix of one of these runs whose mean of F1 is the printed value. Agreement by chance "
            "would not do for all runs of a data set."
        ),
        data="paper/tables.csv, tables 6 and 7",
    )
