"""On a test set with as many rows in every class, macro recall is accuracy."""

from threephase.audit.item import FINDING, PASSES, Item, code_of, points, table
from threephase.audit.printed import EXACT, Printed
from threephase.results.tables import format_printed
from threephase.scores.statistics import PRINTED_ROUNDING


def balanced(counts: dict[str, int]) -> bool:
    """Whether all classes have as many rows."""
    return len(set(counts.values())) == 1


def agrees(accuracy: float, macro_recall: float) -> bool:
    """Whether two numbers with two decimals can be one and the same."""
    return abs(accuracy - macro_recall) <= 2 * PRINTED_ROUNDING + EXACT


def audit(printed: Printed) -> Item:
    """The runs of tables 3 and 6 on the data sets whose test rows are balanced."""
    rows, equal, apart, of_one_class = [], 0, 0, []
    for run in printed.runs.to_dict("records"):
        dataset = run["dataset"]
        if printed.datasets[dataset].folds is not None or not balanced(printed.class_counts(dataset, "test")):
            continue
        same, macro = agrees(run["accuracy"], run["recall"]), printed.macro(dataset)
        if macro:
            equal, apart = equal + same, apart + (not same)
        else:
            of_one_class.append((dataset, same))
        rows.append(
            {
                "Data set": dataset,
                "Encoder": run["encoder"],
                "Variant": run["variant"],
                "Printed accuracy": format_printed(run["accuracy"]),
                "Printed recall": format_printed(run["recall"]),
                "Difference": points(run["recall"] - run["accuracy"]),
                "Recall": "mean over the classes" if macro else "of the positive class",
                "Equal": "yes" if same else "no",
            }
        )
    names = ", ".join(dict.fromkeys(row["Data set"] for row in rows if row["Recall"].startswith("mean")))
    finding = f"{names}: equal in {equal} of {equal + apart} runs"
    if of_one_class:
        others = ", ".join(dict.fromkeys(dataset for dataset, _ in of_one_class))
        differing = sum(not same for _, same in of_one_class)
        finding += (
            f"; {others}: different in {differing} of {len(of_one_class)}, so that its recall is not the mean over the "
            "classes that the text names"
            if differing
            else f"; {others}: equal too"
        )
    return Item(
        id="balanced_recall",
        title="Recall of balanced test sets",
        question="Is macro recall the accuracy where every class has as many test rows, as it must be?",
        method=(
            f"Printed recall and accuracy of each run, equal within {2 * PRINTED_ROUNDING:g} points. It decides for "
            "data sets with several classes; of a two-class set the tables give the positive class's recall."
        ),
        finding=finding + ".",
        outcome=FINDING if apart else PASSES,
        **table(list(rows[0]), rows),
        code=code_of(__name__),
        falsify="Test rows that are not balanced, or a printed pair that differs.",
        data="paper/tables.csv, tables 3 and 6; class counts of the test sets, data/*.yaml",
    )
