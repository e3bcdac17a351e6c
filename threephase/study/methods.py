"""The methods of ``threephase/methods/``: a file each, which an entry of ``methods`` in the shared params names.

The only place that finds their code. A file is imported where a study trains its method, so that no other training
depends on it.
"""

import dataclasses
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.params import Method, Shared
from threephase.study.schema import build, refuse_unknown
from threephase.study.settings import MethodSettings, Schedule

PACKAGE = ".".join(paths.METHODS.parts)
TRAIN = "train_encoder"


def with_methods(shared: Shared) -> Shared:
    """The shared params with each method among the variants, behind those that have a stage of their own."""
    files = sorted(file.stem for file in paths.METHODS.glob("[a-z]*.py"))
    for name, method in shared.methods.items():
        if name in shared.variants:
            raise UserError(f"{paths.SHARED_PARAMS}: methods.{name}: got the name of a variant, expected another one")
        refuse_unknown(paths.SHARED_PARAMS, f"methods.{name}.file", method.file, files)
    as_variants = {name: method.as_variant() for name, method in shared.methods.items()}
    return dataclasses.replace(shared, variants=shared.variants | as_variants)


def module_name(file: str) -> str:
    return f"{PACKAGE}.{file}"


def load_method(file: str) -> ModuleType:
    """A method's module, which has ``train_encoder`` and ``Settings``; refuses one that lacks either."""
    place = paths.METHODS / f"{file}.py"
    try:
        module = importlib.import_module(module_name(file))
    except SyntaxError as error:
        raise UserError(f"{place}, line {error.lineno}: {error.msg}; expected Python code") from None
    if not callable(getattr(module, TRAIN, None)):
        raise UserError(f"{place}: got no function {TRAIN}, expected {TRAIN}(run, encoder, tokenizer, settings)")
    settings = getattr(module, "Settings", None)
    if not (dataclasses.is_dataclass(settings) and issubclass(settings, Schedule)):
        raise UserError(f"{place}: got no class Settings, expected a frozen dataclass over Schedule")
    return module


def resolved_settings(name: str, method: Method, of_phase_2: Mapping[str, Any]) -> MethodSettings:
    """All settings of the method called ``name``: its own, and those ``of_phase_2`` that it leaves out.

    Refuses what its file does not know or takes for out of range.
    """
    content = {**of_phase_2, **method.settings}
    place = f"methods.{name}.settings"
    settings = build(load_method(method.file).Settings, content, paths.SHARED_PARAMS, place)
    return MethodSettings(method.file, dataclasses.asdict(settings))


def settings_of(resolved: MethodSettings) -> Schedule:
    """Resolved settings as the instance of ``Settings`` that the method's file takes."""
    return load_method(resolved.file).Settings(**resolved.settings)
