"""Errors a user can cause: one line on standard error, exit status 2, no traceback."""

import os
import sys
from collections.abc import Callable
from typing import Any

from threephase.base.faults import described
from threephase.base.lifetime import end_under_dvc, end_with_dvc

STOPPED = "stopped: what is finished, and what trainings saved, is kept; type the same command again to go on"


class UserError(Exception):
    """Something the user can mend; its message is one line: got, expected, what to do."""

    def __init__(self, message: str):
        super().__init__(one_line(message))


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's ``main`` and turn what a user can cause into one line and exit status 2.

    Where dvc runs the stage and it succeeds, this does not return.
    """
    end_with_dvc()
    try:
        main()
        end_under_dvc()
    except UserError as error:
        fail(str(error))
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Who reads the output has seen enough, as head has; Python would say so again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        if not (said := described(error)):
            raise
        fail(said)


def tell_interrupts() -> None:
    """Let Ctrl-C before ``run_stage`` be one line as well."""
    before = sys.excepthook

    def tell(kind: type[BaseException], *rest: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(STOPPED, file=sys.stderr)
        else:
            before(kind, *rest)

    sys.excepthook = tell


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line."""
    return next((line.strip(" .") for line in str(error).splitlines() if line.strip()), type(error).__name__)


def counted(count: int, noun: str) -> str:
    """A number with its noun, of which the plural ends in s."""
    return f"{count} {noun}{'s' * (count != 1)}"


def shortened(text: str, most: int = 60) -> str:
    """What stands within an error's one line, or a table's, cut to so many characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def one_line(message: str) -> str:
    """A message without line ends and signs that steer a terminal."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in message).split())


def fail(message: str) -> None:
    """Print one line and leave with status 2."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    raise SystemExit(2)


def warn(message: str) -> None:
    """Print a one-line warning; the run goes on."""
    print(f"warning: {one_line(message)}", file=sys.stderr, flush=True)
