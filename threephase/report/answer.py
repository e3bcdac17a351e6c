"""What was found, in sentences computed from results: of a study, and over all studies.

No sentence says more than an interval or a count.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from threephase.paper.numbers import DESCRIBED, MISSING, NOT_COMPARABLE
from threephase.report.finished import Finished
from threephase.report.rows import rows_of
from threephase.results.differences import verdict
from threephase.results.tables import METRIC_TITLES, format_interval, format_number, format_signed
from threephase.scores.statistics import AGREES, DISAGREES, NOT_SUPPORTED, SUPPORTED, TOO_FEW_SEEDS
from threephase.study.params import THREE_PHASE, Study

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
LEAD = ["difference", "ci_low", "ci_high", "verdict"]
Columns = Mapping[str, tuple[Finished, str]]  # a study and one of its encoders, by the name that a table gives them


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


def leads(studies: Columns, variant: str, other: str) -> pd.DataFrame:
    """The differences of two cells, that way round, with verdicts; the index names the studies that ran both."""
    rows = {}
    for name, (study, encoder) in studies.items():
        table = study.differences[study.differences["encoder"] == encoder].set_index(["variant", "other"])
        if (variant, other) in table.index:
            row = dict(table.loc[(variant, other)])
        elif (other, variant) in table.index:
            row = dict(table.loc[(other, variant)])
            row |= {"difference": -row["difference"], "ci_low": -row["ci_high"], "ci_high": -row["ci_low"]}
        else:
            continue
        rows[name] = row | {"verdict": verdict(study.study, row)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=LEAD)


def overall_answer(finished: Sequence[Finished], claims: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, str]:
    """By each of ``ANSWERS`` who is ahead on which study of the paper's text, and a claim's verdict over all of them.

    ``claims`` and ``verdicts``: as ``claims.family`` gives them. A verdict stands where all pairs are one claim's.
    """
    claims, verdicts = (
        frame[frame["protocol"] == TEXT_PROTOCOL] if len(frame) else frame for frame in (claims, verdicts)
    )
    studies, said = columns(finished, {TEXT_PROTOCOL}), {}
    for start, pairs in ANSWERS.items():
        texts = [f"{how}: {_counted(studies, *pair)}." for how, pair in pairs.items()]
        rows = claims[claims.set_index(["variant", "other"]).index.isin([*pairs.values()])]
        if rows["claim"].nunique() == 1 and rows["study"].nunique() > 1:
            told = verdicts.loc[verdicts["claim"] == rows["claim"].iloc[0], "verdict"].iloc[0]
            texts.append(
                f"By main settings over {rows['dataset'].nunique()} data sets together: {told} (p "
                f"{rows['p_holm'].min():.2f}, corrected for several tests)."
            )
        said[start] = " ".join(texts)
    return said


def _counted(studies: Columns, variant: str, other: str) -> str:
    """In how many studies the first cell is ahead (by how much), behind, or neither."""
    rows, counts = leads(studies, variant, other), []
    ways = {
        "ahead": rows["verdict"] == SUPPORTED,
        "behind": (rows["verdict"] == NOT_SUPPORTED) & (rows["ci_high"] < 0),
    }
    for way, told in ways.items():
        named = [f"{row.Index} {format_signed(row.difference)}" for row in rows[told].itertuples()]
        counts += [f"{way} in {len(named)} of {len(rows)} ({', '.join(named)})"] if named else []
    few = (rows["verdict"] == TOO_FEW_SEEDS).sum()
    counts += [f"too few seeds in {few} of {len(rows)}"] if few else []
    if rest := len(rows) - few - sum(map(sum, ways.values())):
        counts.append(f"no difference found in {rest}")
    return ", ".join(counts) or "no study yet"


def repeated(numbers: pd.DataFrame) -> str:
    """How far the paper was repeated with its own encoder and data, from ``paper_grid.paper_frame``."""
    verdicts = list(numbers["verdict"])
    stand_in, missing = verdicts.count(NOT_COMPARABLE), verdicts.count(MISSING)
    repeated = len(verdicts) - stand_in - missing
    beside = f"{stand_in} of its numbers stand beside a stand-in's, which give no verdict on it"
    if not repeated:
        return f"The paper has not been repeated with its own encoder and data yet; {beside}."
    agrees, disagrees = verdicts.count(AGREES), verdicts.count(DISAGREES)
    return (
        f"Of the paper's numbers {repeated} were repeated with its own encoder and data: {agrees} agree, {disagrees} "
        f"disagree, {repeated - agrees - disagrees} are undecided. {beside[0].upper()}{beside[1:]}; {missing} are "
        f"missing (of {numbers['protocol'].nunique()} protocols)."
    )
