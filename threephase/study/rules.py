"""The rules that decide a result where one parameter depends on another: what a protocol's switches stand for.

docs/protocols.md says in words what each value of a switch does.
"""

import dataclasses
from typing import Any

from threephase.study.middle import middle
from threephase.study.params import NO_ROWS, Hyperparameters, Protocol, Study
from threephase.study.settings import Classifying, Contrastive, Denoising, SmallSets

SMALL_SET_ROWS, SMALL_SET_SHARE = 500, 0.2
# What the authors' joint training uses whatever table 5 says: its functions' defaults.
JOINT_DEFAULTS = {"lr": 2e-5, "epochs": 1, "warmup": 0.5}
LONG = {"medium", "long"}


def counts_all_labels(protocol: Protocol) -> bool:
    """Whether no labelled rows are kept back to choose epoch, learning rate or C by."""
    return protocol.selection_split == NO_ROWS


def small_sets(study: Study, settings: Hyperparameters) -> SmallSets | None:
    """The batch size of small training parts, where the protocol has one of its own for them."""
    if study.protocol.batch_of_small_sets == "fifth":
        return SmallSets(SMALL_SET_ROWS, max(1, int(SMALL_SET_SHARE * settings.batch_size)))
    return None


def phase_1_knows_labels(study: Study) -> bool:
    """Whether phase 1 must be told which rows have a label: its batch size, checkpoint or limit depends on them."""
    lengths = [study.params.hyperparameters[encoder].max_length for encoder in study.params.encoders]
    protocol = study.protocol
    return protocol.batch_of_small_sets == "fifth" or protocol.dae_checkpoint == "best_look" or "estimate" in lengths


def freezes_encoder(study: Study, encoder: str, settings: Hyperparameters) -> bool:
    """Whether phase 3 leaves all below the head as it is."""
    freezes = study.protocol.encoder_in_phase_3 == "frozen_if_sentence_encoder"
    return (freezes and study.shared.encoders[encoder].sentence_encoder) or settings.freeze_encoder


def joint_settings(study: Study, denoising: Denoising, contrastive: Contrastive) -> tuple[Denoising, Contrastive]:
    """Settings of joint training from those of phases 1 and 2; its schedule stands in the first."""
    if study.protocol.joint_settings == "defaults_of_code":
        return dataclasses.replace(denoising, **JOINT_DEFAULTS), dataclasses.replace(contrastive, epochs=1)
    return dataclasses.replace(denoising, warmup=study.shared.training.warmup_joint), contrastive


def starts_at_random(study: Study, encoder: str) -> bool:
    """Whether plain fine-tuning starts from random weights instead of the pre-trained ones."""
    start, sentences = study.protocol.ft_start, study.shared.encoders[encoder].sentence_encoder
    return start == "random" or (start == "random_unless_sentence_encoder" and not sentences)


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


def pooling_of(study: Study, encoder: str) -> str:
    """``mean`` or ``cls``: the protocol's pooling for this encoder."""
    return "cls" if study.protocol.pooling == "cls" else study.shared.encoders[encoder].pooling


def for_variant(settings: Hyperparameters, name: str, variant: str) -> Any:
    """The value of ``lr_classifier`` or ``max_epochs_classifier`` for one variant."""
    value = getattr(settings, name)
    return value[variant] if isinstance(value, dict) else value


def rates_tried(study: Study, variant: str) -> int:
    """How many learning rates phase 3 chooses from."""
    recipe = study.shared.variants[variant].recipe
    return len(recipe.lr_classifier) if recipe and not counts_all_labels(study.protocol) else 1


def encoders_tried(study: Study, maker: str) -> int:
    """How many encoders a variant trains to keep one: a method may search its learning rate, by ``rate_factors``."""
    method = study.shared.methods.get(maker)
    factors = method.settings.get("rate_factors", ()) if method and not counts_all_labels(study.protocol) else ()
    return max(1, len(factors))


def candidates_for(study: Study, encoder: str, variant: str) -> list[Classifying]:
    """Phase 3's settings of one cell: the study's, or one a learning rate of the variant's recipe.

    Where no rows choose among a recipe's, the middle one alone.
    """
    settings, training = study.params.hyperparameters[encoder], study.shared.training
    recipe = study.shared.variants[variant].recipe
    rates = recipe.lr_classifier if recipe else [for_variant(settings, "lr_classifier", variant)]
    if counts_all_labels(study.protocol):
        rates = [middle(sorted(rates))]
    epochs = recipe.max_epochs_classifier if recipe else for_variant(settings, "max_epochs_classifier", variant)
    return [
        Classifying(
            lr=rate,
            max_epochs=epochs,
            min_updates=recipe.min_updates_classifier if recipe else 0,
            batch_size=settings.batch_size,
            adam_eps=settings.adam_eps,
            warmup=training.warmup_classifier,
            weight_decay=training.weight_decay_classifier,
            clip_gradient=study.protocol.clip_gradient,
            freeze_encoder=not recipe and freezes_encoder(study, encoder, settings),
            head_hidden_size=training.head_hidden_size,
            head_dropout=training.head_dropout,
            head_activation=study.protocol.head_activation,
            stopping=study.protocol.stopping,
            patience=training.patience,
            selection_metric=study.params.primary_metric,
        )
        for rate in rates
    ]
