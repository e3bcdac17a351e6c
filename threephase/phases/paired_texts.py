"""Phase 2's pairs of the labelled texts: a piece for the loops of methods."""

from typing import TYPE_CHECKING

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.data.randomness import generator
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import PairBatches
from threephase.phases.pairs import label_levels, make_pairs
from threephase.study.settings import Schedule

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun


def labelled_pairs(run: "TrainingRun", tokenizer: TextTokenizer, schedule: Schedule) -> PairBatches:
    """Batches of the pairs that phase 2 draws with the seed and the ``imbalance`` of the method's entry.

    With phase 2's schedule they are the very same, in the same order. Refuses an entry without ``imbalance``.
    """
    if run.settings.pairs is None:
        key = f"{paths.SHARED_PARAMS}: methods.{run.variant}.imbalance"
        raise UserError(f"{key}: the key is missing, expected normal, extra or none, as the method is trained on pairs")
    rows = run.contrastive_rows(run.settings.pairs.imbalance, tokenizer)
    text_ids, _ = pd.factorize(rows["text"])
    random = generator(run.seed, "pairs")
    pairs = make_pairs(text_ids, label_levels(rows), schedule.epochs, len(run.classes), random)
    return PairBatches(rows["text"].tolist(), pairs, schedule, tokenizer, run.seed, run.machine.device)
