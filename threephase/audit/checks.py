"""Every check of the audit, in its order: of printed numbers, and of published runs and the data sets themselves."""

from collections.abc import Sequence

from threephase.audit import (
    balanced_recall,
    confusion,
    granularity,
    imbalance_columns,
    macro_f1,
    one_switch,
    own_runs,
    recipe,
    references,
    same_cell,
    search_space,
)
from threephase.audit.item import Item
from threephase.audit.overlap_effect import Entries, audit_data, audit_runs
from threephase.audit.printed import Printed
from threephase.audit.published_runs import PublishedStudy

PRINTED = (granularity, confusion, macro_f1, balanced_recall, same_cell, imbalance_columns, search_space, references)


def of_paper(printed: Printed) -> list[Item]:
    """The items that need nothing but printed numbers and params files."""
    return [check.audit(printed) for check in PRINTED]


def of_runs(printed: Printed, published: Sequence[PublishedStudy], entries: Entries) -> list[Item]:
    """The items that need published runs of ours, or the data sets; ``entries``: of data_audit.json."""
    of_data = [audit_data(printed, entries), audit_runs(published, entries)]
    return [*of_data, recipe.audit(published), one_switch.audit(published), own_runs.audit(published)]
