"""What a comparison says: the chip, the sentence and the drawing of one verdict, so that none contradicts another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from threephase.report.drawing import Scale, colour
from threephase.results.tables import format_interval, format_number, format_signed
from threephase.scores import statistics
from threephase.study.params import Study

# Ways in which a judged difference can end, in the order in which pages count them.
AHEAD, BEHIND, NO_LEAD, NOT_FOUND = "ahead", "behind", "no lead", "no difference found"
FEW = statistics.TOO_FEW_SEEDS
NUMBERS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True)
class Judged:
    """A difference of two cells in percentage points, ``first`` minus ``second``, with its verdict.

    ``low`` and ``high`` are None where no interval over seeds exists; ``by_seed`` holds a difference a seed or fold.
    ``difference`` is None where the comparison was not run.
    """

    first: str
    second: str
    verdict: str
    difference: float | None
    low: float | None
    high: float | None
    by_seed: tuple[float, ...]
    margin: float
    least_seeds: int
    detectable: float | None
    power: float

    @property
    def outcome(self) -> str:
        """One of the ways above, or the verdict that there is none."""
        if self.verdict == statistics.SUPPORTED:
            return AHEAD
        if self.verdict == statistics.NOT_SUPPORTED:
            return BEHIND if self.high < 0 else NO_LEAD
        return NOT_FOUND if self.verdict == statistics.UNDECIDED else self.verdict

    @property
    def why(self) -> str:
        """One sentence: what kept the verdict from being another one."""
        if self.verdict == statistics.TOO_FEW_SEEDS:
            count = len(self.by_seed)
            number = NUMBERS[count] if count < len(NUMBERS) else str(count)
            return (
                f"{number.capitalize()} seed{'s' * (count != 1)}: no verdict. At least {self.least_seeds} are needed "
                "to tell a lead from the luck of a seed."
            )
        points = f"{self.margin:g} point{'s' * (self.margin != 1)}"
        return {
            AHEAD: f"The whole interval lies above 0, so “{self.first}” is ahead.",
            BEHIND: f"The whole interval lies below 0, so “{self.second}” is ahead.",
            NO_LEAD: f"The whole interval lies below {points}: no lead that large.",
            NOT_FOUND: f"The interval holds 0 as well as a lead of {points}, so both remain possible.",
            statistics.SAME_PREDICTIONS: "Both gave the same answer to every test row.",
            statistics.NOT_RUN: "This study does not run both.",
        }[self.outcome]

    @property
    def small(self) -> str:
        """How large a lead this study would have found, where that was computed and nothing was found."""
        if self.outcome != NOT_FOUND or self.detectable is None:
            return ""
        return f"A lead of {format_number(self.detectable)} points would be found in {self.power:.0%} of such studies."

    @property
    def stated(self) -> str:
        """The difference with its interval; with too few seeds those of the seeds instead."""
        if self.difference is None:
            return ""
        return f"{format_signed(self.difference)} {self.range}".strip()

    @property
    def range(self) -> str:
        if self.low is not None:
            return format_interval(self.low, self.high)
        return f"(seeds {', '.join(map(format_signed, self.by_seed))})" if len(self.by_seed) > 1 else ""

    @property
    def reach(self) -> list[float]:
        """All numbers that its drawing shows."""
        return [value for value in (self.difference, self.low, self.high, *self.by_seed) if value is not None]

    def drawn(self, scale: Scale) -> dict[str, Any] | None:
        """Places of its drawing, for the macro ``forest``."""
        if self.difference is None:
            return None
        return {
            "middle": scale.x(self.difference),
            "span": None if self.low is None else (scale.x(self.low), scale.x(self.high)),
            "seeds": [(scale.x(value), colour(number)) for number, value in enumerate(self.by_seed)],
            "kind": self.verdict,
        }


def judged(study: Study, line: Mapping[str, Any]) -> Judged:
    """A row of claims.csv, or of differences.csv with a verdict.

    An interval that leaves out the seeds is none here: nobody should read it as one of the method.
    """
    run = not pd.isna(line["difference"])
    covers_seeds = run and line["ci_kind"] != statistics.ROWS_ONLY
    detectable = line.get("detectable")
    return Judged(
        first=study.title(line["variant"]),
        second=study.title(line["other"]),
        verdict=line["verdict"],
        difference=float(line["difference"]) if run else None,
        low=float(line["ci_low"]) if covers_seeds else None,
        high=float(line["ci_high"]) if covers_seeds else None,
        by_seed=tuple(float(value) for value in line["by_seed"].split(", ")) if run and line["by_seed"] else (),
        margin=study.shared.verdicts.claim_margin,
        least_seeds=study.shared.statistics.min_seeds_for_seed_variance,
        detectable=None if detectable is None or pd.isna(detectable) else float(detectable),
        power=study.shared.statistics.detectable_power,
    )
