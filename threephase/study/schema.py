"""Frozen dataclasses from YAML mappings: unknown, missing, ill-typed and out-of-range keys are refused by name."""

import contextlib
import dataclasses
import difflib
import json
import operator
import re
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import Node

from threephase.base.errors import UserError, first_line, shortened

# What reading a file may cost: its bytes, and the entries and levels that it has with its aliases written out.
MOST_BYTES, MOST_ENTRIES, MOST_LEVELS = 200_000, 20_000, 20
MOST = 300  # characters of a message
LARGEST = 1e15  # number, wherever no other bound is given
NAME = re.compile("[a-z0-9][a-z0-9_]{0,59}")
A_NAME = "a name of at most 60 small letters, digits and _ that begins with no _"

Check = Callable[[Any], str | None]
"""Gets a value of the right type; returns what was expected where the value is refused."""


def checked(check: Check, **kwargs: Any) -> Any:
    """A dataclass field whose values must pass ``check``."""
    return dataclasses.field(metadata={"check": check}, **kwargs)


def number(
    above: float | None = None, least: float | None = None, below: float | None = None, most: float | None = None
) -> Check:
    """A number, or each of a mapping or list, within bounds; above and below exclude them, least and most don't."""
    words, tests = ("above", "at least", "below", "at most"), (operator.gt, operator.ge, operator.lt, operator.le)
    given = [part for part in zip(words, tests, (above, least, below, most), strict=True) if part[2] is not None]

    def check(value: Any) -> str | None:
        values = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        numbers = [item for item in values if isinstance(item, int | float)]
        if all(holds(item, bound) for item in numbers for _, holds, bound in given):
            return None
        return "a number " + " and ".join(f"{word} {bound:,.10g}" for word, _, bound in given)

    return check


def one_of(*allowed: Any) -> Check:
    """One of the values listed."""
    return lambda value: None if value in allowed else "one of: " + ", ".join(map(_show, allowed))


def named(value: str | Collection[str]) -> str | None:
    """A name, or all those of a list or of a mapping's keys: what may stand in a path and on a command line."""
    names = [value] if isinstance(value, str) else value
    odd = next((name for name in names if not NAME.fullmatch(name)), None)
    return None if odd is None else A_NAME if odd == value else f"{A_NAME}, unlike {_show(odd)}"


def not_empty(value: Any) -> str | None:
    """A text, list or mapping with something in it."""
    return None if value else "something that is not empty"


def none_twice(value: list) -> str | None:
    """A list without an entry twice; it may be empty."""
    return None if len(set(value)) == len(value) else "a list, none of its entries twice"


def distinct(value: list) -> str | None:
    """A list with at least one entry and none twice."""
    return None if value and len(set(value)) == len(value) else "a list of at least one entry, none of them twice"


def each_of(*allowed: str) -> Check:
    """A list with at least one entry, none twice, each of those listed."""
    return lambda value: (
        None
        if value and len(set(value)) == len(value) and set(value) <= set(allowed)
        else "a list, none of them twice, of: " + ", ".join(allowed)
    )


def both(first: Check, second: Check) -> Check:
    """What passes two checks."""
    return lambda value: first(value) or second(value)


def refuse_unknown(file: Path, key: str, value: str, known: Collection[str]) -> None:
    """Refuse a name that is not among those known; ``file`` and ``key`` name the place."""
    if not isinstance(value, str) or value not in known:
        raise UserError(f"{file}: {key}: got {_show(value)}, expected one of: {listed(known)}")


def listed(names: Collection[str]) -> str:
    """Names within a message, cut where they are many."""
    return shortened(", ".join(names), 150) or "(none)"


@contextlib.contextmanager
def in_short() -> Iterator[None]:
    """What refuses params takes at most MOST characters, whatever stands in them."""
    try:
        yield
    except UserError as error:
        raise UserError(shortened(str(error), MOST)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping as YAML 1.2, as dvc does (PyYAML would take ``2e-05`` for a text)."""
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth, yaml.composer.warn_double_anchors = MOST_LEVELS, False
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        node = None if len(text) > MOST_BYTES else yaml.compose(text)
        entries, levels = (MOST_ENTRIES + 1, 0) if len(text) > MOST_BYTES else _size(node, {})
        if entries > MOST_ENTRIES or levels > MOST_LEVELS:
            expected = f"{MOST_BYTES:,} bytes, {MOST_ENTRIES:,} entries and {MOST_LEVELS} levels at most"
            raise UserError(
                f"{path}: got more than a file of parameters holds, expected {expected}, aliases written out"
            )
        content = None if node is None else yaml.constructor.construct_document(node)
        repr(content)  # a ValueError for numbers of thousands of digits, which no message could show
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected a YAML file of parameters") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a YAML file of parameters") from None
    except (YAMLError, ValueError, TypeError, LookupError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = shortened(first_line(getattr(error, "problem", None) or error), 100)
        raise UserError(f"{path}{where}: {problem}; expected valid YAML 1.2 with each key once") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: got {_show(content)}, expected a mapping of keys")
    return content


def _size(node: Node | None, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """The entries and levels that a node has with its aliases written out; one that holds itself has too many."""
    if node is None:
        return 0, 0
    if id(node) not in known:
        known[id(node)] = MOST_ENTRIES + 1, 0  # until it is known
        values = [] if isinstance(node.value, str) else node.value
        parts = [part for value in values for part in (value if isinstance(value, tuple) else [value])]
        sizes = [_size(part, known) for part in parts]
        levels = max((levels for _, levels in sizes), default=0)
        known[id(node)] = 1 + sum(entries for entries, _ in sizes), 1 + levels
    return known[id(node)]


def build(cls: type, content: Any, file: Path, key: str = "") -> Any:
    """Make an instance of the dataclass ``cls`` from a mapping; ``file`` and ``key`` name the place in errors.

    A part that is an instance already, read from a file of its own, stays.
    """
    if isinstance(content, cls):
        return content
    if not isinstance(content, Mapping):
        raise _refusal(file, key, content, "a mapping of keys")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in content:
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise UserError(f"{file}: {_join(key, name)}: unknown key{hint}, expected one of: {listed(fields)}")
    hints = typing.get_type_hints(cls)
    values = {}
    for name, field in fields.items():
        place = _join(key, name)
        if name in content:
            values[name] = _convert(hints[name], content[name], file, place)
            check = field.metadata.get("check")
            expected = check(values[name]) if check and values[name] is not None else None
            if expected:
                raise _refusal(file, place, content[name], expected)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f"{file}: {place}: the key is missing, expected {_type_name(hints[name])}")
    return cls(**values)


def _convert(hint: Any, value: Any, file: Path, key: str) -> Any:
    """The value as the type ``hint`` asks, or a refusal."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        for option in arguments:
            kind = dict if dataclasses.is_dataclass(option) else typing.get_origin(option)
            if _is_plain(option, value) or (kind is not None and isinstance(value, kind)):
                return _convert(option, value, file, key)
        raise _refusal(file, key, value, _type_name(hint))
    if dataclasses.is_dataclass(hint):
        return build(hint, value, file, key)
    if origin is list:
        if not isinstance(value, list):
            raise _refusal(file, key, value, _type_name(hint))
        return [_convert(arguments[0], item, file, f"{key}[{index}]") for index, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _refusal(file, key, value, _type_name(hint))
        if len({str(name) for name in value}) < len(value):
            raise _refusal(file, key, value, "keys that differ as texts")
        return {str(name): _convert(arguments[1], item, file, _join(key, name)) for name, item in value.items()}
    if not _is_plain(hint, value):
        raise _refusal(file, key, value, _type_name(hint))
    return float(value) if hint is float else value


def _is_plain(hint: Any, value: Any) -> bool:
    if hint is types.NoneType:
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    return hint in (str, bool) and isinstance(value, hint)


def _type_name(hint: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", types.NoneType: "null"}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type_name(option) for option in arguments)
    if origin is list:
        return f"a list, each entry {_type_name(arguments[0])}"
    if origin is dict:
        return f"a mapping, each value {_type_name(arguments[1])}"
    return names.get(hint, "a mapping of keys")


def _refusal(file: Path, key: str, value: Any, expected: str) -> UserError:
    place = f"{file}: {key}" if key else str(file)
    return UserError(f"{place}: got {_show(value)}, expected {expected}")


def _join(key: str, name: object) -> str:
    return shortened(f"{key}.{name}" if key else str(name), 100)


def _show(value: Any) -> str:
    return shortened(json.dumps(value) if value is None or isinstance(value, bool) else repr(value), 80)
