"""Which rows a study may train on, and that one of few labels learns from no labels but those it counts."""

from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.params import Shared, StudyParams
from threephase.study.rules import counts_all_labels


def check_split(params: StudyParams, file: Path) -> None:
    """Refuse cuts of the training part that do not go together."""
    ratio, largest = params.long_tail_ratio, params.long_tail_largest
    if (ratio is None) != (largest is None):
        raise UserError(f"{file}: long_tail_largest: expected a number where long_tail_ratio is one, else null")
    for key in ("train_rows", "shots"):
        got = getattr(params, key)
        if None not in (ratio, got):
            raise UserError(f"{file}: {key}: got {got}, expected null where long_tail_ratio is a number")
    if ratio is not None and largest < ratio:
        raise UserError(
            f"{file}: long_tail_largest: got {largest}, expected at least long_tail_ratio ({ratio:g}), so that the "
            "smallest class keeps a row"
        )


def check_labels(shared: Shared, params: StudyParams, file: Path) -> None:
    """Refuse what learns from labels that are not counted, where the protocol counts all."""
    protocol = shared.protocols[params.protocol]
    if not counts_all_labels(protocol):
        return
    if protocol.rows_of_phases_1_2 != "training":
        raise UserError(
            f"{paths.SHARED_PARAMS}: protocols.{params.protocol}.rows_of_phases_1_2: got "
            f"{protocol.rows_of_phases_1_2!r}, expected 'training' where selection_split is none: every label counts"
        )
