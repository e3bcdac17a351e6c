"""How results are judged, as frozen dataclasses: statistics, claims and verdicts of the shared params."""

from dataclasses import dataclass

from threephase.study.schema import checked, distinct, each_of, number


@dataclass(frozen=True)
class Statistics:
    """How uncertainty is stated; ``holm_family``: what comparisons share whose p-values are adjusted together."""

    confidence: float = checked(number(above=0, below=1))
    min_seeds_for_seed_variance: int = checked(number(least=2, most=1_000))
    detectable_power: float = checked(number(above=0.5, below=1))
    holm_family: list[str] = checked(each_of("protocol", "encoder"))


@dataclass(frozen=True)
class Claim:
    """``variant`` is claimed to be better than each of ``others`` on the primary metric."""

    text: str
    variant: str
    others: list[str] = checked(distinct)


@dataclass(frozen=True)
class Verdicts:
    """Rules, in percentage points, fixed before any run."""

    claim_margin: float = checked(number(least=0, most=100))
    undecided_interval_width: float = checked(number(above=0, most=100))
