"""The one layout of all pages: templates, style and script put into a single file that loads nothing."""

import base64
import functools
import hashlib
import os
from pathlib import Path
from typing import Any

import jinja2

from threephase.results.costs import NOT_RECORDED
from threephase.results.tables import MISSING

TEMPLATES = Path(__file__).with_name("templates")
STYLES = ("report.css", "drawings.css", "details.css", "print.css")
SCRIPTS = ("report.js", "cells.js", "copy.js")


def render(template: str, **context: Any) -> str:
    """A page as text. Every value of ``context`` is escaped where it is printed, whatever it holds."""
    style, script = _joined(STYLES), _joined(SCRIPTS)
    fixed = {"style": style, "script": script, "policy": _policy(style, script)}
    return _engine().get_template(template).render(fixed, missing=MISSING, not_recorded=NOT_RECORDED, **context)


def render_drawing(template: str, **context: Any) -> str:
    """A drawing as a file of its own, which brings its style with it."""
    return _engine().get_template(template).render(style=_joined(("drawings.css",)), **context)


@functools.cache
def _engine() -> jinja2.Environment:
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    engine.filters["quantity"] = quantity
    engine.filters["name"] = lambda text: text.replace(" ", "-")
    return engine


def link(page: Path, folder: Path) -> str:
    """The address of a page on another one that lies in ``folder``."""
    return Path(os.path.relpath(page, folder)).as_posix()


def quantity(value: float | None, digits: int = 0) -> str:
    """A count, time or rate with thousands separated; said where nothing was recorded."""
    return NOT_RECORDED if value is None else f"{value:,.{digits}f}"


def _joined(names: tuple[str, ...]) -> str:
    return "\n" + "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _policy(style: str, script: str) -> str:
    """The content security policy: this style, this script and embedded images, and nothing from anywhere."""
    return (
        f"default-src 'none'; style-src {_checksum(style)}; script-src {_checksum(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _checksum(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
