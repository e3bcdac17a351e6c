"""The settings of a study in a revision: ``resolved.yaml`` as its last run wrote it, and what its params files say."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.project.project import resolved_text
from threephase.study.params import Study
from threephase.study.read_params import load_study

MACHINE = "machine"  # the part of resolved.yaml that params files do not give
Reader = Callable[[Path], bytes | None]
"""Gives a file's content by its path from the top folder; None where the revision has none."""


def resolved(folder: Path, read: Reader) -> dict[str, Any] | None:
    """The settings that the last run of the study in ``folder`` wrote; None where there are none."""
    content = read(folder / paths.RESOLVED)
    return None if content is None else parsed(content, folder / paths.RESOLVED)


def of_params_files(study: str, files: list[Path], read: Reader) -> dict[str, Any] | None:
    """The same from the revision's params files, but for the machine; None where they are not of this code.

    ``files``: all that ``load_study`` may read, by their paths from the top folder.
    """
    from threephase.study.settings import Machine

    contents = {file: content for file in files if (content := read(file)) is not None}
    with tempfile.TemporaryDirectory() as temporary:
        for file, content in contents.items():
            (Path(temporary) / file).parent.mkdir(parents=True, exist_ok=True)
            (Path(temporary) / file).write_bytes(content)
        with contextlib.chdir(temporary):
            try:
                text = resolved_text(load_study(study), Machine("cpu", "fp32", 1))
            except UserError:
                return None
    found = parsed(text.encode(), Path(paths.RESOLVED))
    del found[MACHINE]
    return found


def parsed(content: bytes, file: Path) -> dict[str, Any]:
    """YAML as dvc reads it."""
    from dvc.utils.serialize import parse_yaml

    return parse_yaml(content.decode("utf-8"), str(file))


def own_settings(study: Study) -> dict[str, Any]:
    """The keys of a study's params file, those of its base filled in, in the form of ``resolved.yaml``."""
    return {key: value for key, value in dataclasses.asdict(study.params).items() if key != "name"}


def changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Key, first and second value of every setting that differs, by dvc's own difference."""
    from dvc.utils.diff import diff, format_dict

    sides = [format_dict({"": {"data": dict(side)}}) for side in (first, second)]
    found = diff(*sides).get("", {})
    return [(key, values["old"], values["new"]) for key, values in sorted(found.items())]


def changed_in_both(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The same of the sections that both have, where one side was written by other code or holds a part alone."""
    common = [key for key in first if key in second]
    return changed({key: first[key] for key in common}, {key: second[key] for key in common})
