"""The code that can change a stage's result: the modules that it imports, directly or not, and their checksums."""

import ast
import functools
import hashlib
from collections.abc import Collection
from pathlib import Path

CODE = ("stages", "threephase")
# What changes no result: how errors read and files lie, and how parameters become settings, whose values are compared.
PLUMBING = ("threephase.base", "threephase.study")
# Of these, what a report prints: titles, commands, and what a protocol does.
SHOWN = ("threephase.study.params", "threephase.study.topology", "threephase.study.rules")


def modules_of(
    stage: str, shown: Collection[str] = (), by_name: Collection[str] = (), top: Path = Path()
) -> list[Path]:
    """The files of a stage's module and of what it imports, relative to ``top``, sorted.

    ``shown``: the modules of plumbing that count all the same; ``by_name``: those that the stage imports by their name.
    """
    modules, waiting = set(), [f"stages.{stage}", *by_name]
    while waiting:
        module = waiting.pop()
        if module in modules or (module.startswith(PLUMBING) and module not in shown):
            continue
        modules.add(module)
        waiting += _imports(_file(module, top), top)
    return sorted(_file(module, top) for module in modules)


def checksums(files: list[Path], top: Path = Path()) -> dict[str, str]:
    """The beginning of each file's sha256, by its name below ``top``."""
    return {file.as_posix(): _checksum(top / file) for file in files}


@functools.cache
def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _file(module: str, top: Path) -> Path:
    plain = Path(*module.split("."))
    file = plain.with_suffix(".py")
    return file if (top / file).is_file() else plain / "__init__.py"


@functools.cache
def _imports(file: Path, top: Path) -> tuple[str, ...]:
    """The modules of the project that a file imports, anywhere but for type checkers alone."""
    names = []
    for node in _nodes(ast.parse((top / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = [f"{node.module}.{name.name}" for name in node.names]
            names += [part if (top / _file(part, top)).is_file() else node.module for part in parts]
    return tuple(module for module in dict.fromkeys(names) if module.split(".")[0] in CODE)


def _nodes(tree: ast.AST):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node)
