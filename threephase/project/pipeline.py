"""The text of a study's ``dvc.yaml``.

Every command, path and settings file is the same text in every study, so that dvc takes an identical training from the
cache of another one. Only ``resolve_settings`` names files outside of the study.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.project.inputs import outside_files
from threephase.study import resolve, topology
from threephase.study.params import Study
from threephase.study.topology import Training, block_of

HEADER = """\
# Generated from params.yaml by make pipelines; do not edit. Every stage reads its settings from runs/settings/.
params:
  - resolved.yaml
stages:
"""
PROGRAM = "python $(git rev-parse --show-toplevel)/stages"
ITEM, SEED = "${item.encoder}-${item.variant}", "${item.seed}"
CELL = {  # by whether an encoder is needed: the name of a cell, and its options
    True: (ITEM, "--encoder ${item.encoder} --variant ${item.variant}"),
    False: ("${item.variant}", "--variant ${item.variant}"),
}
DESCRIPTIONS = {
    topology.DENOISE: "Phase 1, denoising autoencoder",
    topology.CONTRAST: "Phase 2 behind phase 1, contrastive learning on pairs",
    topology.CONTRAST_ABLATION: "Phase 2 with another imbalance setting; takes over what comes out the same",
    topology.CONTRAST_PRETRAINED: "Phase 2 alone",
    topology.JOINT_TRAINING: "Phases 1 and 2 in one training",
    topology.CLASSIFY: "Phase 3 on a variant's own encoder",
    topology.CLASSIFY_ABLATION: "Phase 3 behind another imbalance setting; takes over what comes out the same",
    topology.CLASSIFY_ORDINARY: "Phase 3 as many would train it, on three_phase's encoder",
    topology.CLASSIFY_DENOISED: "Phase 3 behind phase 1 alone",
    topology.CLASSIFY_PRETRAINED: "Phase 3 alone, fine-tuning",
    topology.BASELINE: "A baseline without an encoder, all seeds",
    topology.BASELINE_EMBEDDINGS: "A baseline on the untouched encoder's embeddings, all seeds",
}
EXAMPLES = "runs/data/examples.parquet"


def pipeline(study: Study) -> str:
    """The whole ``dvc.yaml`` of a study."""
    return HEADER + "".join(_stages(study))


def _stages(study: Study) -> Iterator[str]:
    yield from _inputs(study)
    for stage in dict.fromkeys(training.stage for training in topology.trainings(study)):
        of_stage = [training for training in topology.trainings(study) if training.stage == stage]
        for block in dict.fromkeys(block_of(study, stage, training.encoder) for training in of_stage):
            yield _training(study, block, [t for t in of_stage if block_of(study, stage, t.encoder) == block])
    yield from _summaries(study)
    yield from _reports(study)


def _inputs(study: Study) -> Iterator[str]:
    yield _stage(
        "resolve_settings",
        "Each stage's settings, with the checksums of its code",
        "resolve_settings",
        outside_files(study),
        ["runs/settings"],
        uncached=["resolved.yaml"],
    )
    yield _stage(
        "fetch_data",
        "The data set's rows as its source has them",
        "fetch_data",
        [_settings("fetch_data")],
        ["runs/data/raw.parquet", "runs/data/source.json"],
    )
    yield _stage(
        "prepare_data",
        "Cleaned, checked examples with a fixed test set",
        "prepare_data",
        [_settings("prepare_data"), "runs/data/raw.parquet", "runs/data/source.json"],
        [EXAMPLES, "runs/data/manifest.json"],
    )
    yield _stage(
        "fetch_encoder",
        "A pre-trained encoder's files, checksum verified",
        "fetch_encoder --encoder ${item.encoder}",
        [_settings("fetch_encoder", "${item.encoder}")],
        ["runs/pretrained/${item.encoder}", "runs/pretrained/${item.encoder}.json"],
        {"encoder": study.params.encoders},
    )
    yield _stage(
        "split_data",
        "Training, validation, test and unlabelled rows of a seed, and the imbalance settings",
        f"split_data --seed {SEED}",
        [_settings("split_data"), EXAMPLES],
        [f"runs/splits/{SEED}"],
        {"seed": "${seeds}"},
    )


def _training(study: Study, block: str, trainings: Sequence[Training]) -> str:
    """One block: the trainings of a stage, for all encoders or for one."""
    first = trainings[0]
    if len({training.start == training.variant or training.start for training in trainings}) > 1:
        names = ", ".join(training.variant for training in trainings)
        raise UserError(
            f"{paths.SHARED_PARAMS}: variants: got {names} in the stage {first.stage}, which start from different "
            "encoders; expected one encoder_of for all of them"
        )
    matrix = {
        "encoder": list(dict.fromkeys(training.encoder for training in trainings)),
        "variant": list(dict.fromkeys(training.variant for training in trainings)),
    }
    item, options = CELL[bool(first.encoder)]
    if not first.encoder:
        del matrix["encoder"]
    deps, outs = [_settings(first.program, item), EXAMPLES], []
    pretrained = ["runs/pretrained/${item.encoder}"] if first.encoder else []
    if first.stage in topology.BASELINE_STAGES:
        deps += [*pretrained, "runs/splits"]
        outs = [f"runs/predictions/{item}"]
        return _stage(block, DESCRIPTIONS[first.stage], f"{first.program} {options}", deps, outs, matrix)
    # Which imbalance setting a variant's pairs use stands in its settings; all lie in the seed's folder.
    draws_pairs = first.program in (topology.CONTRAST, topology.JOINT_TRAINING)
    split = f"runs/splits/{SEED}" if draws_pairs else f"runs/splits/{SEED}/split.parquet"
    deps += [*pretrained, split, *_starts(first)]
    if first.phase == topology.ENCODER_PHASE:
        outs = [f"runs/encoders/{ITEM}/{SEED}"]
    else:
        outs = [f"runs/predictions/{ITEM}/{SEED}.parquet", f"runs/vectors/{ITEM}/{SEED}.safetensors"]
    outs.append(f"runs/histories/{ITEM}/{SEED}-{first.phase}.csv")
    matrix["seed"] = "${seeds}"
    command = f"{first.program} {options} --seed {SEED}"
    return _stage(block, DESCRIPTIONS[first.stage], command, deps, outs, matrix)


def _starts(training: Training) -> list[str]:
    """What a training depends on besides its settings, data, split and pre-trained encoder."""
    deps = []
    if training.start is not None:
        own = training.phase == topology.CLASSIFIER_PHASE and training.start == training.variant
        start = "${item.variant}" if own else training.start
        deps.append(f"runs/encoders/${{item.encoder}}-{start}/{SEED}")
    if training.compared is not None:
        other = f"${{item.encoder}}-{training.compared}"
        deps.append(f"runs/encoders/{other}/{SEED}")
        deps.append(f"runs/histories/{other}/{SEED}-{training.phase}.csv")
        if training.phase == topology.CLASSIFIER_PHASE:
            deps += [f"runs/predictions/{other}/{SEED}.parquet", f"runs/vectors/{other}/{SEED}.safetensors"]
    return deps


def _summaries(study: Study) -> Iterator[str]:
    lists = {encoder: [v for e, v in topology.cells(study) if e == encoder] for encoder in study.params.encoders}
    blocks: dict[str, dict[str, list[str]]] = {}
    for encoder, variants in lists.items():
        matrix = blocks.setdefault(block_of(study, topology.SUMMARIZE, encoder), {"encoder": [], "variant": variants})
        matrix["encoder"].append(encoder)
    if study.other_baselines():
        blocks[topology.SUMMARIZE_OTHER] = {"variant": study.other_baselines()}
    for block, matrix in blocks.items():
        item, options = CELL["encoder" in matrix]
        yield _stage(
            block,
            "A cell's metrics over the seeds",
            f"summarize_cell {options}",
            [_settings("summarize_cell", item), f"runs/predictions/{item}", "runs/splits"],
            [f"reports/cells/{item}.json"],
            matrix,
            metrics=[f"reports/metrics/{item}.json"],
        )


def _reports(study: Study) -> Iterator[str]:
    results, claims = "reports/results.csv", "reports/claims.csv"
    trains = bool(study.params.trained())
    trains_encoders = any(training.phase == topology.ENCODER_PHASE for training in topology.trainings(study))
    tables = [results, "reports/runs.csv", "reports/differences.csv", claims]
    yield _stage(
        "collect_results",
        "All cells, runs, differences and claims as tables",
        "collect_results",
        [_settings("collect_results"), "reports/cells", "runs/predictions"],
        tables,
        plots=[
            "reports/plots/scores.csv:",
            "    template: bar_horizontal",
            "    x: score",
            "    y: cell",
            "    x_label: primary metric on the test rows, percent, mean of the seeds",
            "    title: Scores of the cells",
        ],
    )
    yield _stage(
        "render_tables",
        "The tables as Markdown and LaTeX",
        "render_tables",
        [_settings("render_tables"), results, claims],
        ["reports/tables"],
    )
    if study.params.draw_encoders:
        yield _stage(
            topology.REPRESENTATIONS,
            "Test rows before and after the phases, by the first seed's encoders",
            f"{topology.REPRESENTATIONS} --encoder ${{item.encoder}} --seed ${{seeds[0]}}",
            [
                _settings(topology.REPRESENTATIONS, "${item.encoder}"),
                EXAMPLES,
                "runs/pretrained/${item.encoder}",
                "runs/splits/${seeds[0]}/split.parquet",
                *["runs/encoders"] * trains_encoders,
                *["runs/vectors"] * trains,
            ],  # fmt: skip
            ["reports/pictures/representations-${item.encoder}"],
            {"encoder": study.params.encoders},
        )
    yield _stage(
        "render_figures",
        "Variants with seeds and intervals, claims, learning curves, confusions and disagreements",
        "render_figures",
        [
            _settings("render_figures"),
            results,
            "reports/runs.csv",
            claims,
            *["runs/histories"] * trains,
            "runs/predictions",
        ],  # fmt: skip
        ["reports/figures", "reports/pictures/mistakes"],
        plots=[
            "reports/plots/learning_curves.csv:",
            "    template: learning_curves",
            "    x: epoch",
            "    y: validation_metric",
            "    y_label: metric on the rows that choose the epoch, percent",
            "    title: Phase 3, learning curves",
        ],
    )
    yield _stage(
        "render_report",
        "The page",
        "render_report",
        [_settings("render_report"), *tables, "reports/figures", "reports/pictures", EXAMPLES, "runs/splits"],
        ["reports/index.html"],
    )
    yield _stage(
        "render_summary",
        "The results as text, which the terminal shows",
        "render_summary",
        [_settings("render_summary"), results, claims],
        ["reports/summary.txt"],
    )
    if study.folder == Path():
        yield _stage(
            resolve.AUDIT,
            "What the paper's printed numbers say about each other",
            resolve.AUDIT,
            [_settings(resolve.AUDIT)],
            ["reports/paper/audit.json", "reports/paper/audit.md"],
        )


def _settings(program: str, item: str = "") -> str:
    return paths.settings(Path(), program, item).as_posix()


def _stage(
    name: str,
    description: str,
    command: str,
    deps: Sequence[str],
    outs: Sequence[str],
    matrix: dict[str, list[str] | str] | None = None,
    uncached: Sequence[str] = (),
    metrics: Sequence[str] = (),
    plots: Sequence[str] = (),
) -> str:
    """One stage as YAML."""
    lines = [f"  {name}:", f"    desc: {description}"]
    if matrix:
        lines.append("    matrix:")
        shown = {key: values if isinstance(values, str) else _flow(values) for key, values in matrix.items()}
        lines += [f"      {key}: {text}" for key, text in shown.items()]
    lines.append(f"    cmd: {PROGRAM} {command}")
    lines += ["    deps:", *_items(dict.fromkeys(deps))] if deps else []
    lines += ["    outs:", *_items(outs)]
    lines += [line for out in uncached for line in (f"      - {out}:", "          cache: false")]
    lines += ["    metrics:"] * bool(metrics)
    lines += [line for out in metrics for line in (f"      - {out}:", "          cache: false")]
    lines += ["    plots:", f"      - {plots[0]}", *(f"      {line}" for line in plots[1:])] if plots else []
    return "\n".join(lines) + "\n"


def _items(values: Iterable[str]) -> list[str]:
    return [f"      - {value}" for value in values]


def _flow(values: Iterable[str]) -> str:
    return "[" + ", ".join(values) + "]"
