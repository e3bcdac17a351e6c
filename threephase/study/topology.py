"""The shape of a study: its stages in order, which trainings it has, what each starts from, which stage runs it.

The one owner of it: dvc.yaml, settings, checks, curves, costs and pages are made from what stands here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from threephase.base import paths
from threephase.study.params import DENOISED, METHOD, PRETRAINED, THREE_PHASE, TRAINED_ENCODER_STAGES, Shared, Study

# In the order in which dvc runs them.
RESOLVE = "resolve_settings"
FETCH, PREPARE, FETCH_ENCODER, SPLIT = DATA_STAGES = ("fetch_data", "prepare_data", "fetch_encoder", "split_data")
DENOISE, CONTRAST, CONTRAST_PRETRAINED, JOINT_TRAINING = TRAINED_ENCODER_STAGES
CONTRAST_ABLATION, METHOD_DENOISED = "train_contrastive_ablation", "train_method_from_dae"
CLASSIFY, CLASSIFY_ABLATION = "train_classifier", "train_classifier_ablation"
CLASSIFY_ORDINARY = "train_classifier_ordinary"
CLASSIFY_DENOISED, CLASSIFY_PRETRAINED = "train_classifier_from_dae", "train_classifier_from_pretrained"
BASELINE, BASELINE_EMBEDDINGS = "train_baselines", "train_baselines_on_embeddings"
SUMMARIZE, SUMMARIZE_OTHER = "summarize_cell", "summarize_cell_without_encoder"
COLLECT, TABLES, REPORT, SUMMARY = REPORT_STAGES = (
    "collect_results", "render_tables", "render_report", "render_summary",
)  # fmt: skip
REPRESENTATIONS = "render_representations"  # before the page, where a study draws its encoders
AUDIT = "run_audit"  # of the paper, in the default study
METHOD_STAGES = (METHOD, METHOD_DENOISED)
ENCODER_STAGES = (DENOISE, CONTRAST, CONTRAST_ABLATION, CONTRAST_PRETRAINED, JOINT_TRAINING, *METHOD_STAGES)
PAIR_STAGES = (CONTRAST, CONTRAST_ABLATION, CONTRAST_PRETRAINED)
CLASSIFY_ON_HEAD = "train_classifier_on_head"
# Phase 3 with the head of a method, by the stage that draws its own.
ON_HEAD = {
    name: name.replace(CLASSIFY, CLASSIFY_ON_HEAD) for name in (CLASSIFY, CLASSIFY_DENOISED, CLASSIFY_PRETRAINED)
}
FIT_CLASSIFIER = "fit_classifier"
# In place of phase 3 the classifier that a method fits.
FITTED = {name: name.replace(CLASSIFY, FIT_CLASSIFIER) for name in ON_HEAD}
BY_METHOD = (METHOD, CLASSIFY_ON_HEAD, FIT_CLASSIFIER)  # the programs that call a method's file
CLASSIFIER_STAGES = (
    CLASSIFY, CLASSIFY_ABLATION, CLASSIFY_ORDINARY, CLASSIFY_DENOISED, CLASSIFY_PRETRAINED, *ON_HEAD.values(),
    *FITTED.values(),
)  # fmt: skip
BASELINE_STAGES = (BASELINE, BASELINE_EMBEDDINGS)
ENCODER_PHASE, CLASSIFIER_PHASE = "encoder", "classifier"


@dataclass(frozen=True)
class Training:
    """What one dvc stage trains for every seed.

    ``stage``: the name in dvc.yaml; ``program``: the module of ``stages/`` that it runs; ``encoder`` is empty for a
    baseline that needs none. ``start``: the variant whose encoder it starts from, None for the pre-trained one.
    ``compared``: the variant whose training it takes over where both come out the same.
    """

    stage: str
    program: str
    encoder: str
    variant: str
    phase: str
    start: str | None = None
    compared: str | None = None

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


def begins_with_phase_1(shared: Shared, variant: str) -> bool:
    """Whether what makes a variant's encoder starts from that of phase 1."""
    source = shared.variants[variant].encoder_from
    return source == CONTRAST or (source == METHOD and shared.methods[variant].start == DENOISED)


def classifier_program(shared: Shared, variant: str) -> str:
    """The module of ``stages/`` that runs a variant's phase 3, with the head of a method or one drawn at random.

    Or the one that fits a method's classifier in its place.
    """
    makes = shared.methods[variant].makes if variant in shared.methods else []
    return CLASSIFY_ON_HEAD if "head" in makes else FIT_CLASSIFIER if "classifier" in makes else CLASSIFY


def trainings(study: Study) -> Iterator[Training]:
    """Every training of a study, in the order of the phases; each is run for every seed."""
    with_encoder = [training for encoder in study.params.encoders for training in _of_encoder(study, encoder)]
    for stage in (*ENCODER_STAGES, *CLASSIFIER_STAGES):
        yield from (training for training in with_encoder if training.stage == stage)
    for baseline in study.other_baselines():
        yield Training(BASELINE, BASELINE, "", baseline, CLASSIFIER_PHASE)
    for encoder in study.params.encoders:
        for baseline in study.encoder_baselines():
            yield Training(BASELINE_EMBEDDINGS, BASELINE, encoder, baseline, CLASSIFIER_PHASE)


def _of_encoder(study: Study, encoder: str) -> Iterator[Training]:
    """The trainings of phases 1 to 3 on one encoder: of its variants, and of the encoders that they start from."""
    shared, variants = study.shared, study.params.variants_of(encoder)
    makers = dict.fromkeys(maker_of(shared, variant) for variant in variants)
    sources = {maker: shared.variants[maker].encoder_from for maker in makers if maker not in (None, DENOISED)}
    denoised = [maker for maker in sources if begins_with_phase_1(shared, maker)]
    if DENOISED in makers or denoised:
        yield Training(DENOISE, DENOISE, encoder, DENOISED, ENCODER_PHASE)
    for maker, source in sources.items():
        ablation = is_ablation(shared, maker)
        start = DENOISED if maker in denoised else None
        stage = CONTRAST_ABLATION if ablation else METHOD_DENOISED if source == METHOD and start else source
        program = CONTRAST if stage in PAIR_STAGES else source
        yield Training(stage, program, encoder, maker, ENCODER_PHASE, start, THREE_PHASE if ablation else None)
    for variant in variants:
        definition, ablation = shared.variants[variant], is_ablation(shared, variant)
        stage = CLASSIFY
        if definition.encoder_from == PRETRAINED:
            stage = CLASSIFY_PRETRAINED
        elif definition.encoder_of is not None:
            stage = CLASSIFY_ORDINARY
        elif ablation:
            stage = CLASSIFY_ABLATION
        elif definition.encoder_from == DENOISE:
            stage = CLASSIFY_DENOISED
        compared, program = THREE_PHASE if ablation else None, classifier_program(shared, variant)
        stage = {CLASSIFY_ON_HEAD: ON_HEAD, FIT_CLASSIFIER: FITTED}.get(program, {}).get(stage, stage)
        yield Training(stage, program, encoder, variant, CLASSIFIER_PHASE, maker_of(shared, variant), compared)


def trainings_behind(shared: Shared, variant: str) -> list[tuple[str, str]]:
    """Variant and phase of each training that makes a cell, shared ones included, in the order of the phases."""
    own = [(variant, CLASSIFIER_PHASE)]
    if variant not in shared.variants:
        return own
    maker = maker_of(shared, variant)
    denoised = [(DENOISED, ENCODER_PHASE)] * (maker == DENOISED or begins_with_phase_1(shared, variant))
    encoder = [] if maker in (None, DENOISED) else [(maker, ENCODER_PHASE)]
    return [*denoised, *encoder, *own]


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
