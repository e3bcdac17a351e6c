"""Sides of the bench in processes that stay: set up side by side, then measured in turn.

Where an update takes milliseconds, starting a process for each measurement would take nearly all of the time.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time

from performance.measure import ASKED, LIMIT, OURS, READY, Task
from threephase.base.errors import UserError, warn

COMMAND = (sys.executable, "-m", "performance.measure")


class KeptSide(contextlib.AbstractContextManager):
    """A process that sets a side up at once and measures it when it is asked; the others then do nothing."""

    def __init__(self, task: Task):
        self.task, self.what = task, f"performance.measure of {task.side} {task.setting}, {task.phase}, {task.data}"
        command = [*COMMAND, json.dumps(vars(task)), ASKED]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        # No peer asks the hub for what it has: without a network each question would wait for its end.
        self.process = subprocess.Popen(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, **pipes)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def is_ready(self, seconds: float) -> bool:
        """Whether it is set up after so many seconds, else it is ended: a warning of a peer, UserError of our side."""
        # What is ready says so within a moment, however late it is asked.
        end = time.monotonic() + max(1.0, seconds)
        limit = threading.Timer(end - time.monotonic(), self.process.kill)
        limit.start()
        try:
            self._line_with(READY)
            return True
        except UserError as error:
            said = error if time.monotonic() < end else UserError(f"{self.what}: not set up in time")
            if self.task.side in (OURS, LIMIT):
                raise said from None
            warn(str(said))
            return False
        finally:
            limit.cancel()

    def measure(self) -> dict[str, float]:
        """What ``performance.measure`` says; UserError where it ends without."""
        with contextlib.suppress(BrokenPipeError):  # where it has ended, of which its last line tells
            print(file=self.process.stdin, flush=True)
        return json.loads(self._line_with('{"examples_per_s"'))

    def _line_with(self, start: str) -> str:
        """The next line that begins so; the peers print lines of their own."""
        last = "no message"
        for line in iter(self.process.stdout.readline, ""):
            if line.startswith(start):
                return line
            last = line.strip() or last
        raise UserError(f"{self.what}: {last}")
