"""The code that can change a stage's result: the modules that it imports, directly or not, and their checksums."""

import ast
import functools
import hashlib
from collections.abc import Collection
from pathlib import Path

ROOT = "stages"
# What changes no result: where files lie, what errors say, how parameters are read (the settings hold their values).
BASE = {
    "stages", "stages.common", "stages.common.arguments", "stages.common.config", "stages.common.errors",
    "stages.common.files",
    "stages.common.lifetime", "stages.common.paths", "stages.common.provenance", "stages.common.run_reports",
    "stages.common.schema", "stages.common.settings", "stages.common.source_settings", "stages.common.paper_settings",
    "stages.common.topology", "stages.common.training_settings", "stages.common.engine",
}  # fmt: skip
# Of these, what a report prints: titles, and commands.
SHOWN = {"stages.common.settings", "stages.common.topology"}


def modules_of(stage: str, top: Path = Path(), leave_out: Collection[str] = BASE) -> list[Path]:
    """The files of a stage's module and of what it imports, without ``leave_out``, relative to ``top``, sorted."""
    found, waiting = set(), [f"{ROOT}.{stage}"]
    while waiting:
        module = waiting.pop()
        if module in found or module in leave_out:
            continue
        found.add(module)
        waiting += _imports(_file(module, top), top)
    return sorted(_file(module, top) for module in found)


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
    found = []
    for node in _nodes(ast.parse((top / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = [f"{node.module}.{name.name}" for name in node.names]
            found += [part if _is_module(part, top) else node.module for part in parts]
    return tuple(module for module in dict.fromkeys(found) if module.split(".")[0] == ROOT)


def _nodes(tree: ast.AST):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node)


def _is_module(name: str, top: Path) -> bool:
    plain = top / Path(*name.split("."))
    return plain.with_suffix(".py").is_file() or (plain / "__init__.py").is_file()
