"""How many labels do I need? What to use at each number of them, from the published columns of the curves."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.report.cells import behind
from threephase.report.finished import Finished
from threephase.report.own_answer import AS_GOOD, Method, OwnAnswer, listed, own_answer
from threephase.report.page import seconds_of_methods
from threephase.results.label_curves import TOGETHER, Column, crossings, family_frame, read_column, sign_of
from threephase.results.tables import format_difference, format_interval, format_number, format_signed
from threephase.scores.statistics import ROWS_ONLY, Interval
from threephase.study.label_params import LABELS, UNTRAINED, LabelCurves, column_name
from threephase.study.params import DENOISED

ALL = "all"  # how the column with all labels is called


def labels_text(shots: int | None) -> str:
    """How many labels a class a column has."""
    return ALL if shots is None else str(shots)


def stated(interval: Interval) -> str:
    """A difference in points, with its interval where that covers the seeds."""
    if interval.kind == ROWS_ONLY:
        return format_signed(interval.mean)
    return format_difference(interval.mean, interval.low, interval.high)


@dataclass(frozen=True)
class Point:
    """A column: what to use there, and how far that is from each other method.

    ``against``: the method to use minus each other one, with intervals that hold together, the next best by validation
    first; empty where no method can be chosen.
    """

    finished: Finished
    column: Column
    shots: int | None
    answer: OwnAnswer
    against: Sequence[tuple[Method, Interval]]

    @property
    def dataset(self) -> str:
        return self.finished.study.dataset.title

    @property
    def text(self) -> str:
        return labels_text(self.shots)

    @property
    def use(self) -> str:
        """What to use, within a sentence."""
        if self.answer.chosen is None:
            return "no method can be chosen"
        return "no method is worth its training" if self.answer.guessing_wins else f"use {listed([self.answer.chosen])}"

    @property
    def labels(self) -> float | None:
        """Training labels of all classes, the mean of the seeds; None where they were not counted."""
        counts = self.finished.class_counts
        return None if counts.empty else counts["train"].sum() / len(self.finished.study.params.seeds)

    @cached_property
    def may_be_best(self) -> list[Method]:
        """Of the methods those that multiple comparisons with the best do not exclude."""
        names = self.column.not_excluded()
        return [method for method in self.answer.methods if method.row.variant in names]

    @cached_property
    def seconds(self) -> Mapping[str, float | None]:
        """Of all trainings behind each method, a seed; None where one was not timed."""
        return {row.variant: seconds for row, seconds in seconds_of_methods(self.finished).items()}

    def memory(self, method: Method) -> float | None:
        """The most that a training behind a method took, in MB."""
        reports = [training.report or {} for training in behind(self.finished, method.row)]
        return max((report["peak_memory_mb"] for report in reports if report.get("peak_memory_mb")), default=None)

    def of_sign(self, sign: int) -> list[Method]:
        """The methods that the one to use is ahead of (1), behind (-1), or can't be told from (0)."""
        return [method for method, interval in self.against if sign_of(interval) == sign]

    @property
    def told(self) -> str:
        """What the comparisons with all other methods come to."""
        better, alike = self.of_sign(-1), self.of_sign(0)
        said = [f"{listed(better)} {'is' if len(better) == 1 else 'are'} ahead of it"] if better else []
        said += [f"{AS_GOOD} from {listed(alike)}"] if alike else []
        return "; ".join(said) or "ahead of every other method"

    @property
    def told_briefly(self) -> str:
        """The same by the number of methods."""
        better, alike = len(self.of_sign(-1)), len(self.of_sign(0))
        said = [f"{better} of {len(self.against)} others ahead of it"] if better else []
        said += [f"{alike} of {len(self.against)} others not told from it"] if alike else []
        return ", ".join(said) or "ahead of every other method"

    def score(self, method: Method) -> str:
        """A method's mean with its interval."""
        interval = self.column.mean(method.row.variant)
        covers = "" if interval.kind == ROWS_ONLY else f" {format_interval(interval.low, interval.high)}"
        return f"{format_number(interval.mean)}{covers}"


@dataclass(frozen=True)
class Crossing:
    """A named pair on a data set: its difference by labels a class, and what the band says of where it turns."""

    dataset: str
    variant: str
    pair: str
    band: Sequence[tuple[int | None, Interval]]
    told: str


@dataclass(frozen=True)
class Labels:
    """The published columns, data set by data set in the order of ``named``.

    ``untrained``: those of the baselines alone, over more seeds; no sentence, curve or test is made from them.
    """

    named: LabelCurves
    points: Sequence[Point]
    untrained: Sequence[Point]

    @property
    def curves(self) -> list[list[Point]]:
        """The columns of each data set."""
        return [[*points] for _, points in itertools.groupby(self.points, lambda point: point.dataset)]

    @property
    def titles(self) -> dict[str, str]:
        """Of all that some column runs, in the order of the tables."""
        return titles_of(self.points)

    @property
    def missing(self) -> list[str]:
        """The studies of the curves that are not published."""
        names = itertools.starmap(column_name, itertools.product(self.named.datasets, self.named.shots))
        return [name for name in names if name not in [point.finished.name for point in self.points]]

    @cached_property
    def family(self) -> pd.DataFrame:
        """``label_curves.family_frame`` of the published columns."""
        columns = {(point.finished.study.params.dataset, point.shots): point.column for point in self.points}
        return family_frame(columns, self.named)

    def table(self) -> pd.DataFrame:
        """A row for every column and method: percent with intervals that hold together in the column, and costs."""
        rows = []
        for point, method in ((each, method) for each in self.points for method in each.answer.methods):
            interval, params = point.column.mean(method.row.variant), point.finished.study.params
            of_column = (params.dataset, point.text, point.labels, method.row.variant, params.primary_metric)
            scores = (interval.mean, interval.low, interval.high, interval.kind + TOGETHER, method.validated)
            said = (method is point.answer.chosen, method in point.may_be_best)
            rows.append((*of_column, *scores, *said, point.seconds[method.row.variant], point.memory(method)))
        columns = ["dataset", "labels_a_class", "labels", "method", "metric", "mean", "ci_low", "ci_high", "ci_kind"]
        costs = ["seconds_a_seed", "memory_mb"]
        return pd.DataFrame(rows, columns=[*columns, "validation", "to_use", "may_be_best", *costs])

    def sentences(self) -> list[str]:
        """The answer, a sentence a data set, and how often it is told from the others."""
        said = [f"{points[0].dataset}: {'; '.join(_uses(points))}." for points in self.curves]
        clear = [not point.of_sign(0) and not point.of_sign(-1) for point in self.points if point.answer.chosen]
        return [*said, f"In {sum(clear)} of {len(clear)} columns the method to use is ahead of every other one."]

    def tested(self) -> str:
        """What became of the family."""
        frame, rule = self.family, self.points[0].finished.study.shared.statistics
        if frame.empty:
            return "None of them is published yet."
        shown = frame["p_holm"] <= 1 - rule.confidence
        ahead, back = (int((shown & (frame["difference"] * way > 0)).sum()) for way in (1, -1))
        return (
            f"“{self.titles[self.named.family.variant]}” is ahead in {ahead} of {len(frame)} published comparisons and "
            f"behind in {back}; in {len(frame) - ahead - back} the two can't be told apart."
        )

    def crossed(self) -> list[Crossing]:
        """Every data set and named pair of which some column runs both."""
        found = []
        for points, (first, other) in itertools.product(self.curves, self.named.crossings):
            both = [point for point in points if {first, other} <= point.column.rows.keys()]
            if not both:
                continue
            count, titles = len(self.named.shots), [self.titles[variant] for variant in (first, other)]
            band = [(point.shots, point.column.difference(first, other, count)) for point in both]
            turns = [
                f"“{titles[sign < 0]}” overtakes between {labels_text(before)} and {labels_text(after)}"
                for before, after, sign in crossings(band)
            ]
            told = "; ".join(turns) or "not located"
            found.append(Crossing(points[0].dataset, first, " minus ".join(titles), band, told))
        return found


def titles_of(points: Iterable[Point]) -> dict[str, str]:
    """How all that some column runs is called, by name."""
    return {name: point.finished.study.title(name) for point in points for name in point.column.rows}


def _uses(points: Iterable[Point]) -> list[str]:
    """What to use, neighbouring columns with the same method taken together."""
    said = []
    for use, group in itertools.groupby(points, lambda point: point.use):
        texts = [point.text for point in group]
        span = " to ".join(dict.fromkeys((texts[0], texts[-1])))
        said.append(f"with {span} labels{' a class' * (span != ALL)} {use}")
    return said


def read_labels(named: LabelCurves, published: Mapping[str, Finished]) -> Labels:
    """The curves from the published studies; refuses where none of theirs is among them."""
    points, untrained = [], []
    for dataset in named.datasets:
        there = _columns(named, published, dataset, LABELS)
        points += [_point(*column) for column in zip(there, _with_phase_1([*there.values()]), strict=True)]
        untrained += [_point(*column) for column in _columns(named, published, dataset, UNTRAINED).items()]
    if not points:
        first = column_name(named.datasets[0], named.shots[0])
        raise UserError(
            f"{paths.PUBLISHED}: got no column of {paths.LABEL_CURVES}, expected at least one; run: make repro "
            f"STUDY={first} && make publish STUDY={first}"
        )
    return Labels(named, points, untrained)


def _columns(
    named: LabelCurves, published: Mapping[str, Finished], dataset: str, kind: str
) -> dict[int | None, Finished]:
    """The published studies of a data set by labels a class; refuses those that are not what their names say."""
    columns = {shots: published.get(column_name(dataset, shots, kind)) for shots in named.shots}
    there = {shots: finished for shots, finished in columns.items() if finished}
    for shots, finished in there.items():
        params = finished.study.params
        if (params.dataset, params.shots) != (dataset, shots):
            raise UserError(
                f"{finished.folder / paths.PARAMS}: got dataset {params.dataset}, shots {params.shots}, expected "
                f"{dataset}, {shots}, as {paths.LABEL_CURVES} has them"
            )
        _refuse_other_question(finished, next(iter(there.values())))
    return there


def _refuse_other_question(finished: Finished, first: Finished) -> None:
    """Columns of a data set differ in their labels alone."""
    for key in ("protocol", "encoders", "primary_metric", "seeds"):
        got, expected = (getattr(member.study.params, key) for member in (finished, first))
        if got != expected:
            raise UserError(
                f"{finished.folder / paths.PARAMS}: {key}: got {got}, expected {expected}, as {first.name} has it"
            )


def _with_phase_1(columns: Sequence[Finished]) -> list[Finished]:
    """Phase 1 reads the same texts in every column, so that only one trains it: all get the report of that one."""
    runs = [run for finished in columns for run in finished.trainings if run.variant == DENOISED and run.report]
    reports = {(run.encoder, run.seed): run.report for run in runs}
    return [
        replace(finished, trainings=[
            replace(run, report=run.report or reports.get((run.encoder, run.seed))) if run.variant == DENOISED else run
            for run in finished.trainings
        ])
        for finished in columns
    ]  # fmt: skip


def _point(shots: int | None, finished: Finished) -> Point:
    column, answer, against = read_column(finished.study, finished.folder), own_answer(finished), []
    if answer.chosen:
        first = answer.chosen.row.variant
        others = [method for method in answer.methods if method.row.variant in {*column.methods} - {first}]
        others.sort(key=lambda method: -sum(method.validation))
        against = [(method, column.difference(first, method.row.variant, len(others))) for method in others]
    return Point(finished, column, shots, answer, against)
