"""The files from which a study's settings are made."""

import os
from pathlib import Path

from threephase.base import paths
from threephase.study import read_params, resolve
from threephase.study.params import Study

CODE, CODE_SUFFIXES = (Path("stages"), Path("threephase")), (".py", ".j2", ".css", ".js")


def outside_files(study: Study) -> list[str]:
    """What ``resolve_settings`` reads, as named in the study's folder: parameters, definitions, own texts, all code.

    Code lies within the default study's project. Another study names its files: in a folder outside of a project dvc
    sees what .dvcignore names as well, and Python leaves caches there.
    """
    params = [study.file, *read_params.base_files(study.params.name), paths.SHARED_PARAMS, paths.PAPER_PARAMS]
    definitions = [paths.dataset_definition(study.params.dataset)]
    definitions += [paths.encoder_definition(encoder) for encoder in study.params.encoders]
    read = {file for program in resolve.programs(study) for file in resolve.files_of(program)}
    others = [file for file in sorted(read) if not set(CODE) & set(file.parents)]
    code = list(CODE)
    if study.folder != Path():
        code = sorted(file for folder in CODE for file in folder.rglob("*.*") if file.suffix in CODE_SUFFIXES)
    files = dict.fromkeys([*params, *definitions, *study.dataset.source.own_files, *others, *code])
    return [os.path.relpath(file, study.folder) for file in files]
