"""A bit that a disk flips: dvc, which looks at size, time and inode, sees nothing."""

import os
import random
from pathlib import Path


def flip(file: Path, draw: random.Random) -> None:
    """Flip a random bit of a file, and of the object in dvc's cache where that is the same file."""
    before, content = file.stat(), bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.chmod(0o644)
    with file.open("r+b") as same:
        same.write(content)
    file.chmod(before.st_mode)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
