"""Whether the method helps, by how much and how sure, over all benchmarks: three sentences, computed from results."""

from collections.abc import Sequence

import pandas as pd

from stages.common.analysis.statistics import AGREES, DISAGREES, NOT_SUPPORTED, SUPPORTED
from stages.common.analysis.tables import METRIC_TITLES, format_interval, format_number, format_signed
from stages.common.answer import PLAIN
from stages.common.pages.finished import Finished
from stages.common.paper import MISSING, NOT_COMPARABLE
from stages.common.settings import THREE_PHASE

UNTOUCHED = "embedding_logistic"  # the baseline on the encoder as it was published
MOST_STATED = 4  # differences that one sentence names; of more only the largest and the smallest


def overview_answer(finished: Sequence[Finished], claims: pd.DataFrame, numbers: pd.DataFrame) -> list[str]:
    """The method against plain fine-tuning, the same against the untouched encoder, and how far the paper was repeated.

    ``claims``: as ``claims.with_names`` gives it; ``numbers``: as ``paper_grid.paper_frame`` does. No sentence says
    more than an interval or a count.
    """
    return [_against_fine_tuning(finished, claims), _against_the_encoder(finished), _against_the_paper(numbers)]


def _against_fine_tuning(finished: Sequence[Finished], claims: pd.DataFrame) -> str:
    pair = claims[(claims["variant"] == THREE_PHASE) & (claims["other"] == PLAIN)].dropna(subset=["difference"])
    if pair.empty:
        return "No benchmark has run both the three phases and plain fine-tuning yet, so whether they help is open."
    by_name = {one.name: one.study for one in finished}
    said = [
        f"{word} on {count}"
        for word, verdicts in (
            ("supported", {SUPPORTED}),
            ("not supported", {NOT_SUPPORTED}),
            ("open", set(pair["verdict"]) - {SUPPORTED, NOT_SUPPORTED}),
        )
        if (count := int(pair["verdict"].isin(verdicts).sum()))
    ]
    stated = [
        f"{line['benchmark']} {format_signed(line['difference'])} {format_interval(line['ci_low'], line['ci_high'])}"
        for _, line in pair.sort_values("difference", ascending=False).iterrows()
    ]
    shown = "; ".join(stated if len(stated) <= MOST_STATED else [stated[0], "…", stated[-1]])
    metrics = " or ".join(dict.fromkeys(METRIC_TITLES[name] for name in pair["metric"]))
    kinds = "; ".join(dict.fromkeys(pair["ci_kind"]))
    confidence = f"{next(iter(by_name.values())).shared.statistics.confidence:.0%}"
    return (
        f"That three phases beat plain fine-tuning is {', '.join(said)} of {_count(len(pair), 'comparison')}, on "
        f"{_count(pair['dataset'].nunique(), 'data set')}: by {shown} points of {metrics} (paired, {confidence} "
        f"intervals over {kinds})."
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number != 1 else ''}"


def _against_the_encoder(finished: Sequence[Finished]) -> str:
    """Three phases beside a logistic regression on the encoder as it was published, which no phase has touched."""
    stated, ahead, encoders = [], 0, []
    for one in finished:
        primary = one.results[one.results["metric"] == one.study.benchmark.primary_metric]
        by_cell = primary.set_index(["encoder", "variant"])["mean"]
        for encoder in one.study.benchmark.run_encoders:
            cells = [(encoder, UNTOUCHED), (encoder, THREE_PHASE)]
            if all(cell in by_cell.index for cell in cells):
                untouched, method = (float(by_cell[cell]) for cell in cells)
                ahead += untouched > method
                stated.append(f"{one.name} {format_number(untouched)}% against {format_number(method)}%")
                encoders.append(one.study.shared.encoders[encoder].title)
    if not stated:
        return "How much of it is the encoder's cannot be told: no benchmark has a baseline on the untouched encoder."
    if len(stated) > MOST_STATED:
        stated = [*stated[:MOST_STATED], "…"]
    conclusion = (
        "so that a lead over fine-tuning does not show there that the phases are needed"
        if ahead
        else "so that by the means the three phases add to the encoder as well"
    )
    return (
        f"What is the encoder's: without any phase, a logistic regression on {' or '.join(dict.fromkeys(encoders))} as "
        f"published has the higher mean in {ahead} of {_count(len(encoders), 'case')} ({'; '.join(stated)}; means, not "
        f"paired), {conclusion}."
    )


def _against_the_paper(numbers: pd.DataFrame) -> str:
    verdicts = list(numbers["verdict"])
    agrees, disagrees = verdicts.count(AGREES), verdicts.count(DISAGREES)
    stand_in, missing = verdicts.count(NOT_COMPARABLE), verdicts.count(MISSING)
    own = len(verdicts) - stand_in - missing
    protocols = _count(numbers["protocol"].nunique(), "protocol")
    rest = (
        f"{stand_in} stand beside a stand-in's, with which no verdict on the paper is given, and {missing} are missing "
        f"({protocols} counted)."
    )
    if not own:
        return f"None of the paper's numbers has been repeated with its own encoder and data yet: {rest}"
    return (
        f"Of the paper's numbers {own} were repeated with its own encoder and data: {agrees} agree, {disagrees} "
        f"disagree, {own - agrees - disagrees} are undecided; {rest}"
    )
