"""What was found, in sentences computed from results: of a study, and over all studies.

No sentence says more than an interval or a count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from threephase.paper.numbers import DESCRIBED, MISSING, NOT_COMPARABLE
from threephase.report.finished import Finished
from threephase.report.rows import rows_of
from threephase.results.tables import METRIC_TITLES, format_difference, format_interval, format_number, format_signed
from threephase.scores.statistics import AGREES, DISAGREES, NOT_SUPPORTED, ROWS_ONLY, SUPPORTED
from threephase.study.params import THREE_PHASE, Study

PLAIN = "ft"
UNTOUCHED = "embedding_logistic"  # the baseline on the encoder as it was published
ORDINARY = "three_phase_ordinary"
TEXT_PROTOCOL = DESCRIBED
MOST_STATED = 4  # differences that one sentence names; of more only the largest and the smallest


@dataclass(frozen=True)
class _Mean:
    """A cell's mean of the primary metric with its interval, in percent."""

    encoder: str
    variant: str
    label: str
    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{format_number(self.mean)}% {format_interval(self.low, self.high)}"


def study_answer(study: Study, results: pd.DataFrame, claims: pd.DataFrame) -> list[str]:
    """The best variant, its lead over plain fine-tuning, the baselines, and what the intervals cover.

    ``results`` and ``claims`` hold the columns of results.csv and claims.csv, in percent. Cells that were not run
    are counted, never treated as zero.
    """
    primary = results[results["metric"] == study.params.primary_metric]
    by_cell = primary.set_index(["encoder", "variant"])[["mean", "ci_low", "ci_high"]].astype(float)
    cells, missing, said = [], [], []
    for row in rows_of(study):
        if (key := (row.encoder, row.variant)) in by_cell.index:
            cells.append(_Mean(*key, row.label, *by_cell.loc[key]))
        else:
            missing.append(row.label)
    for encoder in study.params.encoders:
        trained = [cell for cell in cells if cell.encoder == encoder and cell.variant in study.shared.variants]
        baselines = [cell for cell in cells if cell.encoder in (encoder, "") and cell.variant in study.shared.baselines]
        if trained:
            said += _about_encoder(study, claims, trained, baselines)
        else:
            said.append(f"No variant of {study.shared.encoders[encoder].title} has been run yet.")
    if missing:
        said.append(f"Missing: {', '.join(missing)}.")
    return [*said, *_about_intervals(study, primary)]


def _about_encoder(
    study: Study, claims: pd.DataFrame, trained: Sequence[_Mean], baselines: Sequence[_Mean]
) -> list[str]:
    # A control is there to be compared with, not to win.
    contestants = [cell for cell in trained if study.shared.variants[cell.variant].pairs_as_many_as is None]
    best = max(contestants, key=lambda cell: cell.mean)
    others = [cell for cell in contestants if cell is not best]
    level = ", ".join(cell.label for cell in others if cell.mean == best.mean)
    reaching = sum(cell.high >= best.mean for cell in others)
    metric = METRIC_TITLES[study.params.primary_metric]
    first = (
        f"“{best.label}” has the highest mean {metric} of the {len(contestants)} trained variants: {best}"
        f"{f', the same as {level}' if level else ''}; being the highest of several flatters it."
    )
    if len(study.params.seeds) < study.shared.statistics.min_seeds_for_seed_variance:
        first += " With so few seeds the order is not settled."
    elif reaching:
        first += f" The intervals of {reaching} of the others reach that mean, so the order at the top is not settled."
    said = [first, *(_lead_over_plain(best, cell, claims) for cell in trained if cell.variant == PLAIN)]
    return [*said, _beside_baselines(best, trained, baselines)] if baselines else said


def _lead_over_plain(best: _Mean, plain: _Mean, claims: pd.DataFrame) -> str:
    """One sentence; the interval is the paired one of the claims where they compare this very pair."""
    if best == plain:
        return "No variant has a higher mean than plain fine-tuning."
    pair = claims[
        (claims["variant"] == best.variant) & (claims["other"] == plain.variant) & (claims["encoder"] == best.encoder)
    ].dropna(subset=["difference"])
    if pair.empty:
        return (
            f"That is {format_signed(best.mean - plain.mean)} points from plain fine-tuning ({plain}) as a difference "
            "of means; no claim names this pair, so it has no paired interval."
        )
    claim = pair.iloc[0]
    return (
        f"Over plain fine-tuning ({plain}) that is {format_signed(claim['difference'])} points, paired interval "
        f"{format_interval(claim['ci_low'], claim['ci_high'])}; the verdict on the claim that it is better: "
        f"{claim['verdict']}."
    )


def _beside_baselines(best: _Mean, trained: Sequence[_Mean], baselines: Sequence[_Mean]) -> str:
    first = max(baselines, key=lambda cell: cell.mean)
    lead = best.mean - first.mean
    distance = f"{format_number(abs(lead))} points {'below' if lead > 0 else 'above'}" if lead else "level with"
    if behind := [cell.label for cell in trained if cell.mean < first.mean]:
        others = f"above the mean of {', '.join(behind)}"
    elif all(cell.mean > first.mean for cell in trained):
        others = "below the mean of every trained variant"
    else:
        others = "above the mean of none"
    return (
        f"The best of {len(baselines)} baselines, {first.label}, reaches {first}: {distance} the best variant's mean, "
        f"and {others}."
    )


def _about_intervals(study: Study, primary: pd.DataFrame) -> list[str]:
    if primary.empty:
        return []
    kinds = dict.fromkeys(primary["ci_kind"])
    seeds, enough = len(study.params.seeds), study.shared.statistics.min_seeds_for_seed_variance
    said = f"Bracketed ranges are {study.shared.statistics.confidence:.0%} intervals and cover: {'; '.join(kinds)}."
    if seeds < enough:
        said += (
            f" With {seeds} seed{'s' if seeds > 1 else ''}, fewer than {enough}, they leave out what another seed "
            "would change: training rows, initial head, batch order. So they are too narrow as a statement about the "
            "method."
        )
    return [said]


def overview_answer(
    finished: Sequence[Finished], claims: pd.DataFrame, verdicts: pd.DataFrame, numbers: pd.DataFrame
) -> list[str]:
    """The method against plain fine-tuning, the same against the untouched encoder, and how far the paper was repeated.

    ``claims`` and ``verdicts``: as ``claims.family`` gives them; ``numbers``: as ``paper_grid.paper_frame`` does. What
    other protocols than the paper's text give is told apart.
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
    of_text = pair[pair["protocol"] == TEXT_PROTOCOL]
    said = []
    if len(of_text):
        beats = "Under the paper's text, that three phases beat plain fine-tuning is"
        said = [f"{beats} {_over_all(of_text, verdicts)}{_verdicts(of_text)}."]
    for protocol, others in pair[pair["protocol"] != TEXT_PROTOCOL].groupby("protocol", sort=False):
        studies = [member.study for member in finished if member.study.params.protocol == protocol]
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
    of_claim = verdicts[(verdicts["protocol"] == TEXT_PROTOCOL) & verdicts["claim"].isin(pair["claim"])]
    return (
        f"{' or '.join(dict.fromkeys(of_claim['verdict']))} over {count} data sets, by tests adjusted for their number "
        "(Holm); by each study's interval alone it is "
    )


def _verdicts(pair: pd.DataFrame) -> str:
    """How many of these comparisons have which verdict, and by how much."""
    supported, not_supported = (pair["verdict"] == verdict for verdict in (SUPPORTED, NOT_SUPPORTED))
    known = {SUPPORTED: supported, NOT_SUPPORTED: not_supported, "undecided": ~supported & ~not_supported}
    metrics = " or ".join(metric_name(name) for name in dict.fromkeys(pair["metric"]))
    return f"{_counted(known)} of {_count(len(pair), 'study', 'studies')}: {_stated(pair)} points of {metrics}"


def metric_name(metric: str) -> str:
    """A metric's title within a sentence: "accuracy", "macro F1"."""
    title = METRIC_TITLES[metric]
    return title[0].lower() + title[1:]


def _counted(masks: Mapping[str, pd.Series]) -> str:
    return ", ".join(f"{word} on {mask.sum()}" for word, mask in masks.items() if mask.any())


def _stated(pairs: pd.DataFrame) -> str:
    """The studies' differences, the largest first."""
    stated = [
        f"{line['study']} {format_difference(line['difference'], line['ci_low'], line['ci_high'])}"
        for _, line in pairs.sort_values("difference", ascending=False).iterrows()
    ]
    return "; ".join(stated if len(stated) <= MOST_STATED else [stated[0], "…", stated[-1]])


def _count(number: int, thing: str, things: str) -> str:
    return f"{number} {thing if number == 1 else things}"


def _against_the_encoder(finished: Sequence[Finished]) -> str:
    """Three phases, by both recipes, against a logistic regression on the encoder that no phase has touched."""
    of_text = [member for member in finished if member.study.params.protocol == TEXT_PROTOCOL]
    said = []
    for start, variant in (
        ("the three phases are", THREE_PHASE),
        ("and with an ordinary recipe for phase 3 they are", ORDINARY),
    ):
        leads = [_lead(member, variant) for member in of_text]
        if sum(map(len, leads)):
            said.append(f"{start} {_leads(pd.concat(leads))}")
    if not said:
        return "How much of it is the encoder's cannot be told: no study has a baseline on the untouched encoder."
    titles = [
        member.study.shared.encoders[encoder].title for member in of_text for encoder in member.study.params.encoders
    ]
    return (
        f"What is the encoder's: against a logistic regression on {' or '.join(dict.fromkeys(titles))} as published, "
        f"which no phase has touched, {'; '.join(said)}."
    )


def _lead(finished: Finished, variant: str) -> pd.DataFrame:
    """A variant's rows of differences.csv against the untouched encoder, that way round."""
    differences, pair = finished.differences, [variant, UNTOUCHED]
    leads = differences[differences["variant"].isin(pair) & differences["other"].isin(pair)].copy()
    bounds = ["difference", "ci_low", "ci_high"]
    turned = leads["variant"] == UNTOUCHED
    leads.loc[turned, bounds] = -leads.loc[turned, ["difference", "ci_high", "ci_low"]].to_numpy()
    return leads.assign(study=finished.name)


def _leads(pairs: pd.DataFrame) -> str:
    """How many leads are above 0, below it, or not told from it, and the leads."""
    decided = pairs["ci_kind"] != ROWS_ONLY
    higher, lower = decided & (pairs["ci_low"] > 0), decided & (pairs["ci_high"] < 0)
    counted = _counted({"higher": higher, "lower": lower, "not told from it": ~higher & ~lower})
    return f"{counted} of {_count(len(pairs), 'study', 'studies')} ({_stated(pairs)})"


def _against_the_paper(numbers: pd.DataFrame) -> str:
    verdicts = list(numbers["verdict"])
    stand_in, missing = verdicts.count(NOT_COMPARABLE), verdicts.count(MISSING)
    repeated = len(verdicts) - stand_in - missing
    beside = f"{_count(stand_in, 'number', 'numbers')} of it stand beside a stand-in's, which give no verdict on it"
    if not repeated:
        return f"The paper has not been repeated with its own encoder and data yet; {beside}."
    agrees, disagrees = verdicts.count(AGREES), verdicts.count(DISAGREES)
    return (
        f"Of the paper's numbers {repeated} were repeated with its own encoder and data: {agrees} agree, {disagrees} "
        f"disagree, {repeated - agrees - disagrees} are undecided. {beside[0].upper()}{beside[1:]}; {missing} are "
        f"missing ({_count(numbers['protocol'].nunique(), 'protocol', 'protocols')} counted)."
    )
