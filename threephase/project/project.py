"""The files that make a study's folder a DVC project of its own; ``make pipelines`` writes them."""

import configparser
import io
import os
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from threephase.base import paths
from threephase.base.errors import UserError, first_line
from threephase.base.files import write_text
from threephase.project.pipeline import pipeline
from threephase.study import resolve
from threephase.study.params import Study
from threephase.study.settings import Machine

RESOLVED_HEADER = """\
# Written by resolve_settings: all that this study uses. dvc params diff and dvc exp show read it; edit params.yaml.
"""
# What a run leaves besides metrics, resolved.yaml and dvc.lock, which dvc refuses where git ignores it.
IGNORED = """\
/runs/
/classifier/
/reports/*
!/reports/metrics/
"""
PLOT_TEMPLATES, CONFIG = Path(".dvc/plots"), Path(".dvc/config")
DEFAULT_CACHE = "cache"  # beside the config
TO_TOP = "../../../.dvc"  # from the folder of a study's config to that of the repository's


class _Representer(SafeRepresenter):
    """Writes lists on one line, and null in full."""


_Representer.add_representer(
    list, lambda dumper, entries: dumper.represent_sequence("tag:yaml.org,2002:seq", entries, flow_style=True)
)
_Representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))


def yaml_text(content: dict[str, Any]) -> str:
    """A mapping as YAML 1.2, its keys in their order."""
    yaml, text = YAML(typ="safe", pure=True), io.StringIO(newline="\n")
    yaml.Representer, yaml.width, yaml.default_flow_style = _Representer, 200, False
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(content, text)
    return text.getvalue()


def resolved_text(study: Study, machine: Machine) -> str:
    """The content of ``resolved.yaml``."""
    return RESOLVED_HEADER + yaml_text(resolve.complete(study, machine))


def write_project(study: Study) -> None:
    """Complete a study's folder: the pipeline, and for another than the default one dvc's and git's settings."""
    for file, text in project_files(study).items():
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)


def project_files(study: Study) -> dict[Path, str]:
    """The generated files of a study with their content."""
    files = {study.folder / paths.PIPELINE: pipeline(study)}
    if study.folder == Path():
        return files
    files[study.folder / ".dvc" / "config"] = nested_config()
    files[study.folder / ".dvc" / ".gitignore"] = "/config.local\n/tmp\n/cache\n"
    files[study.folder / ".gitignore"] = IGNORED
    for template in sorted(PLOT_TEMPLATES.glob("*.json")):
        files[study.folder / template] = template.read_text(encoding="utf-8")
    return files


def nested_config() -> str:
    """The text of ``studies/<name>/.dvc/config``: the repository's link type, remotes and cache."""
    parser = configparser.RawConfigParser(interpolation=None)
    parser.optionxform = str
    try:
        parser.read(CONFIG, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UserError(f"{CONFIG}: {first_line(error)}; expected dvc's settings, a section in [] each") from None
    sections = {name: dict(parser[name]) for name in parser.sections()}
    cache = {"dir": DEFAULT_CACHE} | sections.get("cache", {})
    sections["cache"] = {"dir": _from_study(cache.pop("dir"))} | cache
    lines = []
    for name, section in sections.items():
        if "remote " in name and "url" in section:
            section["url"] = _from_study(section["url"])
        lines += [f"[{name}]", *(f"    {key} = {value}" for key, value in section.items())]
    return "".join(f"{line}\n" for line in lines)


def _from_study(place: str) -> str:
    """A path that the repository's config names, as a study's does; an address and an absolute path stay."""
    if "://" in place or os.path.isabs(place):
        return place
    return Path(os.path.normpath(os.path.join(TO_TOP, place))).as_posix()


def check_pipeline(study: Study) -> None:
    """Refuse a ``dvc.yaml`` that is not the one of the study's params: dvc would run other stages."""
    file = study.folder / paths.PIPELINE
    if not file.is_file():
        raise UserError(f"{file}: no such file, expected the pipeline of {study.file}; run: make pipelines")
    if file.read_text(encoding="utf-8") != pipeline(study):
        raise UserError(
            f"{file}: got another pipeline than {study.file} asks for, expected the generated one; run: make pipelines"
        )


def check_project(study: Study) -> None:
    """Refuse a study's folder in which a generated file is missing, or its ``dvc.yaml`` is another one's."""
    check_pipeline(study)
    for file in project_files(study):
        if not file.is_file():
            raise UserError(f"{file}: no such file, expected it in a study's folder; run: make pipelines")
