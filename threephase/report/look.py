"""The look at a reader's own texts before their study runs: its limit in tokens, its cost, and the report on both."""

from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base.errors import UserError
from threephase.model.encoder_files import check_files, check_weights
from threephase.model.encoder_source import find_encoder
from threephase.model.token_counts import count_tokens
from threephase.project import new_study
from threephase.report.data_report import data_report
from threephase.report.estimate import Estimate, estimate
from threephase.study.params import Study

COUNTED_TEXTS = 3000  # their quantiles and shares are those of all texts, within a point or two


def look_at(
    name: str,
    definition: dict[str, Any],
    default: Study,
    places: pd.DataFrame,
    cleaned: pd.DataFrame,
    examples: pd.DataFrame,
    estimates: bool,
) -> tuple[dict[str, Any], str]:
    """The study's params, and the report as Markdown; ``estimates``: whether updates are measured.

    Where the encoder can't be had, or can't be trained here, the report says why and the rest of it stands.
    """
    encoder = default.params.encoders[0]
    texts = examples["text"].sample(min(COUNTED_TEXTS, len(examples)), random_state=0).tolist()
    params = new_study.study_params(name, default)
    try:
        folder = _encoder_folder(encoder, default)
    except UserError as error:
        study = new_study.study_of(name, definition, params, default.shared)
        return params, data_report(study, places, cleaned, examples, str(error), str(error))
    tokens = count_tokens(folder, texts)
    params["hyperparameters"][encoder]["max_length"] = tokens.max_length
    study = new_study.study_of(name, definition, params, default.shared)
    cost = _cost(study, examples, folder, texts) if estimates else "--no-estimate was given"
    return params, data_report(study, places, cleaned, examples, tokens, cost)


def _cost(study: Study, examples: pd.DataFrame, folder: Path, texts: list[str]) -> Estimate | str:
    try:
        return estimate(study, examples, folder, texts)
    except UserError as error:
        return str(error)


def _encoder_folder(encoder: str, default: Study) -> Path:
    """Where its files are now, which ``fetch_encoder`` will copy."""
    source = default.shared.encoders[encoder]
    folder, _, remedy = find_encoder(encoder, source, default.shared.sources)
    check_files(folder, remedy)
    check_weights(folder, source.sha256, remedy)
    return folder
