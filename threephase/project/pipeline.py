"""The text of a study's ``dvc.yaml``.

Every command, path and settings file is the same text in every study, so that dvc takes an identical training from the
cache of another one. Only ``resolve_settings`` names files outside of the study.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study import read_params, resolve, topology
from threephase.study.params import DENOISED, PRETRAINED, Study
from threephase.study.topology import Training, block_of

HEADER = """\
# Generated from params.yaml by make pipelines; do not edit. Every stage reads its settings from runs/settings/.
params:
  - resolved.yaml
stages:
"""
PROGRAM = 'python3 "$(git rev-parse --show-toplevel)/stages"'
ENCODER, ITEM, SEED = "${item.encoder}", "${item.encoder}-${item.variant}", "${item.seed}"
VARIANT = "--variant ${item.variant}"
# By whether an encoder is needed: the name of a cell, and its options.
CELL = {True: (ITEM, f"--encoder {ENCODER} {VARIANT}"), False: ("${item.variant}", VARIANT)}
DESCRIPTIONS = {
    topology.RESOLVE: "Each stage's settings, with the checksums of its code",
    topology.FETCH: "The data set's rows as its source has them",
    topology.PREPARE: "Cleaned, checked examples with a fixed test set",
    topology.FETCH_ENCODER: "A pre-trained encoder's files, checksum verified",
    topology.SPLIT: "Training, validation, test and unlabelled rows of a seed, and the imbalance settings",
    topology.DENOISE: "Phase 1, denoising autoencoder",
    topology.CONTRAST: "Phase 2 behind phase 1, contrastive learning on pairs",
    topology.CONTRAST_ABLATION: "Phase 2 with another imbalance setting; takes over what comes out the same",
    topology.CONTRAST_PRETRAINED: "Phase 2 alone",
    topology.JOINT_TRAINING: "Phases 1 and 2 in one training",
    topology.METHOD: "A method of threephase/methods on the pre-trained encoder",
    topology.METHOD_DENOISED: "A method of threephase/methods behind phase 1",
    topology.METHOD_SEVERAL: "A method of threephase/methods on several trained encoders",
    topology.METHOD_DATA: "The training texts of another data set that a method uses",
    topology.METHOD_WITH_DATA: "A method of threephase/methods with the texts of another data set",
    topology.CLASSIFY: "Phase 3 on a variant's own encoder",
    topology.CLASSIFY_ABLATION: "Phase 3 behind another imbalance setting; takes over what comes out the same",
    f"{topology.CLASSIFY}_from_{DENOISED}": "Phase 3 behind phase 1 alone",
    f"{topology.CLASSIFY}_from_{PRETRAINED}": "Phase 3 alone, fine-tuning",
    topology.BASELINE: "A baseline without an encoder, all seeds",
    topology.BASELINE_EMBEDDINGS: "A baseline on the untouched encoder's embeddings, all seeds",
    topology.SUMMARIZE: "A cell's metrics over the seeds",
    topology.COLLECT: "All that tables and page are made from",
    topology.TABLES: "The tables as Markdown and LaTeX",
    topology.REPRESENTATIONS: "Test rows before and after the phases, by the first seed's encoders",
    topology.REPORT: "The page",
    topology.SUMMARY: "The results as text, which the terminal shows",
    topology.AUDIT: "What the paper's printed numbers say about each other",
}
# Of other stages, by their program.
OF_PROGRAM = {
    topology.CLASSIFY: "Phase 3 on another variant's encoder",
    topology.CLASSIFY_ON_HEAD: "Phase 3 with the head or the adapter that a method gives",
    topology.FIT_CLASSIFIER: "The classifier that a method fits, in place of phase 3",
}
EXAMPLES, RAW = "runs/data/examples.parquet", ["runs/data/raw.parquet", "runs/data/source.json"]
OTHER_DATA = "runs/method_data/${item.variant}.parquet"
RESULTS, CLAIMS = "reports/results.csv", "reports/claims.csv"
SCORES = """\
      - reports/plots/scores.csv:
          template: bar_horizontal
          x: score
          y: cell
          x_label: primary metric on the test rows, percent, mean of the seeds
          title: Scores of the cells
"""
CURVES = """\
      - reports/plots/learning_curves.csv:
          template: learning_curves
          x: epoch
          y: validation_metric
          y_label: metric on the rows that choose the epoch, percent
          title: Phase 3, learning curves
"""
CODE, CODE_SUFFIXES = (Path("stages"), Path("threephase")), (".py", ".j2", ".css", ".js")


def pipeline(study: Study) -> str:
    """The whole ``dvc.yaml`` of a study."""
    blocks: dict[str, list[Training]] = {}
    for training in topology.trainings(study):
        blocks.setdefault(block_of(study, training.stage, training.encoder), []).append(training)
    trainings = [_training(block, alike) for block, alike in blocks.items()]
    return HEADER + "".join([*_inputs(study), *trainings, *_summaries(study), *_reports(study)])


def _inputs(study: Study) -> Iterator[str]:
    # dvc takes the other outputs away before a stage runs; what git keeps must outlive a refusal.
    settings = ["runs/settings", "resolved.yaml:\n          cache: false\n          persist: true"]
    yield _stage(topology.RESOLVE, outside_files(study), settings, item=None)
    yield _stage(topology.FETCH, [], RAW)
    yield _stage(topology.PREPARE, RAW, [EXAMPLES, "runs/data/manifest.json"])
    if methods := list(topology.data_by_method(study)):
        item, options = CELL[False]
        yield _stage(topology.METHOD_DATA, [], [OTHER_DATA], item=item, options=options, matrix={"variant": methods})
    files = [f"runs/pretrained/{ENCODER}", f"runs/pretrained/{ENCODER}.json"]
    matrix = {"encoder": study.params.encoders}
    yield _stage(topology.FETCH_ENCODER, [], files, options=f"--encoder {ENCODER}", item=ENCODER, matrix=matrix)
    matrix = {"seed": "${seeds}"}
    yield _stage(topology.SPLIT, [EXAMPLES], [f"runs/splits/{SEED}"], options=f"--seed {SEED}", matrix=matrix)


def outside_files(study: Study) -> list[str]:
    """What ``resolve_settings`` reads, as named in the study's folder: parameters, definitions, own texts, all code.

    Code lies within the default study's project. Another study names its files: in a folder outside of a project dvc
    sees what .dvcignore names as well, and Python leaves caches there.
    """
    params = [study.file, *read_params.base_files(study.params.name), paths.SHARED_PARAMS, paths.PAPER_PARAMS]
    datasets = [study.dataset, *map(read_params.load_dataset, topology.data_by_method(study).values())]
    datasets += [part.dataset for dataset in datasets for part in dataset.source.parts]
    definitions = [paths.dataset_definition(dataset.name) for dataset in datasets]
    own = [file for dataset in datasets for file in dataset.source.own_files]
    definitions += [paths.encoder_definition(encoder) for encoder in study.params.encoders]
    read = {file for program in resolve.programs(study) for file in resolve.files_of(program)}
    others = [file for file in sorted(read) if not set(CODE) & set(file.parents)]
    code = list(CODE)
    if study.folder != Path():
        code = sorted(file for folder in CODE for file in folder.rglob("*.*") if file.suffix in CODE_SUFFIXES)
    files = dict.fromkeys([*params, *definitions, *own, *others, *code])
    return [os.path.relpath(file, study.folder) for file in files]


def _training(block: str, trainings: Sequence[Training]) -> str:
    """One block: the trainings of a stage, for all encoders or for one."""
    first = trainings[0]
    matrix = {
        "encoder": list(dict.fromkeys(training.encoder for training in trainings)),
        "variant": list(dict.fromkeys(training.variant for training in trainings)),
    }
    if len({(training.start == training.variant or training.start, training.others) for training in trainings}) > 1:
        names = ", ".join(matrix["variant"])
        raise UserError(
            f"{paths.SHARED_PARAMS}: methods: got {names} in the stage {first.stage}, which read different encoders; "
            "expected the same reads for all of them"
        )
    item, options = CELL[bool(first.encoder)]
    if not first.encoder:
        del matrix["encoder"]
    about = {"block": block, "program": first.program, "item": item}
    deps = [EXAMPLES, *[f"runs/pretrained/{ENCODER}"] * bool(first.encoder)]
    if first.stage in topology.BASELINE_STAGES:
        outs = [f"runs/predictions/{item}"]
        return _stage(first.stage, [*deps, "runs/splits"], outs, options=options, matrix=matrix, **about)
    # Which imbalance setting a variant's pairs use stands in its settings; all lie in the seed's folder.
    may_draw_pairs = first.program in (topology.CONTRAST, topology.JOINT_TRAINING, topology.METHOD)
    split = "" if may_draw_pairs else "/phase_1.parquet" if first.program == topology.DENOISE else "/split.parquet"
    deps += [f"runs/splits/{SEED}{split}", *_starts(first), *[OTHER_DATA] * (first.stage == topology.METHOD_WITH_DATA)]
    if first.phase == topology.ENCODER_PHASE:
        outs = [f"runs/encoders/{ITEM}/{SEED}"]
    else:
        outs = [f"runs/predictions/{ITEM}/{SEED}.parquet", f"runs/vectors/{ITEM}/{SEED}.safetensors"]
    outs.append(f"runs/histories/{ITEM}/{SEED}-{first.phase}.csv")
    options, matrix = f"{options} --seed {SEED}", matrix | {"seed": "${seeds}"}
    return _stage(first.stage, deps, outs, options=options, matrix=matrix, **about)


def _starts(training: Training) -> list[str]:
    """What a training depends on besides its settings, data, split and pre-trained encoder."""
    deps = []
    if training.start is not None:
        own = training.phase == topology.CLASSIFIER_PHASE and training.start == training.variant
        start = "${item.variant}" if own else training.start
        deps += [f"runs/encoders/{ENCODER}-{name}/{SEED}" for name in (start, *training.others)]
    if training.compared is not None:
        other = f"{ENCODER}-{training.compared}"
        deps += [f"runs/encoders/{other}/{SEED}", f"runs/histories/{other}/{SEED}-{training.phase}.csv"]
        if training.phase == topology.CLASSIFIER_PHASE:
            deps += [f"runs/predictions/{other}/{SEED}.parquet", f"runs/vectors/{other}/{SEED}.safetensors"]
    return deps


def _summaries(study: Study) -> Iterator[str]:
    matrices: dict[str, dict[str, list[str]]] = {}
    for encoder in study.params.encoders:
        variants = [variant for of, variant in topology.cells(study) if of == encoder]
        block = block_of(study, topology.SUMMARIZE, encoder)
        matrices.setdefault(block, {"encoder": [], "variant": variants})["encoder"].append(encoder)
    if study.other_baselines():
        matrices[topology.SUMMARIZE_OTHER] = {"variant": study.other_baselines()}
    for block, matrix in matrices.items():
        item, options = CELL["encoder" in matrix]
        yield _stage(
            topology.SUMMARIZE,
            [f"runs/predictions/{item}", "runs/splits"],
            [f"reports/cells/{item}.json"],
            block=block,
            item=item,
            options=options,
            matrix=matrix,
            metrics=f"      - reports/metrics/{item}.json:\n          cache: false\n",
        )


def _reports(study: Study) -> Iterator[str]:
    names = ("runs", "differences", "curves", "class_counts")
    tables = [RESULTS, CLAIMS, *(f"reports/{name}.csv" for name in names)]
    trained = bool(study.params.trained())
    encoders = any(training.phase == topology.ENCODER_PHASE for training in topology.trainings(study))
    deps = ["reports/cells", "runs/predictions", "runs/splits", *["runs/histories"] * trained]
    yield _stage(topology.COLLECT, deps, [*tables, "reports/pictures/mistakes"], plots=SCORES + CURVES)
    yield _stage(topology.TABLES, [RESULTS, CLAIMS], ["reports/tables"])
    if study.params.draw_encoders:
        deps = [EXAMPLES, f"runs/pretrained/{ENCODER}", "runs/splits/${seeds[0]}/split.parquet"]
        deps += ["runs/encoders"] * encoders + ["runs/vectors"] * trained
        yield _stage(
            topology.REPRESENTATIONS,
            deps,
            [f"reports/pictures/representations-{ENCODER}"],
            item=ENCODER,
            options=f"--encoder {ENCODER} --seed ${{seeds[0]}}",
            matrix={"encoder": study.params.encoders},
        )
    # Own texts: the page calls rows by file and number, and the summary begins with the page's answer.
    rows, told = ([RAW[0]], tables[:-1]) if study.asks_what_to_use else ([], [RESULTS, CLAIMS])
    yield _stage(topology.REPORT, [*tables, "reports/pictures", EXAMPLES, *rows], ["reports/index.html"])
    yield _stage(topology.SUMMARY, told, ["reports/summary.txt"])
    if study.folder == Path():
        yield _stage(topology.AUDIT, [], ["reports/paper/audit.json", "reports/paper/audit.md"])


def _stage(
    stage: str,
    deps: Sequence[str],
    outs: Sequence[str],
    *,
    block: str = "",
    program: str = "",
    item: str | None = "",
    options: str = "",
    matrix: dict[str, list[str] | str] | None = None,
    metrics: str = "",
    plots: str = "",
) -> str:
    """One stage as YAML; ``block`` and ``program`` where they are not its name.

    ``item``: which of the program's settings files it reads, None for none.
    """
    program = program or stage
    description = DESCRIPTIONS.get(stage) or OF_PROGRAM[program]
    lines = [f"  {block or stage}:", f"    desc: {description}", *["    matrix:"] * bool(matrix)]
    for key, values in (matrix or {}).items():
        lines.append(f"      {key}: {values if isinstance(values, str) else '[' + ', '.join(values) + ']'}")
    settings = [] if item is None else [paths.settings(Path(), program, item).as_posix()]
    lines.append(f"    cmd: {PROGRAM} {program} {options}".rstrip())
    lines += ["    deps:", *(f"      - {_scalar(file)}" for file in dict.fromkeys([*settings, *deps]))]
    lines += ["    outs:", *(f"      - {file}" for file in outs)]
    more = [f"    {key}:\n{text}" for key, text in (("metrics", metrics), ("plots", plots)) if text]
    return "\n".join(lines) + "\n" + "".join(more)


def _scalar(file: str) -> str:
    """A file's name as YAML; one of the user's may hold what YAML reads as a comment or as a key."""
    return json.dumps(file, ensure_ascii=False) if re.search(r": | #|:$", file) else file
