"""The methods of ``threephase/methods/``: a file each, which an entry of ``methods`` in the shared params names.

The only place that finds their code. A file is imported where a study trains its method, so that no other training
depends on it.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.params import DENOISED, METHOD, PRETRAINED, Method, Shared, Variant
from threephase.study.schema import build, refuse_unknown
from threephase.study.settings import MethodSettings, Schedule
from threephase.study.topology import DENOISE

CODE = Path(__file__).parents[1] / paths.METHODS.name  # beside this code, wherever the params files lie
PACKAGE = ".".join(paths.METHODS.parts)
FUNCTIONS = {"encoder": "train_encoder", "head": "initial_head", "classifier": "fitted_classifier"}  # by what they make


def with_methods(shared: Shared) -> Shared:
    """The shared params with each method among the variants, behind those that have a stage of their own."""
    files = sorted(file.stem for file in CODE.glob("[a-z]*.py"))
    for name, method in shared.methods.items():
        if name in shared.variants:
            raise UserError(f"{paths.SHARED_PARAMS}: methods.{name}: got the name of a variant, expected another one")
        refuse_unknown(paths.SHARED_PARAMS, f"methods.{name}.file", method.file, files)
        if "classifier" in method.makes and ("head" in method.makes or method.recipe):
            given = "a head" if "head" in method.makes else "a recipe"
            raise UserError(
                f"{paths.SHARED_PARAMS}: methods.{name}: got {given} beside a classifier, which replaces phase 3; "
                "expected one of both"
            )
    as_variants = {name: _as_variant(method) for name, method in shared.methods.items()}
    return dataclasses.replace(shared, variants=shared.variants | as_variants)


def _as_variant(method: Method) -> Variant:
    """What tables, pages and phase 3 know of a method: one that makes no encoder goes on from that of its start."""
    start = {PRETRAINED: PRETRAINED, DENOISED: DENOISE}[method.start]
    return Variant(method.title, METHOD if "encoder" in method.makes else start, method.recipe)


def module_name(file: str) -> str:
    return f"{PACKAGE}.{file}"


def load_method(file: str) -> ModuleType:
    """A method's module, whose ``Settings`` is a dataclass; refuses another one."""
    place = paths.METHODS / f"{file}.py"
    try:
        module = importlib.import_module(module_name(file))
    except SyntaxError as error:
        raise UserError(f"{place}, line {error.lineno}: {error.msg}; expected Python code") from None
    if not dataclasses.is_dataclass(getattr(module, "Settings", None)):
        raise UserError(f"{place}: got no class Settings, expected a frozen dataclass of its settings")
    return module


def maker_in(file: str, made: str) -> Callable[..., Any]:
    """The function of a method's file that makes an encoder, head or classifier; refuses a file without it."""
    module, name = load_method(file), FUNCTIONS[made]
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(
            f"{paths.METHODS / file}.py: got no function {name}, expected {name}(run, encoder, tokenizer, settings)"
        )
    if made == "encoder" and not issubclass(module.Settings, Schedule):
        raise UserError(f"{paths.METHODS / file}.py: Settings: got no Schedule, expected class Settings(Schedule)")
    return function


def resolved_settings(name: str, method: Method, of_study: Mapping[str, Any]) -> MethodSettings:
    """All settings of the method called ``name``: its own, and those ``of_study`` that it has and leaves out.

    Of the study are phase 2's schedule and phase 1's noise. Refuses a file without what it makes, and what it does not
    know or takes for out of range.
    """
    for made in method.makes:
        maker_in(method.file, made)
    kind = load_method(method.file).Settings
    known = {field.name for field in dataclasses.fields(kind)}
    content = {key: value for key, value in of_study.items() if key in known} | method.settings
    settings = build(kind, content, paths.SHARED_PARAMS, f"methods.{name}.settings")
    return MethodSettings(method.file, dataclasses.asdict(settings))


def settings_of(resolved: MethodSettings) -> Any:
    """Resolved settings as the instance of ``Settings`` that the functions of the method's file take."""
    return load_method(resolved.file).Settings(**resolved.settings)
