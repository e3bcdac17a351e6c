"""The parameters of the curves over numbers of labels, ``studies/label_curves.yaml``."""

from dataclasses import dataclass

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.params import Shared
from threephase.study.read_params import dataset_names
from threephase.study.schema import build, checked, distinct, read_yaml, refuse_unknown

LABELS, UNTRAINED = "labels", "untrained"


def _pairs(value: list[list[str]]) -> str | None:
    return None if all(len(set(pair)) == len(pair) == 2 for pair in value) else "pairs of two variants each"


@dataclass(frozen=True)
class Family:
    """The comparisons that are tested: ``variant`` against each of ``others``, by labels a class."""

    variant: str
    others: list[str] = checked(distinct)
    shots: list[int] = checked(distinct)


@dataclass(frozen=True)
class LabelCurves:
    """``shots``: the columns by labels a class, None for all labels; ``crossings``: pairs of variants."""

    datasets: list[str] = checked(distinct)
    shots: list[int | None] = checked(distinct)
    family: Family
    crossings: list[list[str]] = checked(_pairs)

    @property
    def comparisons(self) -> int:
        """How many the family has, published or not."""
        return len(self.datasets) * len(self.family.shots) * len(self.family.others)


def column_name(dataset: str, shots: int | None, kind: str = LABELS) -> str:
    """The study of a column; ``kind`` UNTRAINED: that of what trains no encoder, over more seeds."""
    return f"{dataset}_{kind}" if shots is None else f"{dataset}_{kind}_{shots}"


def load_label_curves(shared: Shared) -> LabelCurves:
    """Read and check ``studies/label_curves.yaml``."""
    file = paths.LABEL_CURVES
    curves = build(LabelCurves, read_yaml(file), file)
    known = {**shared.variants, **shared.baselines}
    for dataset in curves.datasets:
        refuse_unknown(file, "datasets", dataset, dataset_names())
    for variant in (curves.family.variant, *curves.family.others):
        refuse_unknown(file, "family", variant, known)
    if other := [shots for shots in curves.family.shots if shots not in curves.shots]:
        raise UserError(f"{file}: family.shots: got {other[0]}, expected some of shots: {curves.shots}")
    for variant in (variant for pair in curves.crossings for variant in pair):
        refuse_unknown(file, "crossings", variant, known)
    return curves
