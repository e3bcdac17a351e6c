"""Two trainings that count as one: a piece for the loops of methods."""

from threephase.phases.optimization import Optimization


def consecutive(first: Optimization, second: Optimization) -> Optimization:
    """The second with the history of both: the first's steps are epoch 1, its own epoch 2, and time is that of both."""
    later = [line | {"step": first.steps + line["step"], "epoch": 2} for line in second.history]
    second.history, second.steps = first.history + later, first.steps + second.steps
    second.progress.seconds += first.progress.seconds
    return second
