"""Trainings that must be the same: where an imbalance setting changes no row, three_phase's results are taken over.

The same rows, settings, seed and start give the same bytes, so training again would only cost time.
"""

import filecmp
import shutil
from pathlib import Path

from stages.common import paths
from stages.common.engine.runs import Run
from stages.common.engine.switches import candidates_for
from stages.common.files import new_file, new_folder
from stages.common.settings import THREE_PHASE


def has_rows_of_three_phase(run: Run) -> bool:
    """Whether the variant's pairs are those of three_phase: made of the same rows, and as many."""
    definition = run.study.shared.variants[run.variant]
    if run.variant == THREE_PHASE or definition.encoder_from != "train_contrastive":
        return False
    rows, others = (run.contrastive_rows_file(variant) for variant in (run.variant, THREE_PHASE))
    return definition.pairs_as_many_as in (None, THREE_PHASE) and filecmp.cmp(rows, others, shallow=False)


def has_classifier_of_three_phase(run: Run) -> bool:
    """Whether phase 3 starts from three_phase's encoder, byte for byte, and trains it with the same settings."""
    if run.variant == THREE_PHASE or run.study.shared.variants[run.variant].encoder_from != "train_contrastive":
        return False
    own_settings, settings = (
        candidates_for(run.study, run.encoder, run.settings, variant) for variant in (run.variant, THREE_PHASE)
    )
    return own_settings == settings and _has_encoder_of_three_phase(run)


def _has_encoder_of_three_phase(run: Run) -> bool:
    own, other = (
        paths.trained_encoder(run.name, run.encoder, variant, run.seed) for variant in (run.variant, THREE_PHASE)
    )
    if not own.is_dir() or not other.is_dir():
        return False
    names = [{str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} for folder in (own, other)]
    return names[0] == names[1] and all(filecmp.cmp(own / name, other / name, shallow=False) for name in names[0])


def take_over_encoder(run: Run) -> None:
    """Give the variant three_phase's encoder and history, and a report that says so."""
    folders = [paths.trained_encoder(run.name, run.encoder, name, run.seed) for name in (THREE_PHASE, run.variant)]
    _copy(*folders)
    _take_over_history(run)


def take_over_predictions(run: Run) -> None:
    """Give the variant three_phase's predictions, vectors and history, and a report that says so."""
    for kind in (paths.predictions, paths.vectors):
        _copy(*(kind(run.name, run.encoder, name, run.seed) for name in (THREE_PHASE, run.variant)))
    _take_over_history(run)


def _take_over_history(run: Run) -> None:
    _copy(run.place(paths.history, THREE_PHASE), run.place(paths.history))
    run.write_report(same_training_as=THREE_PHASE)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder, whole or not at all."""
    if source.is_dir():
        with new_folder(target) as new:
            shutil.copytree(source, new, dirs_exist_ok=True, copy_function=shutil.copyfile)
    else:
        with new_file(target) as new:
            shutil.copyfile(source, new)
