"""What figures and page share: a study's lines in their one order, a colour each, histories and captions."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from threephase.base import paths
from threephase.report.figure_style import PALETTE
from threephase.results.tables import METRIC_TITLES
from threephase.study.params import DENOISED, Study
from threephase.study.topology import CLASSIFIER_STAGES, DENOISE, JOINT_TRAINING, PAIR_STAGES, cells, trainings

BASELINE_COLOUR = "#7a7a7a"
MOST_SVG_BYTES = 500_000


@dataclass(frozen=True)
class Row:
    """A line of a table or figure: one cell of a study; ``encoder`` is empty where none is needed."""

    encoder: str
    variant: str
    label: str
    colour: str


@dataclass(frozen=True)
class Curves:
    """A figure of learning curves: which stages' cells, which history file, which of its columns against which."""

    name: str
    stages: tuple[str, ...]
    phase: str
    x: str
    y: str
    title: str
    y_label: str
    caption: str


_LOSS_CAPTION = (
    "Loss against optimiser step; each point is the mean of consecutive steps where there are many. "
    "One panel a variant, one line a seed (solid, broken, dotted); the grey lines are the other panels'."
)
CURVES = (
    Curves("learning_curves_denoising", (DENOISE,), "encoder", "step", "loss", "Phase 1: denoising",
           "token cross-entropy", _LOSS_CAPTION),
    Curves("learning_curves_contrastive", PAIR_STAGES, "encoder", "step", "loss",
           "Phase 2: contrastive", "squared error of the cosine", _LOSS_CAPTION),
    Curves("learning_curves_joint", (JOINT_TRAINING,), "encoder", "step", "loss", "Joint phases 1 and 2",
           "sum of both losses", _LOSS_CAPTION),
    Curves("learning_curves_classifier", CLASSIFIER_STAGES, "classifier", "step", "loss", "Phase 3: training loss",
           "cross-entropy", _LOSS_CAPTION),
    Curves("learning_curves_validation", CLASSIFIER_STAGES, "classifier", "epoch", "validation_metric",
           "Phase 3: choice of the epoch", "{selection_metric} on {selection_split} rows, percent",
           "The metric that chooses the epoch, at the end of every epoch. Panels and lines as above."),
)  # fmt: skip


def variant_colours(study: Study) -> dict[str, str]:
    """A colour by variant, fixed by the order in shared.yaml; baselines share one grey."""
    colours = {variant: PALETTE[index % len(PALETTE)] for index, variant in enumerate(study.shared.variants)}
    return {**colours, **dict.fromkeys([DENOISED, *study.shared.baselines], BASELINE_COLOUR)}


def rows_of(study: Study) -> list[Row]:
    """The cells of a study in table order: by encoder, then what needs none."""
    return [_row(study, encoder, variant) for encoder, variant in cells(study)]


def _row(study: Study, encoder: str, variant: str) -> Row:
    several = encoder and len(study.params.encoders) > 1
    suffix = f" ({study.shared.encoders[encoder].title})" if several else ""
    return Row(encoder, variant, study.title(variant) + suffix, variant_colours(study)[variant])


def rows_of_stages(study: Study, stages: Sequence[str]) -> list[Row]:
    """The lines of what the ``stages`` train: cells, and where phase 1 is among them the encoder after it."""
    trained = {(training.encoder, training.variant) for training in trainings(study) if training.stage in stages}
    denoised = [_row(study, encoder, DENOISED) for encoder in study.params.encoders]
    return [row for row in (*denoised, *rows_of(study)) if (row.encoder, row.variant) in trained]


def curves_of(study: Study) -> list[Curves]:
    """The learning curves that this study has."""
    return [curves for curves in CURVES if rows_of_stages(study, curves.stages)]


def figure_file(folder: Path, name: str, suffix: str) -> Path:
    return figures_folder(folder) / f"{name}.{suffix}"


def figures_folder(folder: Path) -> Path:
    """Where the figures of the study in ``folder`` lie."""
    return paths.reports(folder) / "figures"


def data_uri(svg: Path) -> str:
    """A figure as the page embeds it; one with very many points as the PNG beside it."""
    file, kind = (
        (svg, "image/svg+xml") if svg.stat().st_size <= MOST_SVG_BYTES else (svg.with_suffix(".png"), "image/png")
    )
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"


def read_histories(study: Study, curves: Curves) -> pd.DataFrame:
    """The history files of all cells and seeds below each other, with encoder, variant, seed; missing ones left out."""
    frames = []
    for row in rows_of_stages(study, curves.stages):
        for seed in study.params.seeds:
            file = paths.history(study.folder, row.encoder, row.variant, seed, curves.phase)
            if file.is_file():
                frames.append(pd.read_csv(file).assign(encoder=row.encoder, variant=row.variant, seed=seed))
    columns = ["encoder", "variant", "seed", curves.x, curves.y]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def validation_curves(study: Study) -> pd.DataFrame:
    """What ``dvc plots`` draws of phase 3: columns cell, seed, epoch, validation_metric; a row an epoch."""
    curves = next(curves for curves in CURVES if curves.y == "validation_metric")
    table = read_histories(study, curves).dropna(subset=curves.y)
    cell = [paths.cell_name(*of) for of in zip(table["encoder"], table["variant"], strict=True)]
    return table.drop(columns=["encoder", "variant"]).assign(cell=cell)


def captions(study: Study) -> dict[str, tuple[str, str, str]]:
    """By figure: title, caption, and the text for who can't see it."""
    metric = METRIC_TITLES[study.params.primary_metric]
    texts = {
        "variants": (
            f"{metric} by variant",
            "Dots are seeds, the diamond is their mean, the bar is the mean's interval (what it covers stands in the "
            "key). Baselines are grey; whatever lies far off the scale is written at its edge.",
            f"Every cell's {metric} on the test rows with its interval; the table of results has the same numbers.",
        ),
        "claims": (
            "Paired differences behind the claims",
            "Right of the solid line the claimed variant is better. Supported: the whole bar lies right of it. "
            "Not supported: the whole bar lies left of the broken line. Undecided: all else.",
            "Every comparison's difference with its interval; the table of claims has the same numbers.",
        ),
    }
    for curves in curves_of(study):
        panels = ", ".join(row.label for row in rows_of_stages(study, curves.stages))
        texts[curves.name] = (curves.title, curves.caption, f"{curves.title}, learning curves by seed of: {panels}.")
    return texts
