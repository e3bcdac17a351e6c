"""Choosing the checkpoint of phases 1 and 2 among several, as the authors' code does."""

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from threephase.data.randomness import generator
from threephase.model.embedding import embed
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.optimization import Optimization
from threephase.phases.pairs import label_levels, make_pairs
from threephase.study.settings import Machine

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun

CHECKPOINTS_OF_PHASE_1, CHECKPOINTS_OF_PHASE_2 = 5, 10
SAMPLE_SHARE = 0.2


class PairScore:
    """How well an encoder's cosines tell similar from dissimilar pairs of a sample of the labelled training rows.

    Two classes: average precision; more: Spearman's rank correlation with the label similarity.
    """

    def __init__(
        self,
        texts: list[str],
        labels: np.ndarray,
        tokenizer: TextTokenizer,
        machine: Machine,
        random: np.random.Generator,
    ):
        """``labels``: (rows, levels) integers; a fifth of the rows is drawn with ``random``."""
        sample = random.permutation(len(texts))[: max(2, round(SAMPLE_SHARE * len(texts)))]
        self.sequences = tokenizer([texts[row] for row in sample])
        self.n_classes = len(np.unique(labels, axis=0))
        self.pairs = make_pairs(np.arange(len(sample)), labels[sample], 1, self.n_classes, random)
        self.tokenizer, self.machine = tokenizer, machine

    def __call__(self, encoder: SentenceEncoder) -> float:
        vectors = embed(encoder, self.sequences, self.tokenizer, self.machine)
        left, right = (vectors[torch.from_numpy(side)] for side in (self.pairs.left, self.pairs.right))
        cosines = torch.cosine_similarity(left, right).cpu().numpy()
        if self.n_classes == 2:
            from sklearn.metrics import average_precision_score

            return float(average_precision_score(self.pairs.similarity > 0, cosines))
        from scipy.stats import spearmanr

        return float(spearmanr(self.pairs.similarity, cosines).statistic)


class BestCheckpoint:
    """Scores the encoder at equal distances of steps, behind the last one too, and keeps the best weights."""

    def __init__(self, encoder: SentenceEncoder, score: PairScore, checkpoints: int, steps: int):
        self.encoder, self.score = encoder, score
        self.steps = {math.ceil(steps * number / checkpoints) for number in range(1, checkpoints + 1)}
        self.best, self.best_step = -math.inf, 0

    def after(self, optimization: Optimization) -> None:
        """To be called after every step."""
        if optimization.steps not in self.steps:
            return
        score = optimization.look(partial(self.score, self.encoder))
        score = -math.inf if math.isnan(score) else score  # no rank correlation of equal cosines
        self.encoder.train()
        if score > self.best or not self.best_step:
            self.best, self.best_step = score, optimization.steps
            optimization.keep_best()


def best_checkpoint(
    run: "TrainingRun", encoder: SentenceEncoder, tokenizer: TextTokenizer, checkpoints: int, steps: int
) -> BestCheckpoint | None:
    """The choice among so many checkpoints of a phase of so many ``steps``; None where the protocol takes the last."""
    if run.settings.checkpoint == "last":
        return None
    rows, random = run.trained_on(run.adaptation_rows(), tokenizer), generator(run.seed, f"looks {run.stage}")
    score = PairScore(rows["text"].tolist(), label_levels(rows), tokenizer, run.machine, random)
    return BestCheckpoint(encoder, score, checkpoints, steps)
