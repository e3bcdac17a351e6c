"""Columns of table 4 that differ only in an imbalance setting, where that setting changes no training row."""

import math

from threephase.audit.item import FINDING, PASSES, Item, code_of, points, table
from threephase.audit.printed import Printed
from threephase.data.imbalance import class_ratios
from threephase.results.tables import format_printed

COLUMNS = ("three_phase", "extra_imbalance", "no_imbalance")
WITHOUT_PHASE_1 = "cl_ft"
SHOWN = [
    "Data set", "Classes enlarged by normal", "Classes enlarged by extra", "Same training", "Printed", "Spread",
    "In test rows", "Three phases minus CL + FT",
]  # fmt: skip


def training_sizes(printed: Printed, dataset: str) -> list[dict[str, int]]:
    """Class sizes of the training part: as they are, or, where it is a draw, the two extremes of a stratified one.

    A class is enlarged the more the smaller it is beside the largest one. So the extremes are every class rounded down
    with the largest rounded up, and the other way round.
    """
    counts = printed.class_counts(dataset, "train")
    if printed.datasets[dataset].folds is None:
        return [counts]
    share = printed.rows(dataset, "train_contrastive_rows") / sum(counts.values())
    largest = max(counts, key=counts.get)
    up = {label: math.ceil(size * share) for label, size in counts.items()}
    down = {label: math.floor(size * share) for label, size in counts.items()}
    return [down | {largest: up[largest]}, up | {largest: down[largest]}]


def ratios_of(printed: Printed, variant: str, sizes: list[dict[str, int]]) -> tuple[tuple[int, ...], ...]:
    """How many times each class is taken in a variant's phase 2, for each of the sizes."""
    setting = printed.imbalance.get(printed.variants[variant].imbalance)
    return tuple(tuple(class_ratios(counts, setting).values()) for counts in sizes)


def same_training(ratios: dict[str, tuple]) -> list[list[str]]:
    """The groups of two or more variants that train on the same rows, whatever the draw."""
    groups: dict[tuple, list[str]] = {}
    for variant, key in ratios.items():
        groups.setdefault(key, []).append(variant)
    return [group for group in groups.values() if len(group) > 1]


def row_of(printed: Printed, dataset: str, values: dict[str, float]) -> tuple[dict, dict[str, float]]:
    """A data set's row, and the accuracies of its variants that are the same training; ``values``: of all variants."""
    sizes = training_sizes(printed, dataset)
    ratios = {variant: ratios_of(printed, variant, sizes) for variant in COLUMNS if variant in values}
    row = {"Data set": dataset, "Same training": "none for certain"}
    for name, variant in zip(("normal", "extra"), COLUMNS[:2], strict=True):
        # A range where the draw decides.
        counts = sorted({sum(ratio > 1 for ratio in of_draw) for of_draw in ratios[variant]})
        row[f"Classes enlarged by {name}"] = " to ".join(map(str, counts))
    row["Three phases minus CL + FT"] = points(values[COLUMNS[0]] - values[WITHOUT_PHASE_1])
    # Of three columns no two groups can be made.
    alike = {variant: values[variant] for variant in next(iter(same_training(ratios)), [])}
    if alike:
        spread = max(alike.values()) - min(alike.values())
        row |= {
            "Same training": ", ".join(alike),
            "Printed": ", ".join(map(format_printed, alike.values())),
            "Spread": format_printed(spread),
            "In test rows": round(spread / 100 * printed.rows(dataset)),
        }
    return row, alike


def audit(printed: Printed) -> Item:
    """Table 4's three columns of the imbalance correction, a row a data set."""
    rows, spreads, highest, chance = [], {}, 0, 1.0
    for dataset, of_dataset in printed.measured(4).groupby("dataset", sort=False):
        values = dict(zip(of_dataset["variant"], of_dataset["value"], strict=True))
        row, alike = row_of(printed, dataset, values)
        rows.append(row)
        if alike:
            spreads[dataset] = max(alike.values()) - min(alike.values())
        if COLUMNS[0] in alike:
            highest += alike[COLUMNS[0]] == max(alike.values())
            chance /= len(alike)
    said = ", ".join(f"{dataset} {format_printed(spread)}" for dataset, spread in spreads.items())
    finding = (
        f"On {len(spreads)} of {len(rows)} data sets at least two of the three columns are the same training. They "
        f"print values up to {format_printed(max(spreads.values(), default=0))} points apart ({said}). three_phase has "
        f"the highest of them on {highest} data sets"
    )
    if highest and highest == len(spreads):
        finding += f", all of them; of interchangeable runs it would with probability {chance:.3f}"
    return Item(
        id="imbalance_columns",
        title="Columns that the imbalance correction does not tell apart",
        question="How far apart are printed numbers of trainings that differ in nothing but chance?",
        method=(
            "The correction applied to the class counts of the training sets; of snips to both extremes of a draw of "
            "table 1's rows in the classes' shares. Where two settings take every class equally often, their "
            "columns are the same training, and what they differ by measures the noise between runs. The last column "
            "is an effect that the paper ascribes to phase 1, to compare."
        ),
        finding=finding + ".",
        outcome=FINDING if any(spreads.values()) else PASSES,
        **table(SHOWN, rows),
        code=code_of(__name__),
        falsify=(
            "Another formula or other training rows than the paper's text gives. In the released code the texts of "
            "no_imbalance are lower-cased, which RoBERTa notices; three_phase and extra_imbalance are not affected."
        ),
        data="paper/tables.csv, tables 1 and 4; class counts of the training sets, data/*.yaml; imbalance",
    )
