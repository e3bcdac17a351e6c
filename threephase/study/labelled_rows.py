"""Which rows a study may train on, and that one of few labels learns and chooses by no labels but those it counts."""

from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study import topology
from threephase.study.closure import modules_of
from threephase.study.methods import module_name
from threephase.study.params import Shared, StudyParams
from threephase.study.rules import counts_all_labels

TOP = Path(__file__).parents[2]  # of this code, wherever the params files lie
CHOOSES = Path("threephase/phases/nearest_mean_score.py")  # by validation rows


def check_split(params: StudyParams, file: Path) -> None:
    """Refuse cuts of the training part that do not go together."""
    ratio, largest = params.long_tail_ratio, params.long_tail_largest
    if (ratio is None) != (largest is None):
        raise UserError(f"{file}: long_tail_largest: expected a number where long_tail_ratio is one, else null")
    if None not in (ratio, params.train_rows):
        raise UserError(f"{file}: train_rows: got {params.train_rows}, expected null where long_tail_ratio is a number")
    for key in ("long_tail_ratio", "train_rows"):
        if None not in (params.shots, getattr(params, key)):
            raise UserError(f"{file}: shots: got {params.shots}, expected null where {key} is a number")
    if ratio is not None and largest < ratio:
        raise UserError(
            f"{file}: long_tail_largest: got {largest}, expected at least long_tail_ratio ({ratio:g}), so that the "
            "smallest class keeps a row"
        )


def check_labels(shared: Shared, params: StudyParams, file: Path) -> None:
    """Refuse what learns or chooses by labels that are not counted, where the protocol counts all."""
    protocol = shared.protocols[params.protocol]
    if not counts_all_labels(protocol):
        return
    if protocol.rows_of_phases_1_2 != "training":
        raise UserError(
            f"{paths.SHARED_PARAMS}: protocols.{params.protocol}.rows_of_phases_1_2: got "
            f"{protocol.rows_of_phases_1_2!r}, expected 'training' where selection_split is none: every label counts"
        )
    used = dict.fromkeys(name for own in params.trained() for name in (own, *topology.makers_behind(shared, own)))
    for method in (name for name in used if name in shared.methods):
        if CHOOSES in modules_of(topology.METHOD, by_name=[module_name(shared.methods[method].file)], top=TOP):
            raise UserError(
                f"{file}: variants: got {method!r}, which chooses on validation rows; expected none of these, as "
                f"protocol {params.protocol} has selection_split none"
            )
