"""The items that need nothing but printed numbers and params files, in the order of the audit."""

from threephase.audit import (
    balanced_recall,
    confusion,
    granularity,
    imbalance_columns,
    macro_f1,
    references,
    same_cell,
    search_space,
)
from threephase.audit.item import Item
from threephase.audit.printed import Printed

CHECKS = (granularity, confusion, macro_f1, balanced_recall, same_cell, imbalance_columns, search_space, references)


def audit(printed: Printed) -> list[Item]:
    """Every check of the paper's own numbers."""
    return [check.audit(printed) for check in CHECKS]
