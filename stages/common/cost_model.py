"""What a training is expected to cost, from row counts and table 5's settings, before anything has run.

Estimates, and an upper bound where a training may end early: phase 3 counts ``max_epochs_classifier`` epochs.
"""

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass

from stages.common import paths
from stages.common.engine.switches import for_variant, freezes_encoder, joint_settings, settings_of
from stages.common.errors import UserError
from stages.common.imbalance import class_ratios
from stages.common.pairs import repetitions
from stages.common.paper_settings import Costs
from stages.common.settings import THREE_PHASE, Study

BACKWARD_AND_FORWARD = 6  # floating-point operations a token and weight
# Of the texts that go through the layers, the share that is decoded, into a choice from the vocabulary at every token.
DECODED = {"train_dae": 1 / 2, "train_joint": 1 / 4}
PHASES_1_2 = (
    "train_dae",
    "train_contrastive",
    "train_contrastive_ablation",
    "train_contrastive_from_pretrained",
    "train_joint",
)
PHASE_3 = (
    "train_classifier",
    "train_classifier_ablation",
    "train_classifier_ordinary",
    "train_classifier_from_pretrained",
)


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


def training_rows(study: Study) -> tuple[int, int]:
    """Rows that phase 3 trains on, and those of phases 1 and 2 with a label; from the data set's expected rows."""
    dataset, benchmark = study.dataset, study.benchmark
    rows = dataset.expected.rows_by_split
    if rows is None:
        file = paths.dataset_params(dataset.name)
        raise UserError(f"{file}: expected.rows_by_split: the key is missing, expected the rows that costs come from")
    train = rows["train"]
    if dataset.folds is not None:
        train -= train // dataset.folds
    if "validation" not in rows and study.protocol.validation_cut:
        train -= round(benchmark.validation_share * train)
    everywhere = dataset.folds is not None and study.protocol.rows_of_phases_1_2 == "all_without_test_set"
    return train, rows["train"] if everywhere else train


def class_sizes(study: Study) -> dict[str, int]:
    """Expected rows of each class that phases 1 and 2 see, at least one."""
    labels = study.dataset.expected.labels
    if labels is None:
        file = paths.dataset_params(study.dataset.name)
        raise UserError(f"{file}: expected.labels: the key is missing, expected the label counts that pairs come from")
    share = training_rows(study)[1] / sum(labels.values())
    return {label: max(1, round(share * count)) for label, count in labels.items()}


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


def is_shared(study: Study, variant: str) -> bool:
    """Whether a variant's pairs are expected to be those of three_phase, whose trainings it then takes over."""
    definition, original = study.shared.variants[variant], study.shared.variants[THREE_PHASE]
    if variant == THREE_PHASE or definition.encoder_from != original.encoder_from:
        return False
    if definition.imbalance == "none" and study.protocol.no_imbalance_lowercase:
        return False
    return _resampled(study, definition.imbalance) == _resampled(study, original.imbalance)


def sequence_updates(study: Study, stage: str, encoder: str, variant: str) -> tuple[float, float]:
    """Updates of a training, and the texts in them that go through the transformer with a gradient.

    Phase 1: each text is encoded and decoded. Phase 2: both sides of a pair. Joint: the longer stream's steps, both
    streams in each. Phase 3: none where the encoder is frozen, as its vectors are computed once. What a variant shares
    with three_phase it does not train.
    """
    if stage in ("train_contrastive_ablation", "train_classifier_ablation") and is_shared(study, variant):
        return 0.0, 0.0
    train, labelled = training_rows(study)
    settings = settings_of(study, encoder, train)
    if stage in PHASE_3:
        recipe = study.shared.variants[variant].recipe
        if recipe:
            rows = len(recipe.lr_classifier) * recipe.max_epochs_classifier * train
            return rows / settings.batch_size, float(rows)
        rows = for_variant(settings, "max_epochs_classifier", variant) * train
        return rows / settings.batch_size, 0.0 if freezes_encoder(study, encoder, settings) else float(rows)
    if stage == "train_joint":
        settings, _ = joint_settings(study, settings)
    texts = settings.epochs_dae * (labelled + study.dataset.expected.rows_by_split.get("unlabelled", 0))
    if stage == "train_dae":
        return texts / settings.batch_size, 2.0 * texts
    resampled = _resampled(study, study.shared.variants[variant].imbalance)
    pairs = expected_pairs(resampled, settings.epochs_contrastive, len(resampled))
    if stage == "train_joint":
        longer = max(texts, pairs)
        return longer / settings.batch_size, 4.0 * longer
    return pairs / settings.batch_size, 2.0 * pairs


def stage_cost(study: Study, stage: str, encoder: str, variant: str, words: float, costs: Costs) -> Cost:
    """The cost of one stage of a benchmark on texts of so many ``words``; only trainings of an encoder cost anything.

    A training takes the longer of what its updates and what its tokens take.
    """
    if stage not in (*PHASES_1_2, *PHASE_3):
        return Cost()
    updates, sequences = sequence_updates(study, stage, encoder, variant)
    size = costs.encoders[encoder]
    weights_million = size.layer_weights_million + DECODED.get(stage, 0.0) * size.vocabulary_weights_million
    teraflop = BACKWARD_AND_FORWARD * sequences * words * costs.tokens_per_word * weights_million / 1e6
    seconds = {
        name: max(updates / device.updates_per_second, teraflop / device.teraflops)
        for name, device in costs.devices.items()
    }
    disk = size.file_mb if stage in PHASES_1_2 else 0.0
    return Cost(sequences, seconds["gpu"] / 60, seconds["cpu"] / 3600, disk)
