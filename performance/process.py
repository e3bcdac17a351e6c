"""A measurement in a process of its own."""

import subprocess
import sys
from pathlib import Path

from threephase.base.errors import UserError


def output_of(module: str, *arguments: str, what: str, cwd: Path | None = None, env: dict | None = None) -> str:
    """What ``python -m module arguments`` prints; UserError with its own last word where it fails.

    ``what`` names the measurement in that error; ``cwd`` and ``env`` as ``subprocess.run`` takes them.
    """
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    if result.returncode < 0:
        raise UserError(f"{what}: killed by signal {-result.returncode}, expected an end; 9 is mostly a lack of memory")
    if result.returncode:
        raise UserError(f"{what}: {(result.stderr.strip() or 'no message').splitlines()[-1]}")
    return result.stdout


def last_line(module: str, *arguments: str, what: str) -> str:
    """The last line of ``output_of``."""
    return output_of(module, *arguments, what=what).splitlines()[-1]
