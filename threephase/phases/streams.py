"""The batches of phases 1 and 2 for the loops of methods that read ``noise`` or ``pairs``."""

from typing import TYPE_CHECKING

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import PairBatches, draw_pairs
from threephase.phases.denoising import DenoisingBatches
from threephase.phases.pairs import Pairs
from threephase.study.params import NOISE, PAIRS
from threephase.study.settings import Denoising

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun


def noised_texts(run: "TrainingRun", tokenizer: TextTokenizer, texts: list[str] | None = None) -> DenoisingBatches:
    """Batches of phase 1, of its own texts or of the given ones, as ``run.settings.denoising`` says.

    With phase 1's schedule those of its own are the very same, in the same order.
    """
    settings = noise_of(run)
    if texts is None:
        texts = run.trained_on(run.denoising_rows(), tokenizer)["text"].tolist()
    return DenoisingBatches(texts, settings, tokenizer, run.seed, run.machine.device)


def noise_of(run: "TrainingRun") -> Denoising:
    """What the method's entry reads of phase 1; refuses one that does not."""
    if run.settings.denoising is None:
        raise _not_read(run, NOISE)
    return run.settings.denoising


def paired_texts(run: "TrainingRun", tokenizer: TextTokenizer) -> PairBatches:
    """Batches of three_phase's pairs, as ``run.settings.contrastive`` says.

    With phase 2's schedule they are the very same, in the same order.
    """
    rows, pairs = drawn_pairs(run, tokenizer)
    settings = run.settings.contrastive
    return PairBatches(rows["text"].tolist(), pairs, settings, tokenizer, run.seed, run.machine.device)


def drawn_pairs(run: "TrainingRun", tokenizer: TextTokenizer) -> tuple[pd.DataFrame, Pairs]:
    """Rows with their texts, and the pairs of these rows; refuses a method whose entry does not read them."""
    if run.settings.pairs is None:
        raise _not_read(run, PAIRS)
    return draw_pairs(run, run.settings.pairs.imbalance, tokenizer)


def _not_read(run: "TrainingRun", name: str) -> UserError:
    key = f"{paths.SHARED_PARAMS}: methods.{run.variant}.reads"
    return UserError(f"{key}: {name!r} is missing, which the method's file uses; expected it in the list")
