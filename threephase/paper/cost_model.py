"""What a training is expected to cost, from row counts and table 5's settings, before anything has run.

Estimates, and an upper bound where a training may end early: phase 3 counts the most epochs that it may take.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.data.imbalance import class_ratios
from threephase.phases.pairs import repetitions
from threephase.phases.small_sets import with_batch_size
from threephase.study import topology
from threephase.study.methods import settings_of
from threephase.study.paper_params import Costs
from threephase.study.params import Study
from threephase.study.resolve import training_settings
from threephase.study.settings import Machine, Streams, TrainingSettings
from threephase.study.topology import Training

BACKWARD_AND_FORWARD = 6  # floating-point operations a token and weight
# Of the texts that go through the layers, the share that is decoded, into a choice from the vocabulary at every token.
DECODED = {topology.DENOISE: 1 / 2, topology.JOINT_TRAINING: 1 / 4}
ANY_MACHINE = Machine("cpu", "fp32", 1)  # nothing that is counted here depends on it


@dataclass(frozen=True)
class Cost:
    """``sequence_updates``: texts through the transformer with a gradient; ``disk_mb``: saved encoders."""

    sequence_updates: float = 0.0
    gpu_minutes: float = 0.0
    cpu_hours: float = 0.0
    disk_mb: float = 0.0


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    return Cost(*map(math.fsum, zip(*map(astuple, costs), strict=True)))


def cost_of_studies(studies: Iterable[Study], words: Mapping[str, float], costs: Costs) -> Cost:
    """What all trainings of the studies are expected to cost; ``words``: average words of a text by data set."""
    return total(
        [
            Cost(),
            *(
                training_cost(study, training, words[study.params.dataset], costs)
                for study in studies
                for training in topology.trainings(study)
                for _ in study.params.seeds
            ),
        ]
    )


def _expected(study: Study, key: str) -> dict[str, int]:
    counts = getattr(study.dataset.expected, key)
    if counts is None:
        file = paths.dataset_definition(study.dataset.name)
        raise UserError(f"{file}: expected.{key}: the key is missing, expected the counts that costs come from")
    return counts


def uncut_rows(study: Study) -> tuple[int, int]:
    """Rows of the training part, and those of phases 1 and 2, before shots take labels away; from expected rows."""
    dataset, params = study.dataset, study.params
    rows = _expected(study, "rows_by_split")
    train = rows["train"]
    if dataset.folds is not None:
        train -= train // dataset.folds
    if "validation" not in rows and study.protocol.validation_cut:
        train -= round(params.validation_share * train)
    train = min(train, params.train_rows or train)
    everywhere = dataset.folds is not None and study.protocol.rows_of_phases_1_2 == "all_without_test_set"
    return train, rows["train"] if everywhere else train


def class_sizes(study: Study) -> dict[str, int]:
    """Expected rows of each class that phases 1 and 2 see with their label, at least one and at most the shots."""
    labels = _expected(study, "labels")
    share, most = uncut_rows(study)[1] / sum(labels.values()), study.params.shots or math.inf
    return {label: min(most, max(1, round(share * count))) for label, count in labels.items()}


def training_rows(study: Study) -> tuple[int, int]:
    """Rows that phase 3 trains on, and those of phases 1 and 2 with a label."""
    train, everywhere = uncut_rows(study)
    if study.params.shots is None:
        return train, everywhere
    labelled = sum(class_sizes(study).values())
    return labelled, labelled + everywhere - train


def expected_pairs(sizes: Iterable[int], epochs: int, n_classes: int) -> float:
    """Expected number of balanced pairs (the paper's phase 2) of classes with so many (resampled) rows.

    Zipping shuffled copies draws about m = copies * (n - 1) of the n (n - 1) / 2 unordered pairs, self-pairs left
    out; of P pairs a share 1 - exp(-m / P) is drawn at least once; the scarcer kind is met by as many of the other.
    """
    sizes = list(sizes)
    n = sum(sizes)
    possible = n * (n - 1) / 2
    similar = sum(size * (size - 1) / 2 for size in sizes)
    drawn = repetitions(epochs, n_classes) * (n - 1)
    return 2 * min(similar, possible - similar) * -math.expm1(-drawn / possible)


def _resampled(study: Study, imbalance: str) -> list[int]:
    """Expected rows of each class that the pairs of an imbalance setting are made of."""
    sizes = class_sizes(study)
    ratios = class_ratios(sizes, study.shared.imbalance.get(imbalance))
    # An enlarged class also gets a copy of each row without its stop-words.
    return [size * (ratios[label] + (ratios[label] > 1)) for label, size in sizes.items()]


def is_shared(study: Study, training: Training, settings: TrainingSettings) -> bool:
    """Whether a training is expected to start from the rows of the one that it then takes over."""
    if settings.same_as is None:
        return False
    own, other = (study.shared.variants[variant] for variant in (training.variant, settings.same_as))
    if own.pairs_as_many_as not in (None, settings.same_as):
        return False
    if own.imbalance == "none" and study.protocol.no_imbalance_lowercase:
        return False
    return _resampled(study, own.imbalance) == _resampled(study, other.imbalance)


def sequence_updates(study: Study, training: Training) -> tuple[float, float]:
    """Updates of a training, and the texts in them that go through the transformer with a gradient.

    Phase 1: each text is encoded and decoded. Phase 2: both sides of a pair, few pairs several times. Joint: the longer
    stream's steps, both streams in each. A method: what its settings say; none for a classifier that it fits. Phase 3:
    none where the encoder is frozen, as its vectors are computed once. What a variant shares with another one it does
    not train.
    """
    train, labelled = training_rows(study)
    settings = with_batch_size(training_settings(study, training, ANY_MACHINE), train)
    if is_shared(study, training, settings):
        return 0.0, 0.0
    if settings.classifiers:
        rows = [candidate.epochs(round(train)) * train for candidate in settings.classifiers]
        frozen = settings.classifiers[0].freeze_encoder  # the candidates differ in their learning rate alone
        return sum(rows) / settings.classifiers[0].batch_size, 0.0 if frozen else float(sum(rows))
    if training.program == topology.FIT_CLASSIFIER:
        return 0.0, 0.0
    texts, pairs = 0.0, 0.0
    if settings.denoising:
        unlabelled = study.dataset.expected.rows_by_split.get("unlabelled", 0)
        texts = float(settings.denoising.epochs * (uncut_rows(study)[1] + unlabelled))
    if settings.contrastive:
        resampled = _resampled(study, settings.pairs.as_many_as or settings.pairs.imbalance)
        pairs = expected_pairs(resampled, settings.contrastive.epochs, len(resampled))
        pairs *= settings.contrastive.passes(max(1, math.ceil(pairs / settings.contrastive.batch_size)))
    if settings.method:
        own = settings_of(settings.method)
        batch_size = (settings.denoising or settings.contrastive or own).batch_size
        least = getattr(own, "min_updates", None) or 0
        if least:
            labelled = max(labelled, least * batch_size / own.epochs)
        items, texts = own.cost(Streams(labelled, texts, pairs))
        return max(items / batch_size, least), texts
    batch_size = (settings.denoising or settings.contrastive).batch_size
    longer, in_each_step = max(texts, pairs), 4.0 if texts and pairs else 2.0
    least = (settings.contrastive.min_updates or 0) if settings.contrastive else 0
    return max(longer / batch_size, least), in_each_step * longer


def training_cost(study: Study, training: Training, words: float, costs: Costs) -> Cost:
    """The cost of one training on texts of so many ``words``; only those of an encoder's phases cost anything.

    A training takes the longer of what its updates and what its tokens take.
    """
    if training.stage in topology.BASELINE_STAGES:
        return Cost()
    updates, sequences = sequence_updates(study, training)
    size = costs.encoders[training.encoder]
    weights_million = size.layer_weights_million + DECODED.get(training.stage, 0.0) * size.vocabulary_weights_million
    teraflop = BACKWARD_AND_FORWARD * sequences * words * costs.tokens_per_word * weights_million / 1e6
    seconds = {
        name: max(updates / device.updates_per_second, teraflop / device.teraflops)
        for name, device in costs.devices.items()
    }
    disk = size.file_mb if training.phase == topology.ENCODER_PHASE else 0.0
    return Cost(sequences, seconds["gpu"] / 60, seconds["cpu"] / 3600, disk)
