"""What a person types: ``make`` calls these, or ``python -m commands.NAME``."""

import sys
from importlib.util import find_spec

if find_spec("ruamel") is None:
    print(
        f"error: {sys.executable}: got none of the packages of requirements.txt; type: source .venv/bin/activate "
        "(make studies installs them there), then the same again",
        file=sys.stderr,
    )
    sys.exit(2)

from threephase.base.errors import tell_interrupts

tell_interrupts()
