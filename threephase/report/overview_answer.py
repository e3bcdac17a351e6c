"""Whether the method helps, by how much and how sure, over all studies: three sentences, computed from results."""

from collections.abc import Sequence

import pandas as pd

from threephase.paper.numbers import MISSING, NOT_COMPARABLE
from threephase.report.answer import PLAIN
from threephase.report.finished import Finished
from threephase.results.tables import METRIC_TITLES, format_difference
from threephase.scores.statistics import AGREES, DISAGREES, NOT_SUPPORTED, ROWS_ONLY, SUPPORTED
from threephase.study.params import THREE_PHASE

UNTOUCHED = "embedding_logistic"  # the baseline on the encoder as it was published
ORDINARY = "three_phase_ordinary"
TEXT_PROTOCOL = "described"  # the paper's text
MOST_STATED = 4  # differences that one sentence names; of more only the largest and the smallest


def overview_answer(
    finished: Sequence[Finished], claims: pd.DataFrame, verdicts: pd.DataFrame, numbers: pd.DataFrame
) -> list[str]:
    """The method against plain fine-tuning, the same against the untouched encoder, and how far the paper was repeated.

    ``claims`` and ``verdicts``: as ``claims.family`` gives them; ``numbers``: as ``paper_grid.paper_frame`` does. No
    sentence says more than an interval or a count; what other protocols than the paper's text give is told apart.
    """
    return [
        _against_fine_tuning(finished, claims, verdicts),
        _against_the_encoder(finished),
        _against_the_paper(numbers),
    ]


def _against_fine_tuning(finished: Sequence[Finished], claims: pd.DataFrame, verdicts: pd.DataFrame) -> str:
    pair = claims[(claims["variant"] == THREE_PHASE) & (claims["other"] == PLAIN)].dropna(subset=["difference"])
    if pair.empty:
        return "No study has run both the three phases and plain fine-tuning yet, so whether they help is open."
    own = pair[pair["protocol"] == TEXT_PROTOCOL]
    said = []
    if len(own):
        beats = "Under the paper's text, that three phases beat plain fine-tuning is"
        said = [f"{beats} {_over_all(own, verdicts)}{_verdicts(own)}."]
    for protocol, others in pair[pair["protocol"] != TEXT_PROTOCOL].groupby("protocol", sort=False):
        studies = [one.study for one in finished if one.study.params.protocol == protocol]
        tested = any(study.protocol.selection_split == "test" for study in studies)
        caveat = ", where the test rows choose the epoch," if tested else ""
        said.append(f"Under {protocol}{caveat} it is {_verdicts(others)}.")
    confidence = finished[0].study.shared.statistics.confidence
    kinds = " or ".join(f"({kind})" for kind in dict.fromkeys(pair["ci_kind"]))
    return " ".join([*said, f"Brackets are {confidence:.0%} intervals of paired differences, over {kinds}."])


def _over_all(pair: pd.DataFrame, verdicts: pd.DataFrame) -> str:
    """The verdict over all data sets of a family; nothing where one study alone is none."""
    count = pair["dataset"].nunique()
    if count < 2 or verdicts.empty:
        return ""
    found = verdicts[(verdicts["protocol"] == TEXT_PROTOCOL) & verdicts["claim"].isin(pair["claim"])]
    return (
        f"{' or '.join(dict.fromkeys(found['verdict']))} over {count} data sets, by tests adjusted for their number "
        "(Holm); by each study's interval alone it is "
    )


def _verdicts(pair: pd.DataFrame) -> str:
    """How many of these comparisons have which verdict, and by how much."""
    counted = [
        f"{word} on {count}"
        for word, known in (
            ("supported", pair["verdict"] == SUPPORTED),
            ("not supported", pair["verdict"] == NOT_SUPPORTED),
            ("undecided", ~pair["verdict"].isin([SUPPORTED, NOT_SUPPORTED])),
        )
        if (count := int(known.sum()))
    ]
    stated = [
        f"{line['study']} {format_difference(line['difference'], line['ci_low'], line['ci_high'])}"
        for _, line in pair.sort_values("difference", ascending=False).iterrows()
    ]
    metrics = " or ".join(metric_name(name) for name in dict.fromkeys(pair["metric"]))
    return f"{', '.join(counted)} of {_count(len(pair), 'study', 'studies')}: {_shown(stated)} points of {metrics}"


def metric_name(metric: str) -> str:
    """A metric's title within a sentence: "accuracy", "macro F1"."""
    title = METRIC_TITLES[metric]
    return title[0].lower() + title[1:]


def _shown(stated: Sequence[str]) -> str:
    return "; ".join(stated if len(stated) <= MOST_STATED else [stated[0], "…", stated[-1]])


def _count(number: int, thing: str, things: str) -> str:
    return f"{number} {thing if number == 1 else things}"


def _against_the_encoder(finished: Sequence[Finished]) -> str:
    """Three phases, by both recipes, against a logistic regression on the encoder that no phase has touched."""
    own = [one for one in finished if one.study.params.protocol == TEXT_PROTOCOL]
    said = (
        [
            f"{start} {_leads(leads)}"
            for start, variant in (
                ("the three phases are", THREE_PHASE),
                ("and with an ordinary recipe for phase 3 they are", ORDINARY),
            )
            if len(leads := pd.concat([_lead(one, variant) for one in own])) > 0
        ]
        if own
        else []
    )
    if not said:
        return "How much of it is the encoder's cannot be told: no study has a baseline on the untouched encoder."
    encoders = " or ".join(
        dict.fromkeys(one.study.shared.encoders[encoder].title for one in own for encoder in one.study.params.encoders)
    )
    return (
        f"What is the encoder's: against a logistic regression on {encoders} as published, which no phase has touched, "
        f"{'; '.join(said)}."
    )


def _lead(one: Finished, variant: str) -> pd.DataFrame:
    """A variant's rows of differences.csv against the untouched encoder, that way round."""
    found = one.differences
    pair = found[found["variant"].isin([variant, UNTOUCHED]) & found["other"].isin([variant, UNTOUCHED])].copy()
    turned = pair["variant"] == UNTOUCHED
    bounds = pair[["ci_low", "ci_high"]].copy()
    pair["difference"] = pair["difference"].where(~turned, -pair["difference"])
    pair["ci_low"] = bounds["ci_low"].where(~turned, -bounds["ci_high"])
    pair["ci_high"] = bounds["ci_high"].where(~turned, -bounds["ci_low"])
    return pair.assign(study=one.name)


def _leads(pairs: pd.DataFrame) -> str:
    """How many leads are above 0, below it, or not told from it, and the leads."""
    decided = pairs["ci_kind"] != ROWS_ONLY
    higher, lower = decided & (pairs["ci_low"] > 0), decided & (pairs["ci_high"] < 0)
    counted = [
        f"{word} on {count}"
        for word, known in (("higher", higher), ("lower", lower), ("not told from it", ~higher & ~lower))
        if (count := int(known.sum()))
    ]
    stated = [
        f"{line['study']} {format_difference(line['difference'], line['ci_low'], line['ci_high'])}"
        for _, line in pairs.sort_values("difference", ascending=False).iterrows()
    ]
    return f"{', '.join(counted)} of {_count(len(pairs), 'study', 'studies')} ({_shown(stated)})"


def _against_the_paper(numbers: pd.DataFrame) -> str:
    verdicts = list(numbers["verdict"])
    stand_in, missing = verdicts.count(NOT_COMPARABLE), verdicts.count(MISSING)
    own = len(verdicts) - stand_in - missing
    beside = f"{_count(stand_in, 'number', 'numbers')} of it stand beside a stand-in's, which give no verdict on it"
    if not own:
        return f"The paper has not been repeated with its own encoder and data yet; {beside}."
    agrees, disagrees = verdicts.count(AGREES), verdicts.count(DISAGREES)
    return (
        f"Of the paper's numbers {own} were repeated with its own encoder and data: {agrees} agree, {disagrees} "
        f"disagree, {own - agrees - disagrees} are undecided; {beside}, and {missing} are missing "
        f"({_count(numbers['protocol'].nunique(), 'protocol', 'protocols')} counted)."
    )
