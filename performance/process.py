"""A measurement in a process of its own."""

import subprocess
import sys

from stages.common.errors import UserError


def last_line(module: str, *arguments: str, what: str) -> str:
    """The last line that ``python -m module arguments`` prints; UserError with its own last word where it fails.

    ``what`` names the measurement in that error.
    """
    result = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True)
    if result.returncode:
        raise UserError(f"{what}: {(result.stderr.strip() or 'no message').splitlines()[-1]}")
    return result.stdout.splitlines()[-1]
