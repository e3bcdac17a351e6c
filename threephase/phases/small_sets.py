"""Smaller batches for small training parts, as the authors' code has them."""

import dataclasses

from threephase.study.settings import TrainingSettings


def with_batch_size(settings: TrainingSettings, training_rows: int) -> TrainingSettings:
    """The settings for so many training rows: the batch size of small sets where the protocol has one."""
    if settings.small_sets is None or training_rows > settings.small_sets.rows:
        return settings
    size = {"batch_size": settings.small_sets.batch_size}
    return dataclasses.replace(
        settings,
        denoising=settings.denoising and dataclasses.replace(settings.denoising, **size),
        contrastive=settings.contrastive and dataclasses.replace(settings.contrastive, **size),
        classifiers=[dataclasses.replace(candidate, **size) for candidate in settings.classifiers],
    )
