"""The labelled texts of a training in episodes, of each class some as support and others as queries: for methods."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from threephase.data.randomness import generator
from threephase.model.tokens import TextTokenizer
from threephase.study.settings import Schedule

if TYPE_CHECKING:
    from threephase.phases.training_run import TrainingRun


class Episodes:
    """Episodes of the labelled rows that phases 1 and 2 may see.

    An episode has as many classes as the batch size holds with ``support`` + ``query`` texts each, at least two, and of
    each class as many times those as it then still holds. Support and query have no text in common; a class with too
    few texts gives up queries first, and a class of one text gives it to both. Classes come in shuffled rounds. One
    pass makes ``epochs`` x rows texts where no class has too few, rounded up to whole episodes, and at least
    ``min_updates`` episodes.
    """

    def __init__(self, run: "TrainingRun", tokenizer: TextTokenizer, schedule: Schedule, support: int, query: int):
        rows = run.trained_on(run.adaptation_rows(), tokenizer)
        self.texts = rows["text"].tolist()
        self.class_ids = run.class_ids(rows)
        numbers = self.class_ids.cpu().numpy()
        self.rows_of = {number: np.flatnonzero(numbers == number) for number in np.unique(numbers)}
        texts_of_class = support + query
        self.classes = min(len(self.rows_of), max(2, schedule.batch_size // texts_of_class))
        times = max(1, schedule.batch_size // (self.classes * texts_of_class))
        self.support, self.query = times * support, times * query
        episodes = math.ceil(schedule.epochs * len(rows) / (self.classes * (self.support + self.query)))
        self.episodes = max(episodes, schedule.min_updates or 0)
        self.random = generator(run.seed, "episodes")

    def __len__(self) -> int:
        return self.episodes

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the rows of support and of query, (texts,) numbers each."""
        drawn = self._rounds()
        for _ in range(len(self)):
            chosen = [next(drawn) for _ in range(self.classes)]
            support, query = zip(*(self._divided(self.rows_of[number]) for number in chosen), strict=True)
            yield np.concatenate(support), np.concatenate(query)

    def _rounds(self) -> Iterator[int]:
        """The classes of one episode after another, none twice in the same."""
        known = np.array(list(self.rows_of))
        while True:
            order = self.random.permutation(known)
            yield from order[: len(order) // self.classes * self.classes]

    def _divided(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = self.random.permutation(rows)
        if len(rows) == 1:
            return rows, rows
        queries = min(self.query, max(1, len(rows) - self.support))
        return rows[queries : queries + self.support], rows[:queries]
