"""A forest plot as small drawings, one a row of a table, all on one scale: where intervals lie beside no difference.

The numbers stand in the same row of the table, so that the drawings are for the eye alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, EDGE = 260, 22, 8  # of a drawing, and the room at its sides, in its own units
STEPS = (0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200)
MOST_TICKS = 6


@dataclass(frozen=True)
class Scale:
    """Percentage points to places in a drawing."""

    low: float
    high: float
    step: float

    def x(self, points: float) -> float:
        share = (points - self.low) / (self.high - self.low)
        return round(EDGE + share * (WIDTH - 2 * EDGE), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        count = round((self.high - self.low) / self.step)
        values = [self.low + self.step * place for place in range(count + 1)]
        return [(self.x(value), f"{value:+g}".replace("+0", "0") if value == 0 else f"{value:+g}") for value in values]


def scale_of(intervals: Sequence[tuple[float, float]], margin: float) -> Scale:
    """The scale on which all ``intervals`` (low, high, in percentage points), 0 and the margin can be seen."""
    low, high = min([0.0, *(one for one, _ in intervals)]), max([margin, *(one for _, one in intervals)])
    step = next((step for step in STEPS if (high - low) / step <= MOST_TICKS - 1), STEPS[-1])
    return Scale(step * math.floor(low / step), step * math.ceil(high / step), step)


@dataclass(frozen=True)
class Drawing:
    """The places of one interval and of what it is held against, in a drawing's units."""

    zero: float
    margin: float
    low: float
    middle: float
    high: float


def drawing(scale: Scale, margin: float, low: float, middle: float, high: float) -> Drawing:
    return Drawing(scale.x(0), scale.x(margin), scale.x(low), scale.x(middle), scale.x(high))
