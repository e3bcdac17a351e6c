"""What a study of few labels may not say, so that it learns and chooses by no labels but those that it counts."""

from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study import topology
from threephase.study.closure import modules_of
from threephase.study.methods import module_name
from threephase.study.params import NO_ROWS, Shared, StudyParams

TOP = Path(__file__).parents[2]  # of this code, wherever the params files lie
CHOOSES = Path("threephase/phases/nearest_mean_score.py")  # by validation rows


def check_labels(shared: Shared, params: StudyParams, file: Path) -> None:
    """Refuse ``shots`` beside another cut of the training part, and what learns or chooses by labels not counted."""
    for key in ("long_tail_ratio", "train_rows"):
        if None not in (params.shots, getattr(params, key)):
            raise UserError(f"{file}: shots: got {params.shots}, expected null where {key} is a number")
    protocol = shared.protocols[params.protocol]
    if protocol.selection_split != NO_ROWS:
        return
    if protocol.rows_of_phases_1_2 != "training":
        raise UserError(
            f"{paths.SHARED_PARAMS}: protocols.{params.protocol}.rows_of_phases_1_2: got "
            f"{protocol.rows_of_phases_1_2!r}, expected 'training' where selection_split is none: every label counts"
        )
    for method in (variant for variant in params.trained() if variant in shared.methods):
        if CHOOSES in modules_of(topology.METHOD, by_name=[module_name(shared.methods[method].file)], top=TOP):
            raise UserError(
                f"{file}: variants: got {method!r}, which chooses on validation rows; expected none of these, as "
                f"protocol {params.protocol} has selection_split none"
            )
