"""The methods of ``threephase/methods/``: a file each, which an entry of ``methods`` in the shared params names.

The only place that finds their code. A file is imported where a study trains its method, so that no other training
depends on it.
"""

import dataclasses
import importlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.params import DENOISED, METHOD, NOISE, PAIRS, PRETRAINED, Method, Shared, Variant
from threephase.study.schema import build, refuse_unknown
from threephase.study.settings import MethodSettings
from threephase.study.topology import CONTRAST, CONTRAST_PRETRAINED, DENOISE, JOINT_TRAINING

CODE = Path(__file__).parents[1] / paths.METHODS.name  # beside this code, wherever the params files lie
PACKAGE = ".".join(paths.METHODS.parts)
# By what they make: the function's name, and its arguments.
FUNCTIONS = {
    "encoder": "train_encoder(run, encoder, tokenizer, settings)",
    "head": "initial_head(run, encoder, tokenizer, settings)",
    "adapter": "add_adapter(run, encoder, settings)",
    "classifier": "fitted_classifier(run, encoder, tokenizer, settings)",
}


def with_methods(shared: Shared) -> Shared:
    """The shared params with each method among the variants, behind those that have a stage of their own."""
    files = sorted(file.stem for file in CODE.glob("[a-z]*.py"))
    for name, method in shared.methods.items():
        if name in shared.variants:
            raise UserError(f"{paths.SHARED_PARAMS}: methods.{name}: got the name of a variant, expected another one")
        refuse_unknown(paths.SHARED_PARAMS, f"methods.{name}.file", method.file, files)
        _check_shape(f"{paths.SHARED_PARAMS}: methods.{name}", method)
    for name, head in shared.heads.items():
        refuse_unknown(paths.SHARED_PARAMS, f"heads.{name}.file", head.file, files)
    as_variants = {name: _as_variant(method) for name, method in shared.methods.items()}
    return dataclasses.replace(shared, variants=shared.variants | as_variants)


def with_heads(shared: Shared, named: Collection[str], file: Path) -> Shared:
    """The shared params with the heads that a study's ``file`` has ``named``: each reads the encoder of its variant."""
    variants, methods = dict(shared.variants), dict(shared.methods)
    for name in named:
        for suffix, head in shared.heads.items():
            owner = name.removesuffix(f"_{suffix}")
            if name in shared.variants or owner not in shared.variants or owner == name:
                continue
            makes = shared.variants[owner]
            if makes.encoder_from == PRETRAINED or makes.encoder_of is not None:
                expected = f"the {head.title} of a variant that has its own; of the pre-trained one a baseline"
                raise UserError(f"{file}: variants: got {name!r}, but {owner} makes no encoder; expected {expected}")
            title = f"{makes.title}, {head.title}"
            variants[name] = Variant(title, makes.encoder_from, None, encoder_of=owner)
            methods[name] = Method(title, head.file, ["classifier"], [owner], None, head.settings)
    return dataclasses.replace(shared, variants=variants, methods=methods)


def place_of(shared: Shared, name: str) -> str:
    """The key of the shared params that describes a method, or the head that a variant names."""
    owner = shared.variants[name].encoder_of
    return f"methods.{name}" if owner is None else f"heads.{name.removeprefix(f'{owner}_')}"


def _check_shape(place: str, method: Method) -> None:
    """Refuse parts of an entry that do not go together."""
    of_phase_3 = {
        "a head": "head" in method.makes, "an adapter": "adapter" in method.makes, "a recipe": method.recipe is not None
    }  # fmt: skip
    given = [what for what, is_given in of_phase_3.items() if is_given]
    if "classifier" in method.makes and given:
        raise UserError(f"{place}: got {given[0]} beside a classifier, which replaces phase 3; expected one of both")
    if "encoder" not in method.makes and len(method.reads) > 1:
        expected = "its first alone, as the method makes no encoder"
        raise UserError(f"{place}.reads: got {method.reads}, expected {expected}")


def _as_variant(method: Method) -> Variant:
    """What tables, pages and phase 3 know of a method: one that makes no encoder goes on from that which it reads."""
    start = {PRETRAINED: PRETRAINED, DENOISED: DENOISE}[method.reads[0]]
    return Variant(method.title, METHOD if "encoder" in method.makes else start, method.recipe)


def check_reads(shared: Shared, name: str, datasets: Collection[str]) -> None:
    """Refuse what a method reads besides its start and is none of the encoders of phases 1 and 2 or ``datasets``."""
    making = [
        variant
        for variant, known in shared.variants.items()
        if known.encoder_from in (CONTRAST, CONTRAST_PRETRAINED, JOINT_TRAINING) and known.encoder_of is None
    ]
    place, reads = f"methods.{name}.reads", shared.methods[name].reads
    for read in reads:
        refuse_unknown(paths.SHARED_PARAMS, place, read, [PRETRAINED, DENOISED, NOISE, PAIRS, *making, *datasets])
    if len(read_datasets := [read for read in reads if read in datasets]) > 1:
        raise UserError(f"{paths.SHARED_PARAMS}: {place}: got {read_datasets}, expected one data set at most")


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
    """The function of a method's file that makes a key of ``FUNCTIONS``; refuses a file without it."""
    module, place, (name, _) = load_method(file), f"{paths.METHODS / file}.py", FUNCTIONS[made].split("(")
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(f"{place}: got no function {name}, expected {FUNCTIONS[made]}")
    if made == "encoder" and not hasattr(module.Settings, "cost"):
        raise UserError(f"{place}: Settings: got no Schedule, expected class Settings(Schedule) or a function cost")
    return function


def chooses(method: Method) -> bool:
    """Whether a method chooses on validation rows: its settings know what is ``fixed`` where none may choose."""
    return hasattr(load_method(method.file).Settings, "fixed")


def resolved_settings(place: str, method: Method, of_phase_2: Mapping[str, Any], fixed: bool) -> MethodSettings:
    """All settings of the method at ``place``: its own, and those ``of_phase_2`` that it has and leaves out.

    ``fixed``: no rows may choose, and the settings leave nothing to choose. Refuses a file without what it makes, and
    what it does not know or takes for out of range.
    """
    for made in method.makes:
        maker_in(method.file, made)
    kind = load_method(method.file).Settings
    known = {field.name for field in dataclasses.fields(kind)}
    content = {key: value for key, value in of_phase_2.items() if key in known} | method.settings
    settings = build(kind, content, paths.SHARED_PARAMS, f"{place}.settings")
    if fixed and chooses(method):
        settings = settings.fixed()
    return MethodSettings(method.file, method.makes, dataclasses.asdict(settings))


def settings_of(resolved: MethodSettings) -> Any:
    """Resolved settings as the instance of ``Settings`` that the functions of the method's file take."""
    return load_method(resolved.file).Settings(**resolved.settings)
