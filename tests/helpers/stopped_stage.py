"""Runs stages that save themselves behind each update, kills them, and runs them again to their end.

``python stopped_stage.py SEED KILLS`` in a project's folder; on standard input a line of JSON a stage: its command and
its outputs. Each is killed so often, at random, behind a save or at any moment, before it is left alone. Prints a line
of JSON: the outputs' checksums of an undisturbed run, those that lay there behind the last kill, and those of the end;
and from which updates it went on.
"""

import importlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from killed_stage import SLOW, contents

UNFINISHED = "runs/unfinished"


def run(stage, arguments: list[str], kill_behind: int = 0, kill_after: float = 0.0) -> tuple[int, float]:
    """Run a stage in a fork, to be killed behind its so many-th save or after so many seconds (0: not).

    Returns how often it saved, and its seconds.
    """
    start = time.monotonic()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        save_each_update(write, kill_behind)
        if kill_after:
            threading.Timer(kill_after, os.kill, [os.getpid(), signal.SIGKILL]).start()
        sys.argv[1:] = arguments
        stage.main()
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        saves = len(pipe.read())
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert status == 0 or (killed and (kill_behind or kill_after)), status
    return saves, time.monotonic() - start


def save_each_update(pipe: int, kill_behind: int) -> None:
    """Write a dot to the pipe for each save, and die behind that with the number ``kill_behind`` (from 1)."""
    from threephase.phases import saves

    saves.NOTHING_BEFORE = saves.SAVE_EVERY = 0.0
    write_save, numbers = saves.StageSaves.write, itertools.count(1)

    def write_and_die(*of_training, **options) -> None:
        write_save(*of_training, **options)
        os.write(pipe, b".")
        if next(numbers) == kill_behind:
            os.kill(os.getpid(), signal.SIGKILL)

    saves.StageSaves.write = write_and_die


def remove(outputs: list[str]) -> None:
    """As dvc does before it runs a stage."""
    for output in map(Path, outputs):
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)


def main() -> None:
    draw, kills = random.Random(int(sys.argv[1])), int(sys.argv[2])
    sys.path[0] = str(Path.cwd())
    for slow in SLOW:
        importlib.import_module(slow)
    for line in sys.stdin:
        command, outputs = json.loads(line)
        name, *arguments = command.split('/stages" ')[1].split()
        stage = importlib.import_module(f"stages.{name}")
        remove(outputs)
        saves, seconds = run(stage, arguments)
        undisturbed = contents(outputs)
        for _ in range(kills):
            remove(outputs)
            behind_a_save = draw.random() < 0.5
            at = (
                {"kill_behind": draw.randint(1, saves)}
                if behind_a_save
                else {"kill_after": draw.uniform(0.05, seconds)}
            )
            run(stage, arguments, **at)
        left = contents(outputs)
        remove(outputs)
        run(stage, arguments)
        (report,) = [json.loads(Path(output).read_bytes()) for output in outputs if "/reports/" in output]
        told = {"saves": saves, "from": report.get("went_on_from_updates"), "unfinished": contents([UNFINISHED])}
        print(json.dumps([undisturbed, left, contents(outputs), told]), flush=True)


if __name__ == "__main__":
    main()
