"""How long a process may live: no longer than what started it, and a stage no longer than its work."""

import atexit
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

OWNER = "STAGE_OWNER"  # the worker's process that runs a stage, where dvc does not


def runs_under_dvc() -> bool:
    """Whether dvc started this process or one above it."""
    return "DVC_STAGE" in os.environ


def is_dvc(process: "psutil.Process") -> bool:
    """Whether a process is dvc, or keeps its books in its place."""
    names = [Path(word).name for word in process.cmdline()[:3]]
    return any("dvc" in name or name == "commands.distribute" for name in names)


def end_with_dvc() -> None:
    """End this process within a second of the dvc, or of the worker, that started it.

    A killed dvc leaves its children running; two of them would then write the same outputs. Does
    nothing where no dvc is among the ancestors.
    """
    if not runs_under_dvc():
        return
    import psutil

    owner, watched = int(os.environ.get(OWNER, 0)), []
    for ancestor in psutil.Process().parents():
        watched.append(ancestor)
        if ancestor.pid == owner or is_dvc(ancestor):
            break
    else:
        if not owner:
            return
        os._exit(1)  # its worker is gone already

    def watch() -> None:
        try:
            while all(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in watched):
                time.sleep(1)
        finally:  # one that ends between the two questions raises
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end with dvc").start()


def end_with_parent() -> None:
    """End this process of ``multiprocessing`` with the one that started it, however that ends.

    A killed parent leaves it waiting for the next task for ever.
    """
    import multiprocessing

    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end with parent").start()


def end_under_dvc() -> None:
    """End a stage that dvc runs, with status 0, after what is registered for its end; elsewhere return.

    Python would take its modules down one by one first, 0.9 s after a training; the system frees all at once.
    """
    if not runs_under_dvc():
        return
    atexit._run_exitfuncs()  # not public, but what Python's own end calls
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
