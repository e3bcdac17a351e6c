"""Who, what, where and how fast: the facts that every run's run report records."""

import functools
import importlib.metadata
import platform
import subprocess
import sys
import time
from pathlib import Path

from threephase.base.files import read_json

LIBRARIES = ("torch", "tokenizers", "safetensors", "numpy", "pandas", "scikit-learn", "dvc")
INTERESTING_CPU_FLAGS = ("avx", "amx", "bf16", "fma", "neon", "asimd", "sve")


def code_revision() -> str:
    """The commit that is checked out, with ``+changes`` where tracked code differs from it; ``unknown`` without git."""
    try:
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", "stages", "threephase")
        return _git("rev-parse", "HEAD") + "+changes" * bool(changes)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def library_versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0]}
    return versions | {name: importlib.metadata.version(name) for name in LIBRARIES}


def _cpu_info(*keys: str) -> str:
    """The value of the first line that starts with one of the keys, where the system tells them; else empty."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(keys)), "")


@functools.cache
def cpu_flags() -> list[str]:
    """The processor's vector and matrix instructions, where the system tells them."""
    return sorted(
        flag for flag in _cpu_info("flags", "Features").split() if any(word in flag for word in INTERESTING_CPU_FLAGS)
    )


def cpu_model() -> str:
    """The processor's name, as far as the system tells it."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far, in MB (GPU memory not counted)."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def seconds_so_far() -> float:
    """Seconds since this process was started, imports included."""
    import psutil

    return time.time() - psutil.Process().create_time()


def origin(file: Path) -> str:
    """Where data or an encoder came from, as the stage that fetched them wrote it down."""
    return read_json(file)["origin"] if file.is_file() else "not recorded"


def environment(told: float = 0.0) -> dict[str, object]:
    """What every report says of the process and where it ran; ``told``: seconds that an earlier report accounts for."""
    return {
        "seconds": round(seconds_so_far() - told, 3),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        "cpu_model": cpu_model(),
        "cpu_flags": cpu_flags(),
        "versions": library_versions(),
        "revision": code_revision(),
    }
