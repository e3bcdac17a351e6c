"""What to use on a reader's own texts: one set of objects that sentences, tables and summary are made from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from threephase.base import paths
from threephase.report.answer import lead, metric_name
from threephase.report.finished import Finished
from threephase.report.judged import AHEAD, BEHIND, FEW, NO_LEAD, NOT_FOUND, Judged
from threephase.report.rows import Row, of_cell, rows_of
from threephase.results.cells import pools_folds
from threephase.results.choice import GUESSING, MOST_OF_THE_COST, Choice, choose
from threephase.results.curves import updates_of
from threephase.results.tables import METRIC_TITLES, format_difference, format_interval, format_number, format_signed
from threephase.scores.statistics import ROWS_ONLY, SAME_PREDICTIONS
from threephase.study.params import Study
from threephase.study.source_params import CHARACTERS, WORDS

# What the comparison of a method with the one to use comes to.
AS_GOOD = "can't be told apart"
SAID = {
    AHEAD: "ahead",
    BEHIND: "behind",
    NO_LEAD: AS_GOOD,
    NOT_FOUND: AS_GOOD,
    SAME_PREDICTIONS: SAME_PREDICTIONS,
    FEW: FEW,
}
# What a method is, by its variant or baseline without what names its recipe.
ABOUT = {
    "ft": "the encoder and a classifier on top of it, trained on the labels",
    "cl_ft": "contrastive learning, which moves the vectors of one class together, then fine-tuning",
    "three_phase": "learning to restore texts that lost words, then contrastive learning, then fine-tuning",
    "ncm_ft": "fine-tuning with a classifier that starts from each class's mean vector",
    "setfit": "an encoder trained on pairs of texts, of one class or of two, and a linear classifier on its vectors",
    "tfidf_logistic": "a linear classifier on counts of {counted}, without an encoder",
    "embedding_logistic": "a linear classifier on the vectors of the untouched encoder",
    "embedding_nearest_mean": "the class whose mean vector, by the untouched encoder, is nearest",
    "majority": "the commonest class, whatever the text",
}
COUNTED = {WORDS: "words", CHARACTERS: "characters, and of runs of two and three"}
MOST_NAMES = 3  # that a sentence lists


@dataclass(frozen=True)
class Method:
    """A method that was run, on the test rows in percent: ``low`` and ``high`` are None without an interval over seeds.

    ``validation``: the score of each seed, none where some are missing; ``updates``: of one seed's trainings, None
    where not recorded; ``comparison``: this one minus the method to use, None for itself and where the two were not
    compared; ``about``: what it is, empty where no text is known.
    """

    row: Row
    mean: float
    low: float | None
    high: float | None
    validation: Sequence[float]
    updates: float | None
    comparison: Judged | None
    about: str = ""

    @property
    def key(self) -> str:
        return paths.cell_name(self.row.encoder, self.row.variant)

    @property
    def title(self) -> str:
        return self.row.label

    @property
    def stated(self) -> str:
        """Mean and interval."""
        interval = "" if self.low is None else f" {format_interval(self.low, self.high)}"
        return f"{format_number(self.mean)}%{interval}"

    @property
    def difference(self) -> str:
        """What it is better by than the method to use, with the interval where there is one."""
        found = self.comparison
        if found is None:
            return ""
        return format_signed(found.difference) if found.low is None else found.stated

    @property
    def said(self) -> str:
        return SAID[self.comparison.outcome] if self.comparison else ""

    @property
    def validated(self) -> str:
        return format_number(sum(self.validation) / len(self.validation)) if self.validation else ""

    @property
    def trained(self) -> str:
        return "" if self.updates is None else f"{self.updates:,.0f}"


@dataclass(frozen=True)
class OwnAnswer:
    """The methods, that with the highest test mean first, and which of them to use (None where none can be chosen).

    Guessing is never the one; ``guessing_wins`` says that it would be, by the same rule on the same validation rows.
    """

    study: Study
    methods: Sequence[Method]
    choice: Choice | None
    n_test: int
    guessing_wins: bool = False

    @property
    def chosen(self) -> Method | None:
        return next((method for method in self.methods if self.choice and method.key == self.choice.name), None)

    @property
    def heading(self) -> str:
        if self.chosen is None:
            return "On your texts: no method can be chosen"
        if self.guessing_wins:
            return "On your texts: no method is worth its training"
        return f"On your texts: use {self.chosen.title}"

    @property
    def sentences(self) -> list[str]:
        """What the heading rests on: score, comparisons, cost, and how it was chosen."""
        if not self.methods:
            return ["Nothing has been run yet."]
        if self.chosen is None:
            return [
                "A method is chosen by its scores on validation rows, so that the test rows choose nothing. "
                f"This study has none to choose by: its protocol is “{self.study.params.protocol}”."
            ]
        about = [f"That is {self.chosen.about}."] if self.chosen.about else []
        warning = [
            "On the validation rows no method is ahead of always naming the commonest class by more than one standard "
            "error.",
            f"Of those that learn from the texts {_quoted(self.chosen)} was chosen; a kept classifier is of this one.",
        ] * self.guessing_wins
        return [*warning, self._score, *about, *self._comparisons, self._cost, self.how]

    @property
    def role(self) -> str:
        """What the chosen method is called."""
        return "the one to keep" if self.guessing_wins else "the one to use"

    @property
    def _score(self) -> str:
        metric, seeds = metric_name(self.study.params.primary_metric), len(self.study.params.seeds)
        over = "all" if pools_folds(self.study) else "the mean of"
        interval = f", with its {self.study.shared.statistics.confidence:.0%} interval" * (self.chosen.low is not None)
        return (
            f"It reaches a {metric} of {self.chosen.stated}, {over} {seeds} {self.units(seeds)} on {self.n_test} "
            f"test rows{interval}."
        )

    def units(self, count: int = 1) -> str:
        """What so many runs are called."""
        return ("seed" if self.study.dataset.folds is None else "fold") + "s" * (count != 1)

    def _ended(self, *outcomes: str) -> list[Method]:
        """The methods whose comparison ended so, the best first."""
        return [method for method in self.methods if method.comparison and method.comparison.outcome in outcomes]

    @property
    def _comparisons(self) -> list[str]:
        """Who is behind it on the test rows, who ahead and who neither, by paired differences."""
        said = []
        if few := self._ended(FEW):
            least = self.study.shared.statistics.min_seeds_for_seed_variance
            said.append(
                f"Whether it is ahead of {listed(few)} can't be told: that takes {least} {self.units(least)} or more "
                f"(seeds in {self.study.file})."
            )
        if better := self._ended(AHEAD):
            first, *others = better
            too = f", and so {'is' if len(others) == 1 else 'are'} {listed(others)}" if others else ""
            said.append(f"On the test rows {_quoted(first)} is ahead of it by {first.comparison.stated} points{too}.")
        if alike := self._ended(NO_LEAD, NOT_FOUND, SAME_PREDICTIONS):
            said.append(f"{listed(alike)} {AS_GOOD} from it on {self.n_test} test rows{self._cheapest(alike)}.")
            # The largest of them, which holds for each: what one comparison finds another may not.
            sized = [method.comparison for method in alike if method.comparison.small]
            said += [each.small for each in sorted(sized, key=lambda each: each.detectable)[-1:]]
        if worse := self._ended(BEHIND):
            first, *others = worse
            found = first.comparison
            turned = format_difference(-found.difference, -found.high, -found.low)
            everyone = len(worse) == len(self.methods) - 1
            too = f", and of {'every other method' if everyone else listed(others)}" if others else ""
            said.append(f"It is ahead of {_quoted(first)} by {turned} points{too}.")
        return said

    def _cheapest(self, others: Sequence[Method]) -> str:
        """How its training compares with that of ``others``, where all were recorded."""
        if self.chosen.updates is None or any(method.updates is None for method in others):
            return ""
        if cheaper := [method for method in others if method.updates < self.chosen.updates]:
            which = listed(cheaper) if len(cheaper) < len(others) else "each"
            return f"; {which} {'are' if 1 < len(cheaper) < len(others) else 'is'} cheaper to train"
        is_cheapest = all(method.updates > self.chosen.updates for method in others)
        return f"; {_quoted(self.chosen)} is the cheapest to train" if is_cheapest else "; none is cheaper to train"

    @property
    def _cost(self) -> str:
        if self.chosen.updates is None:
            return "What its training takes was not recorded."
        if self.chosen.updates == 0:
            return "It trains no encoder."
        return f"Its training takes about {self.chosen.trained} updates (batches of texts) a {self.units()}."

    @property
    def how(self) -> str:
        """By what it was chosen, for the page and a kept classifier."""
        best = next(_quoted(method) for method in self.methods if method.key == self.choice.best)
        if self.choice.name != self.choice.best:
            share = f"{MOST_OF_THE_COST:.0%} of its updates or fewer"
            reason = f"within one standard error of the best there, {best}, at {share}"
        elif self.chosen.updates is None:
            reason = "the best there"
        elif len(self.chosen.validation) < 2:
            reason = f"the best there, as one {self.units()} has no standard error"
        else:
            reason = (
                "the best there, and none within one standard error of it takes "
                f"{MOST_OF_THE_COST:.0%} of its updates or fewer"
            )
        return f"It was chosen on the validation rows{', among these' * self.guessing_wins}: {reason}."

    @property
    def legend(self) -> str:
        """What the columns of the table are."""
        return (
            f"Difference: each method minus {self.role}, in points, paired by {self.units()} and test row. "
            f"Updates: about how many batches of texts the trainings of one {self.units()} take."
        )

    def table(self) -> pd.DataFrame:
        """A row a method, as texts for the terminal."""
        titles = ["Method", METRIC_TITLES[self.study.params.primary_metric], "Difference", "On test rows", "Updates"]
        rows = [(each.title, each.stated, each.difference, each.said, each.trained) for each in self.methods]
        table = pd.DataFrame(rows, columns=titles)
        table.loc[[each is self.chosen for each in self.methods], "On test rows"] = self.role
        return table


def own_answer(finished: Finished) -> OwnAnswer:
    """The answer from a study's results, the scores of its seeds, its differences and its curves."""
    study, metric, curves = finished.study, finished.study.params.primary_metric, finished.curves
    results, runs = (table[table["metric"] == metric] for table in (finished.results, finished.runs))
    methods = [
        _method(study, row, of_cell(results, row).iloc[0], of_cell(runs, row), curves)
        for row in rows_of(study)
        if len(of_cell(results, row))
    ]
    scores = {method.key: method.validation for method in methods if method.validation}
    learning = {method.key: method for method in methods if method.validation and method.row.variant != GUESSING}
    choice, guessing_wins = None, False
    if learning and study.protocol.selection_split != "test":  # which would have chosen epochs and C
        # What has no recorded training is preferred to nothing.
        costs = {method.key: math.inf if method.updates is None else method.updates for method in methods}
        choice = choose({key: scores[key] for key in learning}, costs)
        guessing_wins = choose(scores, costs).name not in learning
        chosen = learning[choice.name].row
        methods = [replace(method, comparison=_compared(finished, chosen, method.row)) for method in methods]
    methods.sort(key=lambda method: -method.mean)
    return OwnAnswer(study, methods, choice, 0 if results.empty else int(results["n_test"].iloc[0]), guessing_wins)


def _method(study: Study, row: Row, line: pd.Series, runs: pd.DataFrame, curves: pd.DataFrame) -> Method:
    """A method with its numbers, ``line`` of results.csv; not compared yet."""
    by_seed = runs[runs["split"] == "validation"].set_index("seed")["value"]
    covers_seeds = line["ci_kind"] != ROWS_ONLY
    return Method(
        row=row,
        mean=float(line["mean"]),
        low=float(line["ci_low"]) if covers_seeds else None,
        high=float(line["ci_high"]) if covers_seeds else None,
        validation=by_seed.tolist() if set(by_seed.index) == set(study.params.seeds) else [],
        updates=updates_of(study, row.encoder, row.variant, curves),
        comparison=None,
        about=ABOUT.get(row.variant.removesuffix("_ordinary"), "").format(counted=COUNTED[study.dataset.units]),
    )


def _compared(finished: Finished, chosen: Row, other: Row) -> Judged | None:
    """The difference of another method and the one to use; cells of two encoders are not compared."""
    encoders = {row.encoder for row in (chosen, other) if row.encoder}
    if chosen == other or len(encoders) > 1:
        return None
    return lead(finished, next(iter(encoders), ""), other.variant, chosen.variant)


def listed(methods: Sequence[Method]) -> str:
    """Their titles; of more than ``MOST_NAMES`` the first ones, and how many more."""
    titles = [_quoted(method) for method in methods]
    if len(titles) > MOST_NAMES:
        titles = [*titles[: MOST_NAMES - 1], f"{len(titles) - MOST_NAMES + 1} others"]
    return " and ".join(filter(None, [", ".join(titles[:-1]), titles[-1]]))


def _quoted(method: Method) -> str:
    """A title within a sentence: many hold commas."""
    return f"“{method.title}”"
