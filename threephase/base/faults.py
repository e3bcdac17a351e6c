"""What the system or the machine refuses, such as a full disk or memory, in one line: got, expected, what to do."""

import errno
import os
import re
from pathlib import Path

MOST_OF_A_PATH = 120
FULL = "the disk is full; no half-written file has a final name; free some space and run again"
DENIED = (
    "got no permission, expected to read and write it; let its owner change that (chown, chmod), or work in a copy "
    "that is yours"
)
FILES = "got too many open files, expected room for more; raise the limit and run again: ulimit -n 4096"
A_FILE = "got a file, expected a folder; move the file away and run again"
MEMORY = (
    "expected enough; end other programs, run one training at a time (make repro WORKERS=1), or lower batch_size or "
    "max_length"
)
SAID = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: "got a read-only file system, expected one to write to; mount it so, or work in a copy elsewhere",
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EISDIR: "got a folder, expected a file; move the folder away and run again",
    errno.ENOTDIR: A_FILE,
    errno.EEXIST: A_FILE,
    errno.ENAMETOOLONG: "got a name too long for the file system, expected 255 bytes at most; choose shorter names",
    errno.EMFILE: FILES,
    errno.ENFILE: FILES,
    errno.ENOMEM: f"got no more memory, {MEMORY}",
    errno.EIO: "the disk fails to read or to write; look after the disk, then run again",
}
# How torch and the drivers of devices say it; torch.OutOfMemoryError is a RuntimeError.
NO_HOST_MEMORY = re.compile(r"can't allocate memory|not enough memory|Cannot allocate memory")
NO_DEVICE_MEMORY = re.compile(r"out of memory|ALLOC_FAILED")
TEMPORARY = re.compile(r"^\.(.+)\.(\d+)(\.old)?\.tmp$")  # files.py names them so: of what, and the process


def system_error(error: BaseException) -> OSError | None:
    """The error of the system that an error is, or that a library written in Rust tells in the text of its own."""
    if isinstance(error, OSError):
        return error
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else None


def described(error: BaseException) -> str | None:
    """What is said of a fault of system or machine, and of its path; None for another error."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_HOST_MEMORY.search(str(error))):
        return f"got no more memory ({_first_words(error)}), {MEMORY}"
    if isinstance(error, RuntimeError) and NO_DEVICE_MEMORY.search(str(error)):
        return (
            f"got no more memory of the device ({_first_words(error)}), expected enough; end other programs there, "
            "lower batch_size or max_length, or set engine.device to cpu"
        )
    system = system_error(error)
    if system is None or system.errno not in SAID:
        return None
    path = system.filename2 or system.filename
    place = "output" if path is None or isinstance(path, int) else _shown(Path(os.fsdecode(path)), system.errno)
    return f"{place}: {SAID[system.errno]}"


def _shown(path: Path, number: int) -> str:
    """The path by its final name; where a part of it is a file and no folder, as far as that."""
    path = Path(*(TEMPORARY.sub(r"\1", part) for part in path.parts))
    if SAID[number] == A_FILE:
        path = next((part for part in reversed((path, *path.parents)) if part.is_file()), path)
    text = str(path)
    return text if len(text) <= MOST_OF_A_PATH else f"{text[:MOST_OF_A_PATH]}..."


def _first_words(error: BaseException) -> str:
    """The start of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:80].strip(" .")
