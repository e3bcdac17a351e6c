"""What a study found, in sentences computed from its results, with no word stronger than the intervals allow."""

from collections.abc import Sequence

import pandas as pd

from threephase.report.display import Row
from threephase.results.tables import METRIC_TITLES, format_interval, format_number, format_signed
from threephase.study.params import Study

PLAIN = "ft"


def sentences(study: Study, rows: Sequence[Row], results: pd.DataFrame, claims: pd.DataFrame) -> list[str]:
    """The answer: the best variant, its lead over plain fine-tuning, the baselines, what intervals cover.

    ``results`` and ``claims`` hold the columns of results.csv and claims.csv, in percent. Cells that were not run
    are counted, never treated as zero.
    """
    metric = study.params.primary_metric
    primary = results[results["metric"] == metric]
    by_cell = primary.set_index(["encoder", "variant"])
    found = [row for row in rows if (row.encoder, row.variant) in by_cell.index]
    said = []
    for encoder in study.params.encoders:
        trained = [row for row in found if row.encoder == encoder and row.variant in study.shared.variants]
        baselines = [row for row in found if row.encoder in (encoder, "") and row.variant in study.shared.baselines]
        if not trained:
            said.append(f"No variant of {study.shared.encoders[encoder].title} has been run yet.")
            continue
        said += _about_encoder(study, by_cell, claims, trained, baselines)
    missing = [row.label for row in rows if row not in found]
    if missing:
        said.append(f"Missing: {', '.join(missing)}.")
    return [*said, *_about_intervals(study, primary)]


def _about_encoder(
    study: Study, by_cell: pd.DataFrame, claims: pd.DataFrame, trained: Sequence[Row], baselines: Sequence[Row]
) -> list[str]:
    def mean(row: Row) -> float:
        return float(by_cell.loc[(row.encoder, row.variant), "mean"])

    def stated(row: Row) -> str:
        cell = by_cell.loc[(row.encoder, row.variant)]
        return f"{format_number(cell['mean'])}% {format_interval(cell['ci_low'], cell['ci_high'])}"

    metric = METRIC_TITLES[study.params.primary_metric]
    # A control is there to be compared with, not to win.
    contestants = [row for row in trained if study.shared.variants[row.variant].pairs_as_many_as is None]
    best = max(contestants, key=mean)
    level = [row.label for row in contestants if row != best and mean(row) == mean(best)]
    said = [
        f"“{best.label}” has the highest mean {metric} of the {len(contestants)} trained variants: {stated(best)}"
        + (f", the same as {', '.join(level)}" if level else "")
        + "; being the highest of several flatters it."
    ]
    high = [
        row.label
        for row in contestants
        if row != best and by_cell.loc[(row.encoder, row.variant), "ci_high"] >= mean(best)
    ]
    few = len(study.params.seeds) < study.shared.statistics.min_seeds_for_seed_variance
    if few:
        said[0] += " With so few seeds the order is not settled."
    elif high:
        said[0] += (
            f" The intervals of {len(high)} of the others reach that mean, so the order at the top is not settled."
        )
    plain = next((row for row in trained if row.variant == PLAIN), None)
    if plain is not None:
        said.append(_lead_over_plain(best, plain, claims, mean(best) - mean(plain), stated(plain)))
    if baselines:
        first = max(baselines, key=mean)
        behind = [row.label for row in trained if mean(row) < mean(first)]
        lead = mean(best) - mean(first)
        distance = f"{format_number(abs(lead))} points {'below' if lead > 0 else 'above'}" if lead else "level with"
        if behind:
            others = f"above the mean of {', '.join(behind)}"
        elif all(mean(row) > mean(first) for row in trained):
            others = "below the mean of every trained variant"
        else:
            others = "above the mean of none"
        said.append(
            f"The best of {len(baselines)} baselines, {first.label}, reaches {stated(first)}: "
            f"{distance} the best variant's mean, and {others}."
        )
    return said


def _lead_over_plain(best: Row, plain: Row, claims: pd.DataFrame, lead: float, plain_stated: str) -> str:
    """One sentence; the interval is the paired one of the claims where they compare this very pair."""
    if best == plain:
        return "No variant has a higher mean than plain fine-tuning."
    pair = claims[
        (claims["variant"] == best.variant) & (claims["other"] == plain.variant) & (claims["encoder"] == best.encoder)
    ].dropna(subset=["difference"])
    if pair.empty:
        return (
            f"That is {format_signed(lead)} points from plain fine-tuning ({plain_stated}) as a difference of means; "
            "no claim names this pair, so it has no paired interval."
        )
    claim = pair.iloc[0]
    interval = format_interval(claim["ci_low"], claim["ci_high"])
    return (
        f"Over plain fine-tuning ({plain_stated}) that is {format_signed(claim['difference'])} points, "
        f"paired interval {interval}; the verdict on the claim that it is better: {claim['verdict']}."
    )


def _about_intervals(study: Study, primary: pd.DataFrame) -> list[str]:
    kinds = list(dict.fromkeys(primary["ci_kind"]))
    if not kinds:
        return []
    seeds, enough = len(study.params.seeds), study.shared.statistics.min_seeds_for_seed_variance
    said = f"Bracketed ranges are {study.shared.statistics.confidence:.0%} intervals and cover: {'; '.join(kinds)}."
    if seeds < enough:
        said += (
            f" With {seeds} seed{'s' if seeds > 1 else ''}, fewer than {enough}, they leave out what another seed "
            "would change (training rows, initial head, batch order), "
            "so they are too narrow as a statement about the method."
        )
    return [said]
