"""The rules that decide a result where one parameter depends on another: what a protocol's switches stand for.

docs/protocols.md says in words what each value of a switch does.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from stages.common.settings import Benchmark, Hyperparameters, Study

SMALL_SET_ROWS, SMALL_SET_SHARE = 500, 0.2
# What the authors' joint training uses whatever table 5 says: its functions' defaults.
JOINT_DEFAULTS = {"lr_dae": 2e-5, "epochs_dae": 1, "epochs_contrastive": 1}
JOINT_DEFAULT_WARMUP = 0.5
LONG = {"medium", "long"}


@dataclass(frozen=True)
class ClassifierSettings:
    """What one training of phase 3 needs besides the shared ``Training`` section."""

    lr: float
    max_epochs: int
    batch_size: int
    adam_eps: float
    freeze_encoder: bool
    clip_gradient: float | None
    stopping: str
    selection_metric: str


def settings_of(study: Study, encoder: str, training_rows: int) -> Hyperparameters:
    """The benchmark's hyper-parameters for ``encoder`` as the protocol uses them on so many training rows."""
    settings = study.benchmark.hyperparameters[encoder]
    if study.protocol.batch_of_small_sets == "fifth" and training_rows <= SMALL_SET_ROWS:
        return dataclasses.replace(settings, batch_size=max(1, int(SMALL_SET_SHARE * settings.batch_size)))
    return settings


def freezes_encoder(study: Study, encoder: str, settings: Hyperparameters) -> bool:
    """Whether phase 3 leaves all below the head as it is."""
    always = study.protocol.encoder_in_phase_3 == "frozen_if_sentence_encoder" and is_sentence_encoder(study, encoder)
    return always or settings.freeze_encoder


def joint_settings(study: Study, settings: Hyperparameters) -> tuple[Hyperparameters, float]:
    """Settings and warm-up share of joint training."""
    if study.protocol.joint_settings == "defaults_of_code":
        return dataclasses.replace(settings, **JOINT_DEFAULTS), JOINT_DEFAULT_WARMUP
    return settings, study.shared.training.warmup_joint


def is_sentence_encoder(study: Study, encoder: str) -> bool:
    """Whether the encoder was published as one of sentences; the authors' code treats those in another way."""
    return study.shared.encoders[encoder].sentence_encoder


def starts_at_random(study: Study, encoder: str) -> bool:
    """Whether plain fine-tuning starts from random weights instead of the pre-trained ones."""
    start = study.protocol.ft_start
    return start == "random" or (start == "random_unless_sentence_encoder" and not is_sentence_encoder(study, encoder))


def normalizes(study: Study, encoder: str) -> bool:
    """Whether pooled vectors are scaled to unit length."""
    return study.protocol.pooling == "native_with_normalization" and study.shared.encoders[encoder].normalizes


def keeps_stopword_copies(study: Study, encoder: str) -> bool:
    """Whether stop-word copies of enlarged classes take part in this encoder's pairs."""
    if study.protocol.stopword_copies == "enlarged_classes":
        return True
    return bool(LONG & set(study.shared.encoders[encoder].text_lengths) & set(study.dataset.text_lengths))


def cuts_long_texts(study: Study) -> bool:
    """Whether texts are cut at full stops into pieces of the encoder's limit instead of truncated."""
    return study.protocol.long_texts == "cut_at_full_stops" and "long" in study.dataset.text_lengths


def holds_back_pairs(study: Study, has_validation_set: bool) -> bool:
    """Whether a tenth of the pairs is taken out of phase 2, as validation data of a set that has none of its own."""
    return study.protocol.contrastive_validation == "tenth_of_pairs" and not has_validation_set


def pooling_of(study: Study, encoder: str) -> str:
    """``mean`` or ``cls``: the protocol's pooling for this encoder."""
    return "cls" if study.protocol.pooling == "cls" else study.shared.encoders[encoder].pooling


def selection_metric(benchmark: Benchmark) -> str:
    """What the best epoch is chosen by: macro F1 where the training part is long-tailed, else accuracy."""
    return "accuracy" if benchmark.long_tail_ratio is None else "macro_f1"


def for_variant(settings: Hyperparameters, name: str, variant: str) -> Any:
    """The value of ``lr_classifier`` or ``max_epochs_classifier`` for one variant."""
    value = getattr(settings, name)
    return value[variant] if isinstance(value, dict) else value


def candidates_for(study: Study, encoder: str, settings: Hyperparameters, variant: str) -> list[ClassifierSettings]:
    """Phase 3's settings of one cell: the benchmark's, or one a learning rate of the variant's recipe.

    ``settings`` are the hyper-parameters as the protocol uses them.
    """
    recipe = study.shared.variants[variant].recipe
    rates = recipe.lr_classifier if recipe else [for_variant(settings, "lr_classifier", variant)]
    epochs = recipe.max_epochs_classifier if recipe else for_variant(settings, "max_epochs_classifier", variant)
    return [
        ClassifierSettings(
            lr=rate,
            max_epochs=epochs,
            batch_size=settings.batch_size,
            adam_eps=settings.adam_eps,
            freeze_encoder=not recipe and freezes_encoder(study, encoder, settings),
            clip_gradient=study.protocol.clip_gradient,
            stopping=study.protocol.stopping,
            selection_metric=selection_metric(study.benchmark),
        )
        for rate in rates
    ]
