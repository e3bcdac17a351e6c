"""Folders inside installed Python packages."""

import importlib.metadata
import importlib.util
from pathlib import Path

from threephase.base.errors import UserError


def package_folder(package: str, version: str, folder: str, file: Path) -> Path:
    """A folder inside an installed package, without importing the package."""
    try:
        installed = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            f"{file}: package {package}: not installed; run pip install --no-deps -r requirements.txt"
        ) from None
    if installed != version:
        raise UserError(
            f"{file}: package {package}: got version {installed}, expected {version}; "
            "run pip install --no-deps -r requirements.txt"
        )
    module, _, rest = folder.partition("/")
    spec = importlib.util.find_spec(module)
    place = Path(spec.submodule_search_locations[0], rest) if spec and spec.submodule_search_locations else None
    if place is None or not place.is_dir():
        raise UserError(f"{file}: folder {folder!r} is not in package {package} {version}; reinstall it")
    return place
