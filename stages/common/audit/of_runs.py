"""The items that need published runs of ours or the data sets themselves."""

from collections.abc import Sequence

from stages.common.audit import own_runs, recipe, switches
from stages.common.audit.item import Item
from stages.common.audit.overlap_effect import Entries, audit_data, audit_runs
from stages.common.audit.printed import Printed
from stages.common.audit.published_runs import PublishedStudy


def audit(printed: Printed, published: Sequence[PublishedStudy], entries: Entries) -> list[Item]:
    """Every such check; ``entries``: of data_audit.json."""
    return [
        audit_data(printed, entries),
        audit_runs(published, entries),
        recipe.audit(published),
        switches.audit(published),
        own_runs.audit(published),
    ]
