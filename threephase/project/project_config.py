"""The dvc settings of a study's folder: those of the repository's own, as a nested project inherits none."""

import configparser
import os
from pathlib import Path

from threephase.base.errors import UserError

FILE = Path(".dvc/config")
DEFAULT_CACHE = "cache"  # beside the file
TO_TOP = "../../../.dvc"  # from the folder of a study's config to that of the repository's


def nested_config() -> str:
    """The text of ``studies/<name>/.dvc/config``: the same link type and remotes, and the same cache."""
    parser = configparser.RawConfigParser(interpolation=None)
    parser.optionxform = str
    try:
        parser.read(FILE, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UserError(
            f"{FILE}: {str(error).splitlines()[0]}; expected dvc's settings, a section in [] each"
        ) from None
    sections = {name: dict(parser[name]) for name in parser.sections()}
    cache = sections.get("cache", {})
    sections["cache"] = {"dir": _from_study(cache.get("dir", DEFAULT_CACHE))} | {
        key: value for key, value in cache.items() if key != "dir"
    }
    for name, section in sections.items():
        if "remote " in name and "url" in section:
            section["url"] = _from_study(section["url"])
    lines = [[f"[{name}]", *(f"    {key} = {value}" for key, value in one.items())] for name, one in sections.items()]
    return "".join(f"{line}\n" for section in lines for line in section)


def _from_study(place: str) -> str:
    """A path that the repository's config names, as a study's does; an address and an absolute path stay."""
    if "://" in place or os.path.isabs(place):
        return place
    return Path(os.path.normpath(os.path.join(TO_TOP, place))).as_posix()
