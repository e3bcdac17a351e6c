"""Runs one stage again and again and kills it (SIGKILL) at every moment at which it changes the disk.

``python killed_stage.py COMMAND OUTPUT...`` in a project's folder. Before each run the outputs are removed as dvc
does; what other runs left under temporary names stays. Prints a line of JSON a run: where it was killed (null in the
last one, which was not) and what then lies below the outputs.
"""

import hashlib
import importlib
import itertools
import json
import os
import shutil
import signal
import sys
from pathlib import Path

WRITING = {"w", "x", "a", "+"}
SLOW = ("pandas", "pyarrow.parquet", "sklearn.feature_extraction.text", "threephase.phases.training_run")


def die_at(moment: int) -> None:
    """Kill this process just before it opens a file for writing, renames or removes for the ``moment``-th time."""
    count, root = itertools.count(), str(Path.cwd())

    def watch(event: str, details: tuple) -> None:
        opens = event == "open" and isinstance(details[1], str) and WRITING & set(details[1])
        if not opens and event not in ("os.rename", "os.remove", "os.rmdir"):
            return
        inside = isinstance(details[0], str | Path) and str(Path(details[0]).absolute()).startswith(root)
        if inside and next(count) == moment:
            os.write(2, f"{event} {details[0]}".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main() -> None:
    command, *outputs = sys.argv[1:]
    sys.path[0] = str(Path.cwd())
    name, *sys.argv[1:] = command.split('/stages" ')[1].split()
    stage = importlib.import_module(f"stages.{name}")
    # Once for all runs: each is a fork of this process.
    for slow in SLOW:
        importlib.import_module(slow)
    for moment in itertools.count():
        for output in map(Path, outputs):
            shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.dup2(write, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            die_at(moment)
            stage.main()
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or status == 0, said
        print(json.dumps([said if killed else None, contents(outputs)]), flush=True)
        if not killed:
            return


def contents(outputs: list[str]) -> dict[str, str | list[str]]:
    """The checksum of every file below the outputs; of a report, which holds timings, its keys."""
    files = [file for output in map(Path, outputs) for file in (output.rglob("*") if output.is_dir() else [output])]
    return {
        str(file): sorted(json.loads(file.read_bytes()))
        if "reports" in file.parts
        else hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


if __name__ == "__main__":
    main()
