"""The shape of a study: its stages in order, which trainings it has, what each starts from, which stage runs it.

The one owner of it: dvc.yaml, settings, checks, curves, costs and pages are made from what stands here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from threephase.base import paths
from threephase.study.params import (
    DENOISED,
    METHOD,
    NOISE,
    PAIRS,
    PRETRAINED,
    THREE_PHASE,
    TRAINED_ENCODER_STAGES,
    Shared,
    Study,
)

# In the order in which dvc runs them.
RESOLVE = "resolve_settings"
FETCH, PREPARE, FETCH_ENCODER, SPLIT = DATA_STAGES = ("fetch_data", "prepare_data", "fetch_encoder", "split_data")
DENOISE, CONTRAST, CONTRAST_PRETRAINED, JOINT_TRAINING = TRAINED_ENCODER_STAGES
CONTRAST_ABLATION, METHOD_DENOISED = "train_contrastive_ablation", "train_method_from_dae"
METHOD_SEVERAL, METHOD_WITH_DATA = "train_method_from_several", "train_method_with_data"
METHOD_DATA = "prepare_method_data"
# Phase 3, the same with the head or the adapter of a method, and the classifier that a method fits in its place. On an
# encoder that is not the variant's own the stage is named by whose it is.
CLASSIFY, CLASSIFY_ON_HEAD, FIT_CLASSIFIER = CLASSIFIER_PROGRAMS = (
    "train_classifier", "train_classifier_on_head", "fit_classifier",
)  # fmt: skip
CLASSIFY_ABLATION = "train_classifier_ablation"
BASELINE, BASELINE_EMBEDDINGS = "train_baselines", "train_baselines_on_embeddings"
SUMMARIZE, SUMMARIZE_OTHER = "summarize_cell", "summarize_cell_without_encoder"
COLLECT, TABLES, REPORT, SUMMARY = REPORT_STAGES = (
    "collect_results", "render_tables", "render_report", "render_summary",
)  # fmt: skip
REPRESENTATIONS = "render_representations"  # before the page, where a study draws its encoders
AUDIT = "run_audit"  # of the paper, in the default study
PAIR_STAGES = (CONTRAST, CONTRAST_ABLATION, CONTRAST_PRETRAINED)
ENCODER_STAGES = (
    DENOISE, *PAIR_STAGES, JOINT_TRAINING, METHOD, METHOD_DENOISED, METHOD_SEVERAL, METHOD_WITH_DATA,
)  # fmt: skip
BY_METHOD = (METHOD, CLASSIFY_ON_HEAD, FIT_CLASSIFIER)  # the programs that call a method's file
BASELINE_STAGES = (BASELINE, BASELINE_EMBEDDINGS)
ENCODER_PHASE, CLASSIFIER_PHASE = "encoder", "classifier"


@dataclass(frozen=True)
class Training:
    """What one dvc stage trains for every seed.

    ``stage``: the name in dvc.yaml; ``program``: the module of ``stages/`` that it runs; ``encoder`` is empty for a
    baseline that needs none. ``start``: the variant whose encoder it starts from, None for the pre-trained one;
    ``others``: those whose encoders it needs besides.
    ``compared``: the variant whose training it takes over where both come out the same.
    """

    stage: str
    program: str
    encoder: str
    variant: str
    phase: str
    start: str | None = None
    compared: str | None = None
    others: tuple[str, ...] = ()

    @property
    def cell(self) -> str:
        return paths.cell_name(self.encoder, self.variant)


def is_ablation(shared: Shared, variant: str) -> bool:
    """Whether a variant is three_phase with another phase 2."""
    definition = shared.variants[variant]
    return definition.encoder_from == CONTRAST and definition.encoder_of is None and variant != THREE_PHASE


def maker_of(shared: Shared, variant: str) -> str | None:
    """Whose encoder a variant's phase 3 starts from: a variant's, DENOISED for phase 1's, None for the pre-trained."""
    definition = shared.variants[variant]
    if definition.encoder_from == PRETRAINED:
        return None
    owner = definition.encoder_of or variant
    return DENOISED if shared.variants[owner].encoder_from == DENOISE else owner


def starts_of(shared: Shared, maker: str) -> list[str]:
    """The encoders that what makes a variant's own reads, the first one given."""
    source = shared.variants[maker].encoder_from
    if source == METHOD:
        return [name for name in shared.methods[maker].reads if name in _encoders(shared)]
    return [DENOISED if source == CONTRAST else PRETRAINED]


def data_of(shared: Shared, method: str) -> str | None:
    """The other data set that a method reads; None: none."""
    known = (NOISE, PAIRS, *_encoders(shared))
    return next((name for name in shared.methods[method].reads if name not in known), None)


def _encoders(shared: Shared) -> tuple[str, ...]:
    return PRETRAINED, DENOISED, *shared.variants


def data_by_method(study: Study) -> dict[str, str]:
    """The other data sets that a study's methods read, by method."""
    makers = dict.fromkeys(maker_of(study.shared, variant) for variant in study.params.trained())
    methods = [maker for maker in makers if maker in study.shared.methods]
    return {method: name for method in methods if (name := data_of(study.shared, method))}


def makers_behind(shared: Shared, variant: str) -> list[str]:
    """Who makes the encoder that a variant's phase 3 starts from, behind whose encoders that one starts from."""
    return _with_starts(shared, maker_of(shared, variant))


def _with_starts(shared: Shared, maker: str | None) -> list[str]:
    if maker in (None, PRETRAINED, DENOISED):
        return [DENOISED] * (maker == DENOISED)
    before = [name for start in starts_of(shared, maker) for name in _with_starts(shared, start)]
    return [*dict.fromkeys(before), maker]


def classifier_program(shared: Shared, variant: str) -> str:
    """The module of ``stages/`` that runs a variant's phase 3, or fits a method's classifier in its place."""
    made = shared.methods[variant].makes if variant in shared.methods else []
    if "classifier" in made:
        return FIT_CLASSIFIER
    return CLASSIFY_ON_HEAD if {"head", "adapter"} & set(made) else CLASSIFY


def _classifier_stage(shared: Shared, variant: str) -> str:
    """The stage of a variant's phase 3, named by whose encoder it starts from where that is not its own."""
    start, program = maker_of(shared, variant), classifier_program(shared, variant)
    if is_ablation(shared, variant):
        return CLASSIFY_ABLATION
    return program if start == variant else f"{program}_from_{start or PRETRAINED}"


def trainings(study: Study) -> Iterator[Training]:
    """Every training of a study, in the order of the phases; each is run for every seed."""
    with_encoder = [training for encoder in study.params.encoders for training in _of_encoder(study, encoder)]
    yield from sorted(with_encoder, key=_place)
    for baseline in study.other_baselines():
        yield Training(BASELINE, BASELINE, "", baseline, CLASSIFIER_PHASE)
    for encoder in study.params.encoders:
        for baseline in study.encoder_baselines():
            yield Training(BASELINE_EMBEDDINGS, BASELINE, encoder, baseline, CLASSIFIER_PHASE)


def _place(training: Training) -> tuple:
    """Where a training stands: phases 1 and 2, then phase 3; there what starts from its own encoder comes first."""
    if training.phase == ENCODER_PHASE:
        return 0, ENCODER_STAGES.index(training.stage)
    start, program = training.start, CLASSIFIER_PROGRAMS.index(training.program)
    further = (start is None, start == DENOISED, start != training.variant, training.compared is not None)
    return 1, program, *further, training.stage


def _of_encoder(study: Study, encoder: str) -> Iterator[Training]:
    """The trainings of phases 1 to 3 on one encoder: of its variants, and of the encoders that they start from."""
    shared, variants = study.shared, study.params.variants_of(encoder)
    for maker in dict.fromkeys(maker for variant in variants for maker in makers_behind(shared, variant)):
        yield _of_maker(shared, encoder, maker)
    for variant in variants:
        stage, program = _classifier_stage(shared, variant), classifier_program(shared, variant)
        compared = THREE_PHASE if is_ablation(shared, variant) else None
        yield Training(stage, program, encoder, variant, CLASSIFIER_PHASE, maker_of(shared, variant), compared)


def _of_maker(shared: Shared, encoder: str, maker: str) -> Training:
    """The training of an encoder."""
    if maker == DENOISED:
        return Training(DENOISE, DENOISE, encoder, DENOISED, ENCODER_PHASE)
    source, ablation = shared.variants[maker].encoder_from, is_ablation(shared, maker)
    start, *others = starts_of(shared, maker)
    start = None if start == PRETRAINED else start
    stage = CONTRAST_ABLATION if ablation else source
    if source == METHOD and data_of(shared, maker):
        stage = METHOD_WITH_DATA
    elif source == METHOD:
        stage = METHOD_SEVERAL if others else METHOD_DENOISED if start else METHOD
    program = CONTRAST if stage in PAIR_STAGES else source
    compared = THREE_PHASE if ablation else None
    return Training(stage, program, encoder, maker, ENCODER_PHASE, start, compared, tuple(others))


def trainings_behind(shared: Shared, variant: str) -> list[tuple[str, str]]:
    """Variant and phase of each training that makes a cell, shared ones included, in the order of the phases."""
    makers = makers_behind(shared, variant) if variant in shared.variants else []
    return [*((maker, ENCODER_PHASE) for maker in makers), (variant, CLASSIFIER_PHASE)]


def cells(study: Study) -> list[tuple[str, str]]:
    """Encoder and variant of every cell, in the order of the tables: by encoder, then what needs none."""
    with_encoder = [
        (encoder, variant)
        for encoder in study.params.encoders
        for variant in [*study.params.variants_of(encoder), *study.encoder_baselines()]
    ]
    return with_encoder + [("", baseline) for baseline in study.other_baselines()]


def block_of(study: Study, stage: str, encoder: str) -> str:
    """The name in dvc.yaml of a stage's block: one for all encoders, or one an encoder where their variants differ."""
    return f"{stage}_{encoder}" if encoder and isinstance(study.params.variants, dict) else stage


def summary_stage(study: Study, cell: tuple[str, str]) -> str:
    """The stage, as dvc names it within the study, that makes a cell's summary."""
    block = block_of(study, SUMMARIZE if cell[0] else SUMMARIZE_OTHER, cell[0])
    return f"{block}@{paths.cell_name(*cell)}"


def command(study: Study, cell: tuple[str, str]) -> str:
    """The command that makes a cell's summary and everything it needs, typed in the top folder."""
    return f"{study.in_folder} repro {summary_stage(study, cell)}"


def training_stage(study: Study, training: Training, seed: int) -> str:
    """The stage, as dvc names it within the study, that runs one training; a baseline's runs all seeds."""
    name = f"{block_of(study, training.stage, training.encoder)}@{training.cell}"
    return name if training.stage in BASELINE_STAGES else f"{name}-{seed}"
