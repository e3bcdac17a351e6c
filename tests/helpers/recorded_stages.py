"""Runs stages one after the other in this process and records which parameters and files each of them reads.

Files opened by libraries that are not Python (weights, a tokenizer) are not seen.
``python recorded_stages.py OUTPUT COMMAND...`` in a project's folder, each command as dvc would start it.
"""

import collections
import dataclasses
import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Names = dict[int, tuple[str, Any]]
# Modules that check or copy whole sections, and a function that does.
CHECKING, CHECKS = {"read_params.py", "methods.py", "schema.py", "dataclasses.py"}, "check_source"
recorded: dict[str, set[str]] = collections.defaultdict(set)
names: Names = {}


def name_sections(section: Any, file: str, key: str = "") -> Iterator[tuple[int, tuple[str, Any]]]:
    """The dotted name of every section (frozen dataclass) within ``section``, by the object's identity."""
    if dataclasses.is_dataclass(section):
        yield id(section), (f"{file}:{key}", section)
        for field in dataclasses.fields(section):
            yield from name_sections(object.__getattribute__(section, field.name), file, f"{key}.{field.name}")
    elif isinstance(section, Mapping):
        for name, value in section.items():
            yield from name_sections(value, file, f"{key}.{name}")


def holds_sections(value: Any) -> bool:
    """Whether values are only read further down."""
    items = value.values() if isinstance(value, Mapping) else [value]
    return any(dataclasses.is_dataclass(item) for item in items)


def record_reading(cls: type) -> None:
    """Note each access to a field of the dataclass, but for those that check or copy all of them."""
    fields = {field.name for field in dataclasses.fields(cls)}

    def read(self: Any, name: str) -> Any:
        value = object.__getattribute__(self, name)
        reader = sys._getframe(1).f_code
        checks = Path(reader.co_filename).name in CHECKING or reader.co_qualname.split(".")[0] == CHECKS
        if name in fields and not checks:
            place, _ = names.get(id(self), ("", None))
            if place and not holds_sections(value):
                recorded["params"].add(f"{place}.{name}".replace(":.", ":"))
        return value

    cls.__getattribute__ = read


def main() -> None:
    output, *commands = sys.argv[1:]
    sys.path[0] = str(Path.cwd())
    from threephase.study import paper_params, params, read_params, source_params

    for cls in (vars(params) | vars(paper_params) | vars(source_params)).values():
        if dataclasses.is_dataclass(cls) and cls is not params.Study:
            record_reading(cls)
    build = read_params.build

    def named(cls: type, content: Any, file: Path) -> Any:
        section = build(cls, content, file)
        names.update(name_sections(section, str(file)))
        return section

    read_params.build = named

    def opened(event: str, details: tuple) -> None:
        if event == "open" and isinstance(details[0], str):
            recorded["files"].add(details[0])

    sys.addaudithook(opened)
    by_command = {}
    for command in commands:
        name, *arguments = command.split('/stages" ')[1].split()
        sys.argv = [name, *arguments]
        recorded.clear()
        importlib.import_module(f"stages.{name}").main()
        by_command[command] = {kind: sorted(read) for kind, read in recorded.items()}
    Path(output).write_text(json.dumps(by_command), encoding="utf-8")


if __name__ == "__main__":
    main()
