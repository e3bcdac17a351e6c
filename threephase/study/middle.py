"""What is taken where no rows choose, fixed beforehand: of several values the middle one."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def middle(ascending: Sequence[T]) -> T:
    """The middle one of values in ascending order, at least one; of an even number the lower of both."""
    return ascending[(len(ascending) - 1) // 2]
