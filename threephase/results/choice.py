"""Which method to use: chosen by validation scores alone, the best, or one as good at half of its cost."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROUNDING = 1e-9  # of the same percentages, added up in another order
# Of the best one's, where a cheaper one is preferred: nobody gives up points to save a hundredth of a training.
MOST_OF_THE_COST = 0.5
GUESSING = "majority"  # learns nothing from a text, so that it is never chosen


@dataclass(frozen=True)
class Choice:
    """``name``: what to use; ``best``: the highest mean."""

    name: str
    best: str


def choose(validation: Mapping[str, Sequence[float]], costs: Mapping[str, float]) -> Choice:
    """The rule of one standard error (Breiman et al. 1984, section 3.4.3), over seeds instead of folds.

    ``validation``: of each method the validation score of every seed, at least one; ``costs``: of its training, in any
    unit. The best is the one with the highest mean. Of those whose mean is at most one standard error below, at half of
    its cost or less, the cheapest is chosen, of equally cheap ones the better; where there is none, the best. The
    standard error is that of the best one's mean; one seed has none.
    """
    means = {name: math.fsum(scores) / len(scores) for name, scores in validation.items()}
    by_cost = sorted(means, key=lambda name: (costs[name], -means[name]))
    best = next(name for name in by_cost if means[name] >= max(means.values()) - ROUNDING)
    scores = validation[best]
    error = statistics.stdev(scores) / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
    as_good = (name for name in by_cost if means[name] >= means[best] - error - ROUNDING)
    return Choice(next((name for name in as_good if costs[name] <= MOST_OF_THE_COST * costs[best]), best), best)
