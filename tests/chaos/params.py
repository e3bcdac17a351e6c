"""Change params files, definitions and their names at random: python tests/chaos/params.py files TRIALS [SEED].

A trial changes one file of a small copy of the project and reads all studies, data sets and pipelines. What is wrong
must be refused, within SECONDS, by one line of at most 300 signs; what is accepted must have changed something.
"""

import contextlib
import copy
import io
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "tests/helpers")]

from trials import run_trials  # noqa: E402

from threephase.base.errors import UserError  # noqa: E402
from threephase.project.pipeline import pipeline  # noqa: E402
from threephase.study import read_params, schema  # noqa: E402

SECONDS = 20
GOOD = ("refused", "changed", "same")
COPIED = (
    "params.yaml", "shared.yaml", "paper/params.yaml", "data/bbc.yaml", "data/snips.yaml", "data/sst2.yaml",
    "encoders/minilm_l6.yaml", "encoders/minilm_l12.yaml", "encoders/roberta_base.yaml",
    "studies/snips/params.yaml", "studies/snips_l6/params.yaml", "studies/snips_pooling/params.yaml",
)  # fmt: skip
MARK = "value_to_be_replaced"  # in the text that a changed file is written as
NUMBERS = [
    "0", "-1", "1", "2.5", "1e15", "1e16", "-1e308", "1e400", ".nan", ".inf", "-.inf", "4294967296", "1e-400", "0x1f",
    "9" * 400, "-" + "9" * 400, "9" * 5000, "0x" + "f" * 5000, "1_000", "2e-05", "0.1e-3",
]  # fmt: skip
OTHERS = [
    "true", "null", "''", "2024-01-01", "2024-13-45", "2024-01-01T00:00:00Z", "9999-99-99t99:99:99", "!!binary aGk=",
    "!!binary ñ", "!!set {a, b}", "!!omap [a: 1]", "!!int abc", "!!int ''", "!!float ''", "!!bool maybe",
    "!!timestamp x", "!!null x", "!foo bar", "*unknown", "&a [*a]", "{}", "[]", "[[]]", "[null]", "{a: {b: {c: d}}}",
    "[" * 15 + "]" * 15, "[" * 3000 + "]" * 3000, "{a: " * 400 + "1" + "}" * 400, "{? {a: 1} : 2}", "{[1, 2]: 3}",
    "{1: a, '1': b}", "{null: 1}", "{true: 1}", "{2024-01-01: 1}", "{" + "9" * 400 + ": 1}",
    "{0x" + "f" * 5000 + ": 1}", "{<<: 5}", "{<<: [{a: 1}, {b: 2}]}", "'\u202e'", "'\U0001f600'", "'名前'", "'a b'",
    "'e;touch pwned'", "'$(touch pwned)'", "'`touch pwned`'", "'../../etc/passwd'", "'-rf'", "'--help'",
    "'" + "a" * 61 + "'", "'" + "a" * 9000 + "'", '"\\e[31m\\a\\r\\n"', '"\\0"', "'${seeds}'",
    "!!python/object/apply:os.system ['touch pwned']",
]  # fmt: skip
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
LADDER = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], y{n}: 1}}\n" for n in range(1, 12)
)
WHOLE = [
    "", "# nothing\n", "- a list\n", "one text\n", "a: 1\n---\nb: 2\n", BOMB, LADDER, MERGES, "a: " + "[" * 50_000,
    "x: 1\n" * 2, "\ufeffname: bbc\n", "%YAML 1.1\n---\nname: bbc\n", "%YAML 9.9\n---\nname: bbc\n", "? \n: \n", "\t",
    "a: b\n" + "".join(f"k{n}: [" + "[]," * 20 + "]\n" for n in range(3000)), "a: |\n" + " text\n" * 100_000,
]  # fmt: skip
NAMES = [
    "e;touch pwned",
    "$(touch pwned)",
    "Upper",
    "a b",
    "-rf",
    "_a",
    "é",
    "名前",
    "a" * 61,
    "a.b",
    "a'b",
    'a"b',
    "a\nb",
]


class TooSlow(Exception):
    """A trial takes longer than it may."""


def trials(_: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Outcomes of so many trials: refused, changed, same, or a fault."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name), reading_once():
        for file in (*COPIED, "paper/tables.csv"):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / file, file)
        texts = {file: Path(file).read_bytes() for file in COPIED}
        contents = {file: schema.read_yaml(Path(file)) for file in COPIED}
        good = read_all()
        for _ in range(count):
            file = draw.choice(COPIED)
            told, restore = change(draw, file, copy.deepcopy(contents[file]))
            outcome, said = attempt(good)
            if outcome == "same" and "=" in told and differs(file, contents[file]):
                outcome = "accepted and ignored"
            restore(texts[file])
            if Path("pwned").exists():
                outcome = "ran a command"
            yield outcome, f"{file}: {told}: {said}"[:600]


@contextlib.contextmanager
def reading_once() -> Iterator[None]:
    """Parse no file again that is as it was or as it was last: most of the time would go there."""
    read = schema.read_yaml
    first, last = {}, {}

    def remembered(path: Path) -> dict[str, Any]:
        text = path.read_bytes() if path.is_file() else None
        for known in (first, last):
            if text is not None and known.get(path, (None,))[0] == text:
                return known[path][1]
        (last if path in first else first)[path] = text, read(path)
        return last.get(path, first[path])[1]

    read_params.read_yaml = remembered
    try:
        yield
    finally:
        read_params.read_yaml = read


def read_all() -> tuple:
    """All that a command reads before anything runs; UserError for the first thing that is wrong."""
    studies, datasets, paper = read_params.read_studies(), read_params.load_datasets(), read_params.load_paper()
    for study in studies.values():
        if isinstance(study, UserError):
            raise study
    return studies, datasets, paper, [pipeline(study) for study in studies.values()]


def attempt(good: tuple) -> tuple[str, str]:
    """What reading all comes to, and what is said."""

    def stop(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    start, printed = time.monotonic(), io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            read = read_all()
    except UserError as error:
        said = str(error)
        bad = len(said) > schema.MOST or not said.isprintable() or printed.getvalue()
        return ("not one short line" if bad else "refused"), f"{said!r} {printed.getvalue()[:200]}"
    except TooSlow:
        return "too slow", f"{time.monotonic() - start:.0f} s"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{type(error).__name__}: {str(error)[:200]} at {place.filename}:{place.lineno}"
    finally:
        signal.alarm(0)
    return ("same" if read == good else "changed"), ""


def differs(file: str, content: dict[str, Any]) -> bool:
    """Whether a file's content is no longer what it was."""
    with contextlib.suppress(Exception):
        return schema.read_yaml(Path(file)) != content
    return False


def change(draw: random.Random, file: str, content: dict[str, Any]) -> tuple[str, Any]:
    """Change a file in one way; returns which, and what undoes it, given the file's bytes as they were."""
    path, kind = Path(file), draw.random()

    def write_back(text: bytes) -> None:
        path.write_bytes(text)

    if kind < 0.7:
        told, text = changed_value(draw, content)
        path.write_text(text, encoding="utf-8")
    elif kind < 0.8:
        told, text = "another text", draw.choice(WHOLE)
        path.write_text(text, encoding="utf-8")
    elif kind < 0.93:
        text = bytearray(path.read_bytes())
        place = draw.randrange(len(text))
        if draw.random() < 0.3:
            told, text = f"cut off at byte {place}", text[:place]
        else:
            told = f"another byte {place}"
            text[place : place + draw.randrange(2)] = draw.randbytes(1)
        path.write_bytes(text)
    elif kind < 0.95:
        path.unlink()
        path.mkdir()

        def write_back(text: bytes) -> None:
            path.rmdir()
            path.write_bytes(text)

        told = "a folder"
    else:
        return renamed(draw, path)
    return told, write_back


def renamed(draw: random.Random, path: Path) -> tuple[str, Any]:
    """Add a definition or a study by an odd name."""
    name = draw.choice(NAMES)
    is_study = path.parts[0] == "studies" or len(path.parts) == 1
    new = Path("studies", name, "params.yaml") if is_study else path.with_name(f"{name}.yaml")
    new.parent.mkdir(exist_ok=True)
    shutil.copy(path, new)
    if is_study:
        new.write_text("base: snips\nseeds: [0]\n")

    def remove(_: bytes) -> None:
        shutil.rmtree(new.parent) if is_study else new.unlink()

    return f"= {name!r}", remove


def changed_value(draw: random.Random, content: dict[str, Any]) -> tuple[str, str]:
    """One entry replaced, renamed, removed, mistyped or added; returns what was done, and the file's new text."""
    places = list(places_of(content))
    parent, key = draw.choice(places)
    old, raw, kind = parent[key], MARK, draw.random()
    if kind < 0.6:
        raw = draw.choice([*NUMBERS, *NUMBERS, *OTHERS] if isinstance(old, int | float) else [*NUMBERS, *OTHERS])
        parent[key], told = MARK, f"{key} = {raw[:80]}"
    elif kind < 0.7 and isinstance(parent, dict):
        new = mistyped(draw, str(key))
        parent[new], told = parent.pop(key), f"key {key} mistyped{' =' * (new != str(key))}"
    elif kind < 0.8:
        if isinstance(parent, dict):
            parent.pop(key)
        else:
            del parent[key]
        told = f"{key} removed"
    elif kind < 0.9 and isinstance(old, str) and old:
        parent[key] = mistyped(draw, old)
        told = f"{key} = {parent[key]!r}"
    elif isinstance(parent, list):
        parent.append(old)
        told = f"{key} twice ="
    else:
        parent[key], told = draw.choice([[old], {"a": old}, str(old), [old, old]]), f"{key} = {old!r} wrapped"
    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.width, yaml.allow_unicode = 10_000, True
    yaml.dump(content, text)
    return told, text.getvalue().replace(MARK, raw)


def mistyped(draw: random.Random, text: str) -> str:
    place = draw.randrange(len(text))
    return text[:place] + draw.choice(["", "x", "_", " ", text[place] * 2, text[place].swapcase()]) + text[place + 1 :]


def places_of(content: Any) -> Iterator[tuple[Any, Any]]:
    """Each entry of a tree, as what holds it and its key or number there."""
    for key in list(content) if isinstance(content, dict) else range(len(content)):
        yield content, key
        if isinstance(content[key], dict | list):
            yield from places_of(content[key])


if __name__ == "__main__":
    run_trials(__doc__, ["files"], trials, good=GOOD, quick=True)
