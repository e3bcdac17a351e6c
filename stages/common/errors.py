"""Errors a user can cause: one line on standard error, exit status 2, no traceback."""

import errno
import sys
from collections.abc import Callable

from stages.common.lifetime import end_with_dvc


class UserError(Exception):
    """Something the user can mend; its message is one line: got, expected, what to do."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's ``main`` and turn what a user can cause into one line and exit status 2."""
    end_with_dvc()
    try:
        main()
    except UserError as error:
        fail(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fail(
            f"{error.filename or 'output'}: the disk is full; no half-written file has a final name; "
            "free some space and run again"
        )


def fail(message: str) -> None:
    """Print one line and leave with status 2."""
    print("error: " + " ".join(message.split()), file=sys.stderr)
    raise SystemExit(2)


def warn(message: str) -> None:
    """Print a one-line warning; the run goes on."""
    print("warning: " + " ".join(message.split()), file=sys.stderr, flush=True)
