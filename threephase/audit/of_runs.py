"""The items that need published runs of ours or the data sets themselves."""

from collections.abc import Sequence

from threephase.audit import one_switch, own_runs, recipe
from threephase.audit.item import Item
from threephase.audit.overlap_effect import Entries, audit_data, audit_runs
from threephase.audit.printed import Printed
from threephase.audit.published_runs import PublishedStudy


def audit(printed: Printed, published: Sequence[PublishedStudy], entries: Entries) -> list[Item]:
    """Every such check; ``entries``: of data_audit.json."""
    return [
        audit_data(printed, entries),
        audit_runs(published, entries),
        recipe.audit(published),
        one_switch.audit(published),
        own_runs.audit(published),
    ]
