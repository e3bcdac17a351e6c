"""Places and colours of what pages draw: small SVGs within the page, which take its colours and its width.

A drawing's places are percent of its width, so that it needs no size and its texts never shrink. Colours are classes of
the style sheet: ``c0`` to ``c9`` in light and dark, ``base`` for baselines.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

COLOURS = 10
EDGE = 2  # percent of the width at each side, so that a mark at the end of a scale is whole
MOST_TICKS = 6


def colour(number: int) -> str:
    """The class of the style sheet for the colour of this number; they begin anew behind ``COLOURS``."""
    return f"c{number % COLOURS}"


@dataclass(frozen=True)
class Scale:
    """Values to places in a drawing; ``low`` and ``high`` are multiples of ``step``."""

    low: float
    high: float
    step: float

    def share(self, value: float) -> float:
        """Where the value lies between low and high, 0 to 1."""
        return (value - self.low) / (self.high - self.low)

    def x(self, value: float) -> float:
        """Where the value lies, in percent of the drawing's width."""
        return round(EDGE + self.share(value) * (100 - 2 * EDGE), 2)

    @property
    def values(self) -> list[float]:
        return [self.low + self.step * place for place in range(round((self.high - self.low) / self.step) + 1)]

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Place and text of each tick."""
        return [(self.x(value), tick_text(value)) for value in self.values]


def tick_text(value: float) -> str:
    """A tick's number: no more digits than it needs."""
    return f"{value:.6g}"


def scale_of(values: Iterable[float], most_ticks: int = MOST_TICKS) -> Scale:
    """The scale on which all values can be seen, with at most so many ticks at round numbers."""
    known = [value for value in values if not math.isnan(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if low == high:
        low, high = low - 0.5, high + 0.5
    size = 10 ** math.floor(math.log10((high - low) / most_ticks))
    for step in (size, 2 * size, 5 * size, 10 * size, 20 * size):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < most_ticks:
            return Scale(first * step, last * step, step)
    raise AssertionError((low, high))
