"""Trainings that must be the same: where an imbalance setting changes no row, three_phase's results are taken over.

The same rows, settings, seed and start give the same bytes, so training again would only cost time.
"""

import filecmp
import shutil
from collections.abc import Callable
from pathlib import Path

from threephase.base import paths
from threephase.base.files import new_file, new_folder
from threephase.base.handed_over import verify
from threephase.phases.training_run import TrainingRun


def has_same_rows(run: TrainingRun) -> bool:
    """Whether the variant's pairs are those of the one that it may take over."""
    if run.settings.same_as is None:
        return False
    pairs = run.settings.pairs
    rows, others = (run.contrastive_rows_file(name) for name in (pairs.imbalance, pairs.compared))
    return filecmp.cmp(rows, others, shallow=False)


def has_same_start(run: TrainingRun) -> bool:
    """Whether phase 3 starts from the encoder of the variant that it may take over, byte for byte."""
    if run.settings.same_as is None:
        return False
    own, other = (
        paths.trained_encoder(run.folder, run.encoder, variant, run.seed)
        for variant in (run.variant, run.settings.same_as)
    )
    names, others = ({str(file.relative_to(top)) for file in top.rglob("*") if file.is_file()} for top in (own, other))
    return bool(names) and names == others and not any(filecmp.cmpfiles(own, other, names, shallow=False)[1:])


def take_over(run: TrainingRun, *kinds: Callable[..., Path]) -> None:
    """Give the variant the other's history and outputs (``paths.trained_encoder`` ...), and a report that says so."""
    variants = (run.settings.same_as, run.variant)
    for kind in kinds:
        _copy(*(kind(run.folder, run.encoder, variant, run.seed) for variant in variants))
    _copy(*(run.place(paths.history, variant) for variant in variants))
    run.write_report(same_training_as=run.settings.same_as)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder, whole or not at all, as the other stage made it."""
    verify(source)
    if source.is_dir():
        with new_folder(target) as new:
            shutil.copytree(source, new, dirs_exist_ok=True, copy_function=shutil.copyfile)
    else:
        with new_file(target) as new:
            shutil.copyfile(source, new)
