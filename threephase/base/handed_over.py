"""Whether what a stage reads is what the one before it made: its MD5 is the one that dvc noted.

dvc itself looks at a file's size, time and inode: a bit that the disk flipped changes none of them. Only a stage that
dvc or a worker runs can tell: by hand a file may well be another than the lock says.
"""

import functools
import hashlib
import json
import os
import re
from collections import Counter
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.lifetime import runs_under_dvc

NOTED = "STAGE_INPUTS"  # names a worker's file of what its stage reads: dvc.lock is written when all stages have ended
OBJECTS = Path(".dvc/cache/files/md5")
STAGE = re.compile(r"^  (\S.*):\n((?: {4}.*\n)+)", re.MULTILINE)
OUTS = re.compile(r"^    outs:\n((?: {4}[- ] .*\n)+)", re.MULTILINE)
OUT = re.compile(r"^    - path: (\S+)\n(?: {6}.*\n)*? {6}md5: '?([0-9a-f]{32}(?:\.dir)?)'?\n", re.MULTILINE)


def verify(file: Path) -> None:
    """Refuse a file, or a whole output, of a study with another content than dvc noted.

    ``file``: seen from the repository's top folder. What no stage made, or this one makes, passes.
    """
    if not runs_under_dvc():
        return
    study = Path(*file.parts[:2]) if file.is_relative_to(paths.STUDIES) else Path()
    noted = _noted(study)
    output = next((place for place in (file, *file.parents) if str(place) in noted), None)
    if output is None:
        return
    expected = noted[str(output)]
    if file == output:
        same = (md5_of_folder(file) if file.is_dir() else md5_of(file)) == expected
    elif listed := _listed(expected):
        same = md5_of(file) == listed.get(file.relative_to(output).as_posix())
    else:
        file, same = output, md5_of_folder(output) == expected
    if not same:
        # Its object in dvc's cache may be the same file, by a hard link, or as damaged.
        raise UserError(damaged(file, output, study, "make doctor"))


def damaged(file: Path, output: Path, study: Path, *before: str) -> str:
    """Says that a file, an output or in one, is not what was made, and what to type; ``before`` it is made again."""
    again = " && ".join([f"rm -r {output}", *before, f"make repro{f' STUDY={study.name}' * bool(study.name)}"])
    return f"{file}: got other content than dvc noted when it was made; type: {again}"


@functools.cache
def _noted(study: Path) -> dict[str, str]:
    """The MD5 of each output of the other stages, by its path, as the study's lock or the worker has it."""
    if NOTED in os.environ:
        return {str(study / output): md5 for output, md5 in _from_worker().items()}
    lock, own = study / paths.LOCK, os.environ["DVC_STAGE"].rpartition(":")[2]
    # Read by its lines: a parser of YAML takes forty times as long.
    entries = STAGE.findall(lock.read_text(encoding="utf-8")) if lock.is_file() else []
    outs = [out for name, entry in entries if name != own for outs in OUTS.findall(entry) for out in OUT.findall(outs)]
    # An entry of a stage that is no more stays in the lock: of an output that two name nothing is known.
    named = Counter(output for output, _ in set(outs))
    return {str(study / output): md5 for output, md5 in outs if named[output] == 1}


@functools.cache
def _from_worker() -> dict[str, str]:
    """What the worker has, by the paths in the study; read once, as some systems give a standard input only once."""
    return json.loads(Path(os.environ[NOTED]).read_text(encoding="utf-8"))


@functools.cache
def _listed(md5: str) -> dict[str, str]:
    """The MD5 of each file in a folder, by its path there, from dvc's cache; empty where that lacks the folder."""
    place = OBJECTS / md5[:2] / md5[2:]
    content = place.read_bytes() if place.is_file() else b""
    whole = hashlib.md5(content).hexdigest() == md5.removesuffix(".dir")
    return {entry["relpath"]: entry["md5"] for entry in json.loads(content)} if whole else {}


@functools.cache
def md5_of(file: Path) -> str:
    """MD5 of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest()


@functools.cache
def md5_of_folder(folder: Path) -> str:
    """What dvc calls a folder by: the MD5 of its list of files, each with its own."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("[!.]*") if file.is_file()}
    listed = [{"md5": md5_of(files[name]), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(listed).encode()).hexdigest() + ".dir"
