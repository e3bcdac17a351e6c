"""What was found over all studies, in sentences computed from verdicts; none says more than an interval or a count."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from threephase.paper.numbers import DESCRIBED, MISSING, NOT_COMPARABLE
from threephase.report.finished import Finished
from threephase.report.judged import AHEAD, BEHIND, FEW, Judged, judged
from threephase.results.differences import verdict
from threephase.results.tables import METRIC_TITLES, format_signed
from threephase.scores.statistics import AGREES, DISAGREES
from threephase.study.params import THREE_PHASE

PLAIN = "ft"
UNTOUCHED = "embedding_logistic"  # the baseline on the encoder as it was published
ORDINARY = "three_phase_ordinary"
TEXT_PROTOCOL = DESCRIBED
MAIN, RECIPE = "By main settings", "By the ordinary recipe"
BY_PAPER, BY_ORDINARY = (THREE_PHASE, PLAIN), (ORDINARY, "ft_ordinary")
ANSWERS = {
    "Three phases against plain fine-tuning": {MAIN: BY_PAPER, RECIPE: BY_ORDINARY},
    "Three phases against fewer or joint ones": {
        "Phases 1 and 2 at once": (THREE_PHASE, "joint"),
        "Phase 1 left out": (THREE_PHASE, "cl_ft"),
        "Phase 2 left out": (THREE_PHASE, "dae_ft"),
    },
    "Three phases against a simple classifier on untouched vectors": {
        MAIN: (THREE_PHASE, UNTOUCHED),
        RECIPE: (ORDINARY, UNTOUCHED),
    },
}
Columns = Mapping[str, tuple[Finished, str]]  # a study and one of its encoders, by the name that a table gives them


def metric_name(metric: str) -> str:
    """A metric's title within a sentence: "accuracy", "macro F1"."""
    title = METRIC_TITLES[metric]
    return title[0].lower() + title[1:]


def columns(finished: Sequence[Finished], protocols: Collection[str]) -> Columns:
    """The studies of these protocols that run what the claims compare."""
    needed = {THREE_PHASE, PLAIN, "joint", "dae_ft", "cl_ft"}
    return {
        study.name if len(study.study.params.encoders) == 1 else f"{study.name}, {encoder}": (study, encoder)
        for study in finished
        if study.study.params.protocol in protocols and needed <= {*study.study.params.trained()}
        for encoder in study.study.params.encoders
    }


def leads(studies: Columns, variant: str, other: str) -> dict[str, Judged]:
    """The differences of two cells, that way round, by the name of each study that ran both."""
    found = {name: lead(study, encoder, variant, other) for name, (study, encoder) in studies.items()}
    return {name: comparison for name, comparison in found.items() if comparison is not None}


def lead(finished: Finished, encoder: str, variant: str, other: str) -> Judged | None:
    """The difference of two cells of a study, that way round; None where it did not run both."""
    table = finished.differences
    table = table[table["encoder"] == encoder].set_index(["variant", "other"], drop=False)
    if (variant, other) in table.index:
        row = dict(table.loc[(variant, other)])
    elif (other, variant) in table.index:
        row = _turned(table.loc[(other, variant)])
    else:
        return None
    return judged(finished.study, row | {"verdict": verdict(finished.study, row)})


def _turned(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same difference the other way round."""
    by_seed = ", ".join(f"{-float(value):+.1f}" for value in row["by_seed"].split(", "))
    return dict(row) | {
        "variant": row["other"],
        "other": row["variant"],
        "difference": -row["difference"],
        "ci_low": -row["ci_high"],
        "ci_high": -row["ci_low"],
        "by_seed": by_seed,
    }


def overall_answer(finished: Sequence[Finished], claims: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, list[str]]:
    """By each of ``ANSWERS`` who is ahead on which study of the paper's text, and a claim's verdict over all of them.

    ``claims`` and ``verdicts``: as ``claims.family`` gives them. A verdict stands where all pairs are one claim's.
    """
    claims, verdicts = (
        frame[frame["protocol"] == TEXT_PROTOCOL] if len(frame) else frame for frame in (claims, verdicts)
    )
    studies, said = columns(finished, {TEXT_PROTOCOL}), {}
    for start, pairs in ANSWERS.items():
        texts = [f"{how}: {_counted(studies, *pair)}" for how, pair in pairs.items()]
        rows = claims[claims.set_index(["variant", "other"]).index.isin([*pairs.values()])]
        if rows["claim"].nunique() == 1 and rows["study"].nunique() > 1:
            told = verdicts.loc[verdicts["claim"] == rows["claim"].iloc[0], "verdict"].iloc[0]
            texts.append(
                f"By main settings over the {rows['dataset'].nunique()} data sets, one study of each: {told} (p "
                f"{rows['p_holm'].min():.2f}, corrected for several tests)"
            )
        said[start] = texts
    return said


def _counted(studies: Columns, variant: str, other: str) -> str:
    """In how many studies the first cell is ahead (by how much), behind, or neither."""
    found, counts = leads(studies, variant, other), []
    for way in (AHEAD, BEHIND):
        named = [f"{name} {format_signed(one.difference)}" for name, one in found.items() if one.outcome == way]
        counts += [f"{way} in {len(named)} of {len(found)} ({', '.join(named)})"] if named else []
    outcomes = [one.outcome for one in found.values()]
    if few := outcomes.count(FEW):
        counts.append(f"too few seeds in {few} of {len(found)}")
    if rest := sum(outcome not in (AHEAD, BEHIND, FEW) for outcome in outcomes):
        counts.append(f"no difference found in {rest}")
    return ", ".join(counts) or "no study yet"


def repeated(numbers: pd.DataFrame) -> str:
    """How far the paper was repeated with its own encoder and data, from ``paper_grid.paper_frame``."""
    verdicts = list(numbers["verdict"])
    stand_in, missing = verdicts.count(NOT_COMPARABLE), verdicts.count(MISSING)
    repeated = len(verdicts) - stand_in - missing
    beside = f"{stand_in} of its numbers stand beside a stand-in’s, which give no verdict on it"
    if not repeated:
        return f"The paper has not been repeated with its own encoder and data yet{f'; {beside}' * (stand_in > 0)}."
    agrees, disagrees = verdicts.count(AGREES), verdicts.count(DISAGREES)
    return (
        f"Of the paper's numbers {repeated} were repeated with its own encoder and data: {agrees} agree, {disagrees} "
        f"disagree, {repeated - agrees - disagrees} are undecided. {beside[0].upper()}{beside[1:]}; {missing} are "
        f"missing (of {numbers['protocol'].nunique()} protocols)."
    )
