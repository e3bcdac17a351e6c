"""Runs of one study take turns: the second waits for the first, and then finds made what that one has made.

So does a run that comes while ``make doctor`` looks at the study; doctor itself does not wait for runs.
"""

import contextlib
import errno
import fcntl
import os
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path

PLACE = Path(".dvc/tmp/turn")  # of a study, not in git; it names the process that has the turn
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of the file system: dvc's own lock then refuses the second


@contextlib.contextmanager
def turn(folders: Collection[Path], *, waits: bool = True) -> Iterator[None]:
    """Hold the turn of studies, given by their folders; says one line where it waits for another process.

    Where another process has it and this one does not wait, raises BlockingIOError. The system frees it with the
    process that holds it, however that ends.
    """
    with contextlib.ExitStack() as ends:
        for folder in sorted(set(folders)):  # in one order, so that no two wait for each other
            file = folder / PLACE
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = ends.enter_context(file.open("a+", encoding="utf-8"))
            _take(lock, folder, waits)
            lock.truncate(0)
            lock.write(f"process {os.getpid()} since {time.strftime('%H:%M:%S')}")
            lock.flush()
            ends.callback(lock.truncate, 0)
        yield


def _take(lock, folder: Path, waits: bool) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not waits:
            raise
        lock.seek(0)
        holder = lock.read() or "another process"
        name = folder.name or "the default study"
        print(f"waiting: {holder} works in {name}; this one goes on when that ends", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
