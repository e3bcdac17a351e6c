"""From a study's parameters to the settings of each training, with the rules of its protocol applied."""

import dataclasses
from typing import Any

from threephase.study import rules, topology
from threephase.study.methods import chooses, place_of, resolved_settings
from threephase.study.params import NOISE, PAIRS, THREE_PHASE, Study
from threephase.study.settings import (
    BOTTLENECK,
    CONTRASTIVE_LAYER,
    PRETRAINED,
    RANDOM,
    BaselineSettings,
    Contrastive,
    Denoising,
    Encoder,
    Machine,
    PairRows,
    Schedule,
    TrainingSettings,
)
from threephase.study.topology import Training


def encoder_settings(study: Study, encoder: str) -> Encoder:
    return Encoder(
        name=encoder,
        sha256=study.shared.encoders[encoder].sha256,
        pooling=rules.pooling_of(study, encoder),
        normalizes=rules.normalizes(study, encoder),
        max_length=study.params.hyperparameters[encoder].max_length,
        cuts_long_texts=rules.cuts_long_texts(study),
    )


def training_settings(study: Study, training: Training, machine: Machine) -> TrainingSettings:
    """All that a training of phase 1, 2 or 3 uses."""
    encoder = training.encoder
    hyperparameters, protocol = study.params.hyperparameters[encoder], study.protocol
    common = TrainingSettings(
        encoder=encoder_settings(study, encoder),
        machine=machine,
        start=training.start or PRETRAINED,
        others=list(training.others),
        small_sets=rules.small_sets(study, hyperparameters),
    )
    denoising = Denoising(
        deletion_ratio=hyperparameters.deletion_ratio, units=study.dataset.units, **_schedule(study, encoder, "dae")
    )
    contrastive = Contrastive(**_of_phase_2(study, encoder))
    bottleneck = [BOTTLENECK] * protocol.bottleneck
    layer = [CONTRASTIVE_LAYER] * protocol.contrastive_layer
    if training.program == topology.DENOISE:
        return dataclasses.replace(common, layers=bottleneck, checkpoint=protocol.dae_checkpoint, denoising=denoising)
    if training.program == topology.CONTRAST:
        # Another number of pairs than three_phase would draw from the same rows makes another encoder.
        alike = study.shared.variants[training.variant].pairs_as_many_as in (None, THREE_PHASE)
        return dataclasses.replace(
            common,
            same_as=training.compared if alike else None,
            layers=layer,
            checkpoint=protocol.contrastive_checkpoint,
            contrastive=contrastive,
            pairs=_pair_rows(study, training),
        )
    if training.program == topology.JOINT_TRAINING:
        denoising, contrastive = rules.joint_settings(study, denoising, contrastive)
        # It has one schedule: another learning rate of phase 2 must not train it again.
        schedule = {name: getattr(denoising, name) for name in ("lr", "adam_eps", "warmup", "clip_gradient")}
        contrastive = dataclasses.replace(contrastive, **schedule, min_updates=None)
        return dataclasses.replace(
            common,
            layers=bottleneck + layer,
            denoising=denoising,
            contrastive=contrastive,
            pairs=_pair_rows(study, training),
        )
    if training.program in topology.BY_METHOD:
        common = _with_method(study, training, common, denoising, contrastive)
    if training.program == topology.METHOD:
        return common
    common = dataclasses.replace(common, selection_split=protocol.selection_split)
    if training.program == topology.FIT_CLASSIFIER:
        return dataclasses.replace(common, selection_metric=study.params.primary_metric)
    candidates = rules.candidates_for(study, encoder, training.variant)
    same = training.compared and candidates == rules.candidates_for(study, encoder, training.compared)
    starts_anew = training.start is None and rules.starts_at_random(study, encoder)
    return dataclasses.replace(
        common,
        start=RANDOM if starts_anew else common.start,
        same_as=training.compared if same else None,
        classifiers=candidates,
        positive_class=study.dataset.positive_class,
    )


def _with_method(
    study: Study, training: Training, common: TrainingSettings, denoising: Denoising, contrastive: Contrastive
) -> TrainingSettings:
    """The settings with those of a method, and with those of phases 1 and 2 that it reads.

    They have the method's own schedule where it has one: another learning rate of phase 1 must not train it again.
    """
    method, protocol = study.shared.methods[training.variant], study.protocol
    place, of_phase_2 = place_of(study.shared, training.variant), _of_phase_2(study, training.encoder)
    resolved = resolved_settings(place, method, of_phase_2, rules.counts_all_labels(protocol))
    own = {field.name for field in dataclasses.fields(Schedule)} & set(resolved.settings)
    schedule = {name: resolved.settings[name] for name in own}
    settings = dataclasses.replace(common, method=resolved)
    if chooses(method):
        settings = dataclasses.replace(settings, selection_metric=study.params.primary_metric)
    if NOISE in method.reads:
        layers = [BOTTLENECK] * protocol.bottleneck
        own = {name: value for name, value in schedule.items() if hasattr(denoising, name)}
        settings = dataclasses.replace(settings, layers=layers, denoising=dataclasses.replace(denoising, **own))
    if PAIRS in method.reads:
        layers = [*settings.layers, *[CONTRASTIVE_LAYER] * protocol.contrastive_layer]
        contrastive, pairs = dataclasses.replace(contrastive, **schedule), _pair_rows(study, training)
        settings = dataclasses.replace(settings, layers=layers, contrastive=contrastive, pairs=pairs)
    return settings


def _schedule(study: Study, encoder: str, phase: str) -> dict[str, Any]:
    """What phases 1 (``dae``) and 2 (``contrastive``) both have, by the names of the parameters."""
    settings, training = study.params.hyperparameters[encoder], study.shared.training
    return {
        "lr": getattr(settings, f"lr_{phase}"),
        "epochs": getattr(settings, f"epochs_{phase}"),
        "batch_size": settings.batch_size,
        "adam_eps": getattr(training, f"adam_eps_{phase}"),
        "warmup": getattr(training, f"warmup_{phase}"),
        "clip_gradient": training.clip_gradient_phases_1_2,
    }


def _of_phase_2(study: Study, encoder: str) -> dict[str, Any]:
    return _schedule(study, encoder, "contrastive") | {"min_updates": study.params.min_updates_contrastive}


def _pair_rows(study: Study, training: Training) -> PairRows:
    variants = study.shared.variants
    # A method's pairs are those of three_phase.
    definition = variants[THREE_PHASE if training.variant in study.shared.methods else training.variant]
    counted = definition.pairs_as_many_as
    joint, phase_2 = (training.program == program for program in (topology.JOINT_TRAINING, topology.CONTRAST))
    return PairRows(
        imbalance=definition.imbalance,
        as_many_as=None if counted is None else variants[counted].imbalance,
        compared=None if training.compared is None else variants[training.compared].imbalance,
        keeps_stopword_copies=rules.keeps_stopword_copies(study, training.encoder),
        holds_back_tenth=phase_2 and study.protocol.contrastive_validation == "tenth_of_pairs",
        zero_targets=joint and study.protocol.joint_targets == "zero",
    )


def baseline_settings(study: Study, training: Training, machine: Machine) -> BaselineSettings:
    encoder = training.encoder
    return BaselineSettings(
        seeds=study.params.seeds,
        strengths=study.shared.baseline_inverse_regularization,
        selection_split=study.protocol.selection_split,
        selection_metric=study.params.primary_metric,
        encoder=encoder_settings(study, encoder) if encoder else None,
        machine=machine if encoder else None,
        units=study.dataset.units,
    )
