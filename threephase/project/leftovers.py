"""What a killed dvc leaves behind and would block the next one, and what is no longer what dvc made of it.

dvc moves objects and finished runs into its cache whole. It writes in place its list of the paths in use, and dvc.lock.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import psutil
from dvc.exceptions import DvcException
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.rwlock import SCHEMA as PATHS_IN_USE
from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA, COMPILED_LOCKFILE_SCHEMA
from dvc.stage.cache import _get_cache_hash
from dvc.utils.serialize import load_yaml
from voluptuous import Invalid, Schema

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.faults import TEMPORARY
from threephase.base.files import write_text
from threephase.base.handed_over import damaged, md5_of, md5_of_folder
from threephase.base.lifetime import is_dvc

UNFINISHED = 3600.0  # seconds, after which nobody writes an object of the cache or an output any more
CONFLICT = "<<<<<<< "  # git's, which only a person can solve


def clear(repo: Repo) -> list[str]:
    """Take away what a killed dvc left in a project that would block the next one; returns a line for each.

    The caller holds dvc's lock on the project, so that no other process writes these files at this moment.
    """
    return [*_clear_paths_in_use(repo), *_clear_lock_file(repo)]


def _shown(file: Path) -> str:
    return os.path.relpath(file)


def _clear_paths_in_use(repo: Repo) -> list[str]:
    """Take processes that are gone out of dvc's list of the paths in use, or the list where a kill cut it off."""
    file, guard = Path(repo.tmp_dir, RWLOCK_FILE), os.path.join(repo.tmp_dir, RWLOCK_LOCK)
    with make_lock(guard, tmp_dir=repo.tmp_dir, hardlink_lock=_locks_by_links(repo)):
        try:
            listed = PATHS_IN_USE(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return []
        except (ValueError, Invalid):
            file.unlink()
            return [f"{_shown(file)}: removed, as it was cut off: dvc's list of the paths in use"]
        writing = {path: user for path, user in listed["write"].items() if _lives(user["pid"])}
        reading = {path: [user for user in users if _lives(user["pid"])] for path, users in listed["read"].items()}
        if (writing, reading) == (listed["write"], listed["read"]):
            return []
        write_text(
            file, json.dumps({"write": writing, "read": {path: users for path, users in reading.items() if users}})
        )
        return [f"{_shown(file)}: took out the processes that are gone"]


def in_use(repo: Repo) -> bool:
    """Whether a process of dvc works in a project that ``clear`` has been through."""
    file = Path(repo.tmp_dir, RWLOCK_FILE)
    return file.is_file() and any(json.loads(file.read_text(encoding="utf-8")).values())


def _lives(pid: int, below: str = os.sep) -> bool:
    """Whether a process is a dvc that runs, in or below a folder; the number may be another program's by now."""
    try:
        process = psutil.Process(pid)
        return is_dvc(process) and Path(process.cwd()).is_relative_to(below)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _clear_lock_file(repo: Repo) -> list[str]:
    """Remove a ``dvc.lock`` that dvc would refuse to read; what is finished comes back from the cache."""
    file = Path(repo.root_dir, paths.LOCK)
    if not file.is_file() or _is_whole_lock(file):
        return []
    if CONFLICT in file.read_text(encoding="utf-8", errors="replace"):
        raise UserError(
            f"{_shown(file)}: got a conflict that git left, expected one side: git checkout --ours {file.name}"
        )
    file.unlink()
    return [f"{_shown(file)}: removed, as it was cut off; what is finished comes back from dvc's cache"]


def _is_whole_lock(file: Path) -> bool:
    """Whether dvc can read a ``dvc.lock`` and its last output is all there: a part of a lock may be a lock as well."""
    content = _read(file, COMPILED_LOCKFILE_SCHEMA)
    if content is None or not file.read_bytes().endswith(b"\n"):
        return False
    outputs = list(content.get("stages", {}).values())[-1:]
    last = (outputs[0].get("outs") or [{}])[-1] if outputs else {"size": 0}
    return "size" in last and ("nfiles" in last or not last.get("md5", "").endswith(".dir"))


def _read(file: Path, schema: Schema) -> dict[str, Any] | None:
    """What dvc wrote as YAML; None where dvc would refuse it."""
    try:
        schema(content := load_yaml(file))
    except (DvcException, Invalid, ValueError):
        return None
    return content


def clear_unfinished(repo: Repo) -> list[str]:
    """Remove the outputs that killed stages of a project had not finished; returns a line for each.

    What was written within the hour stays: its process may run on another machine that shares the folder.
    """
    said = []
    for top in (paths.RUNS, paths.REPORTS):
        for place in sorted(Path(repo.root_dir, top).rglob(".*.tmp")):
            name = TEMPORARY.fullmatch(place.name)
            if not name or not place.exists() or time.time() - place.stat().st_mtime < UNFINISHED:
                continue
            if not psutil.pid_exists(int(name[2])):
                shutil.rmtree(place) if place.is_dir() else place.unlink()
                said.append(f"{_shown(place)}: removed, as the process that wrote it is gone")
    return said


def _locks_by_links(repo: Repo) -> bool:
    return repo.config["core"].get("hardlink_lock", False)


def free_links(repo: Repo) -> list[str]:
    """Remove the locks of a project that dvc locks by hard links, which outlive a kill, if no dvc runs here.

    Here is in or below the working folder, on this machine. They don't say whose they are and may be another machine's:
    only for a person who asks for it.
    """
    places = [Path(repo.tmp_dir, name) for name in ("lock", RWLOCK_LOCK)] if _locks_by_links(repo) else []
    locks = [place for place in places if place.exists()]
    if locks and any(_lives(pid, os.getcwd()) for pid in psutil.pids() if pid != os.getpid()):
        return []
    for lock in locks:
        lock.unlink()
    return [f"{_shown(lock)}: removed, as no dvc of this machine runs here" for lock in locks]


def check_cache(repo: Repo) -> tuple[int, list[str]]:
    """Read all of dvc's cache and remove the objects and finished runs that are not what their names say.

    Returns how many were read, and a line for each that was removed. No dvc may work with the cache meanwhile.
    """
    checks = dict.fromkeys(sorted(Path(repo.cache.local.path).glob("??/*")), _is_whole_object)
    checks |= dict.fromkeys(sorted(Path(repo.stage_cache.cache_dir).glob("??/*/*")), _is_whole_run)
    said = []
    for file, is_whole in checks.items():
        if file.suffix == ".tmp":  # so dvc calls what it has not finished, perhaps in another clone with this cache
            if time.time() - file.stat().st_mtime < UNFINISHED:
                continue
            said.append(f"{_shown(file)}: removed, as a killed dvc had not finished it")
        elif not is_whole(file):
            said.append(f"{_shown(file)}: removed, as its content is not what its name says")
        else:
            continue
        file.unlink()
    return len(checks), said


def _is_whole_object(file: Path) -> bool:
    """Whether an object, a file's content or a folder's list, has the MD5 that it is called by."""
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "md5").hexdigest()
    except OSError as error:
        if error.errno != errno.EIO:  # a disk that has lost it
            raise UserError(f"{_shown(file)}: {error.strerror}; expected an object of dvc's cache") from None
        return False
    return found == file.parent.name + file.stem


def _is_whole_run(file: Path) -> bool:
    """Whether a finished run has the checksums of its whole, and of what it read, that it and its folder are called."""
    entry = _read(file, COMPILED_LOCK_FILE_STAGE_SCHEMA)
    return entry is not None and (_get_cache_hash(entry), _get_cache_hash(entry, key=True)) == (
        file.name,
        file.parent.name,
    )


def check_outputs(repo: Repo) -> tuple[int, list[str]]:
    """Read the outputs in a project's working tree; how many, and a line for each that dvc takes for what it is not.

    dvc itself sees what has another size, time or inode, and makes it again.
    """
    kept = [out for out in repo.index.outs if out.hash_info and out.exists and not out.changed_checksum()]
    said, study = [], Path(os.path.relpath(repo.root_dir))
    for out in kept:
        place = Path(out.fs_path)
        if (md5_of_folder(place) if place.is_dir() else md5_of(place)) != out.hash_info.value:
            shown = Path(_shown(place))
            said.append(damaged(shown, shown, study))
    return len(kept), said
