"""The training texts of another data set in batches: a piece for the loops of methods whose entry names one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import read_table
from threephase.data.randomness import generator
from threephase.model.tokens import TextTokenizer

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun

SCORED = ["validation", "test"]


def other_rows(run: "TrainingRun", tokenizer: TextTokenizer) -> pd.DataFrame:
    """Columns text and label of the data set that the run's method reads; refuses a text that the study scores."""
    run.inputs.append(paths.method_data(run.folder, run.variant))
    rows = read_table(run.inputs[-1])
    scored = run.examples.loc[run.examples["part"].isin(SCORED), "text"].str.lower()
    if count := int(rows["text"].str.lower().isin(scored).sum()):
        raise UserError(
            f"{run.stage}: {paths.SHARED_PARAMS}: methods.{run.variant}.reads: got {count} texts that are validation "
            "or test texts of the study too, expected none; name another data set"
        )
    return run.trained_on(rows, tokenizer)


class OtherTexts:
    """Batches of another data set's labelled texts without an end, all of them in a new order each round."""

    def __init__(self, run: "TrainingRun", tokenizer: TextTokenizer, batch_size: int):
        rows = other_rows(run, tokenizer)
        self.classes = sorted(rows["label"].unique())
        class_ids = [self.classes.index(label) for label in rows["label"]]
        self.tokenizer, self.device = tokenizer, run.machine.device
        self.class_ids = torch.tensor(class_ids, device=self.device)
        self.sequences = tokenizer(rows["text"].tolist())
        self.batch_size = min(batch_size, len(rows))
        self.random = generator(run.seed, "batches of another data set")
        self.sequence_updates = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """Yields ids and mask, (texts, tokens), and class numbers, (texts,), all of ``batch_size``."""
        left = np.empty(0, dtype=int)
        while True:
            if len(left) < self.batch_size:
                left = self.random.permutation(len(self.sequences))
            batch, left = left[: self.batch_size], left[self.batch_size :]
            self.sequence_updates += len(batch)
            ids, mask = self.tokenizer.pad([self.sequences[row] for row in batch], self.device)
            yield ids, mask, self.class_ids[torch.from_numpy(batch).to(self.device)]
