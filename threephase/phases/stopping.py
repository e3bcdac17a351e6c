"""When phase 3 ends early: the two rules that a protocol can name, asked once an epoch, in order."""

from threephase.study.settings import Classifying

MOST_RISES, MOST_RESTARTS = 5, 10


class Patience:
    """Ends after ``patience`` epochs in a row without a better one; epochs within the warm-up don't count."""

    def __init__(self, patience: int):
        self.patience, self.waited = patience, 0

    def ends(self, better: bool, loss: float, warming_up: bool) -> bool:
        """Whether training ends; ``better``: the epoch is the best so far, ``loss``: of the selection rows."""
        if better:
            self.waited = 0
        elif not warming_up:
            self.waited += 1
        return self.waited >= self.patience


class Restarts:
    """The authors' code: ends after five rises of the loss in a row, or after many falls that broke such a row.

    A rise against the epoch before adds one to a counter, anything else resets it; the reset of a counter that is
    not zero is a restart, of which there may be min(max_epochs / 2, 10).
    """

    def __init__(self, max_epochs: int):
        self.most_restarts = min(max_epochs / 2, MOST_RESTARTS)
        self.rises = self.restarts = 0
        self.last: float | None = None

    def ends(self, better: bool, loss: float, warming_up: bool) -> bool:
        """As that of ``Patience``."""
        if self.last is not None and loss > self.last:
            self.rises += 1
        else:
            self.restarts += self.rises > 0
            self.rises = 0
        self.last = loss
        return self.rises >= MOST_RISES or self.restarts >= self.most_restarts


def new_stopping(settings: Classifying) -> Patience | Restarts:
    """The rule that the protocol names: ``patience`` or ``restarts``."""
    return Patience(settings.patience) if settings.stopping == "patience" else Restarts(settings.max_epochs)
