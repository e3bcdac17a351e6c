"""An accuracy over n rows is k / n: which printed ones are no such fraction."""

import numpy as np

from threephase.audit.item import FINDING, PASSES, Item, code_of, table
from threephase.audit.printed import CELL, Printed
from threephase.results.tables import format_printed

FINEST = 10_000  # so many rows give every percentage with two decimals


def hundredths(value: float) -> int:
    """A percentage as printed, with two decimals, as a whole number."""
    return round(100 * value)


def possible(values: np.ndarray, rows: np.ndarray | int, truncated: bool = False) -> np.ndarray:
    """Whether some k of 0..n gives 100 k / n with two decimals: [values] in hundredths, or [rows, values] of many n.

    Rounded half up or half down, whichever fits; ``truncated``: also cut off after the second decimal. All in whole
    numbers, so that no rounding of ours decides.
    """
    values = np.asarray(values, dtype=np.int64)
    n = np.asarray(rows, dtype=np.int64)[..., None]
    below = values * n // FINEST
    fitting = np.zeros(np.broadcast_shapes(values.shape, n.shape), dtype=bool)
    for k in (below, below + 1):
        exact, printed = FINEST * k, values * n
        fits = np.abs(2 * (exact - printed)) <= n
        if truncated:
            fits |= (exact >= printed) & (exact < printed + n)
        fitting |= fits & (k <= n)
    return fitting if np.ndim(rows) else fitting.reshape(values.shape)


def is_possible(accuracy: float, rows: int) -> bool:
    """Whether an accuracy in percent, printed with two decimals, is one of ``rows`` rows."""
    return bool(possible(np.array([hundredths(accuracy)]), rows)[0])


def fewest_rows(values: np.ndarray) -> int:
    """The smallest n that gives all of the values (hundredths) when rounded."""
    n = np.arange(1, FINEST + 1)
    return int(n[possible(values, n).all(axis=1)][0])


def audit(printed: Printed) -> Item:
    """Tables 3 and 4 against the test rows of table 1."""
    accuracies = printed.measured(3, 4).drop_duplicates([*CELL, "value"])
    rows, strict, lenient = [], 0, 0
    for dataset, of_dataset in accuracies.groupby("dataset", sort=False):
        values, n = np.array([hundredths(value) for value in of_dataset["value"]]), printed.rows(dataset)
        misses, misses_all = ~possible(values, n), ~possible(values, n, truncated=True)
        strict, lenient = strict + misses.sum(), lenient + misses_all.sum()
        share = possible(np.arange(FINEST + 1), n).mean()
        rows.append(
            {
                "Data set": dataset,
                "Test rows": n,
                "Accuracies": len(values),
                "No fraction, rounded": misses.sum(),
                "Nor truncated": misses_all.sum(),
                "They are": ", ".join(format_printed(value / 100) for value in values[misses]),
                "Fewest rows that give all": fewest_rows(values),
                "Two-decimal values that the test rows give": f"{share:.1%}",
            }
        )
    cells = len(accuracies.drop_duplicates(CELL))
    where = ", ".join(
        f"{row['No fraction, rounded']} of {row['Accuracies']} of {row['Data set']}"
        for row in rows
        if row["No fraction, rounded"]
    )
    finding = (
        f"Of {len(accuracies)} distinct accuracies of {cells} cells, {strict} are no k / n rounded to two decimals"
        + (f" ({where})" if where else "")
        + f"; {lenient} are neither rounded nor truncated ones."
    )
    return Item(
        id="granularity",
        title="Accuracies that no number of right answers gives",
        question="Is every accuracy of tables 3 and 4 a number of right answers over the test rows of table 1?",
        method=(
            "For each distinct accuracy of a cell, in whole numbers, whether some k of 0..n right answers gives it "
            "with two decimals. Strict: rounded; lenient: rounded or truncated. The last column says how much the "
            "check can tell: where the rows give every value, it tells nothing."
        ),
        finding=finding,
        outcome=FINDING if strict else PASSES,
        **table(list(rows[0]), rows),
        code=code_of(__name__),
        falsify=(
            "Test rows other than table 1's, or accuracies that are means of several runs, would explain them. "
            "The authors' predictions would show it, or a number of runs r for which every value is some k / (r n)."
        ),
        data="paper/tables.csv, tables 1, 3 and 4",
    )
