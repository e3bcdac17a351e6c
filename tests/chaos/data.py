"""Read odd, wrong and damaged data files as `make add` does: python tests/chaos/data.py files TRIALS [SEED].

A trial writes one small table in some form, most with a flaw, and reads it as a new study of it would. It must end
within SECONDS in exactly the rows that were written, or in one line of at most 300 signs. Warnings are lines as well.

Silently wrong are other rows than those written, and rows of a table that can't be meant so. Of damaged bytes (a
flipped bit, a part cut off) a file may still be one, of other rows: those must not pass for the rows that were written.
They pass where `expected.sha256` of the definition, taken of the written rows, takes them.
"""

import contextlib
import io
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "tests/helpers")]

import pandas as pd  # noqa: E402
from flawed_files import drawn  # noqa: E402
from odd_files import Files, Row  # noqa: E402
from trials import run_trials  # noqa: E402

from commands.add_study import parser  # noqa: E402
from threephase.base.errors import UserError  # noqa: E402
from threephase.data import cleaning  # noqa: E402
from threephase.project import new_study  # noqa: E402
from threephase.project.new_source import source_of  # noqa: E402
from threephase.report.data_report import data_report  # noqa: E402
from threephase.study.params import Study  # noqa: E402
from threephase.study.read_params import load_study  # noqa: E402
from threephase.study.schema import MOST  # noqa: E402

SECONDS, START = 20, 120  # that a trial may take, and a process that makes trials until its first
GOOD = ("same rows", "refused", "told by the checksum")


def trials(_: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    counts, slowest = Counter(), 0.0
    for kind, outcome, told, seconds in in_processes(count, seed):
        counts[kind, outcome] += 1
        slowest = max(slowest, seconds)
        yield outcome, f"{kind}: {told}"
    for (kind, outcome), times in sorted(counts.items()):
        print(f"{kind}: {times} {outcome}")
    print(f"the slowest took {slowest:.1f} s")


Outcome = tuple[str, str, str, float]
"""A trial's class, what came of it, what was said, and its seconds."""


def in_processes(count: int, seed: int) -> Iterator[Outcome]:
    """Outcomes of so many trials, made in a process that is ended where one takes too long, and begun anew."""
    spawn, number = multiprocessing.get_context("spawn"), 0
    while number < count:
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(target=send_trials, args=(theirs, number, count, seed), daemon=True)
        process.start()
        theirs.close()
        with contextlib.suppress(EOFError):
            patience = START
            while number < count and ours.poll(patience):
                yield ours.recv()
                number, patience = number + 1, SECONDS
        if number < count:
            process.join(1)
            lost = "too slow" if process.is_alive() else f"died with {process.exitcode}"
            process.kill()
            yield "any", lost, repr(drawn(random.Random(f"{seed}/{number}")))[:300], float(SECONDS)
            number += 1
        process.join()


def send_trials(pipe: Connection, first: int, count: int, seed: int) -> None:
    """Make the trials from the ``first`` on in a folder of their own."""
    os.chdir(TOP)
    default = load_study()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for number in range(first, count):
            pipe.send(trial(f"{seed}/{number}", default))


def trial(seed: str, default: Study) -> Outcome:
    """Write the files of a seed into the working folder, which is empty, read them, and remove them."""
    kind, files = drawn(random.Random(seed))
    for name, content in files.content.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    start, printed = time.monotonic(), io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("always")
            outcome, said = judged(kind, files, read(files.words, default))
    except UserError as error:
        said = str(error)
        outcome = "not one short line" if len(said) > MOST or not said.isprintable() else "refused"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        outcome, said = "traceback", f"{type(error).__name__}: {str(error)[:200]} at {place.filename}:{place.lineno}"
    seconds = time.monotonic() - start
    noise = [line for line in printed.getvalue().splitlines() if not line.startswith("warning: ") or len(line) > MOST]
    if noise and outcome in GOOD:
        outcome, said = "noise", noise[0]
    for name in files.content:
        first = Path(name).parts[0]
        shutil.rmtree(first) if Path(first).is_dir() else Path(first).unlink(missing_ok=True)
    return kind, outcome, f"{files.form}, {files.flaw}, {files.words}: {said}"[:900], seconds


def read(words: list[str], default: Study) -> pd.DataFrame:
    """The examples that a new study of these files has, as ``commands.add_study`` makes them, and its report."""
    source, texts, labels = source_of(parser().parse_args(["mine", *words]))
    definition = new_study.dataset_definition("mine", source, texts, labels)
    places, cleaned, examples = new_study.read_examples("mine", definition, default.shared.sources)
    new_study.check_labels(examples, labels)
    study = new_study.study_of("mine", definition, new_study.study_params("mine", default), default.shared)
    data_report(study, places, cleaned, examples, "no encoder", "no estimate")
    return examples


def judged(kind: str, files: Files, examples: pd.DataFrame) -> tuple[str, str]:
    """What it means that these rows were read."""
    rows = list(zip(examples["text"], examples["label"], examples["split"], strict=True))
    if files.rows is not None and rows == once(files.rows):
        return "same rows", ""
    if kind == "damaged bytes":
        written = pd.DataFrame(once(files.rows), columns=["text", "label", "split"])
        if cleaning.content_sha256(examples) != cleaning.content_sha256(written):
            return "told by the checksum", ""
        if sorted(rows) == sorted(once(files.rows)):
            return "same rows", "in another order"
    others = [row for row in rows if row not in (files.rows or [])] or ["fewer"]
    return "silently wrong", f"{len(rows)} rows, such as {others[0]!r}"


def once(rows: list[Row]) -> list[Row]:
    """The first row of each text, as a study takes it."""
    return list({row[0]: row for row in reversed(rows)}.values())[::-1]


if __name__ == "__main__":
    run_trials(__doc__, ["files"], trials, good=GOOD, quick=True)
