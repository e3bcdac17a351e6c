"""Pin the packages of each requirements.in with the checksums of all their files: make requirements.

For Linux and macOS and every Python from 3.11 on. Packages are installed as pinned, without asking what they need.
"""

import argparse
import re
import subprocess
from pathlib import Path

from threephase.base.errors import UserError, run_stage
from threephase.base.files import write_text

COMPILE = "uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate"
MAIN = Path("requirements.txt")
# What is installed beside the main packages.
OTHERS = [Path(folder, MAIN) for folder in ("performance", "tests/acceptance/browser", "tools")]
# PyTorch apart: as PyPI has it, on Linux with the libraries of CUDA, or its own build for CPUs where pip can find that.
TORCH, TORCH_CPU = Path("requirements-torch.txt"), Path("requirements-torch-cpu.txt")
OF_TORCH = ("torch", "cuda-", "nvidia-", "triton")
# Of torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl; a newer version has another one.
CPU_BUILD = "sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    pinned = compiled(MAIN, "--universal")
    torch = {name: lines for name, lines in pinned.items() if name.startswith(OF_TORCH)}
    write(MAIN, {name: lines for name, lines in pinned.items() if name not in torch})
    write(TORCH, torch)
    write(TORCH_CPU, {"torch": f"{torch['torch'].split()[0]}+cpu \\\n    --hash={CPU_BUILD}"})
    for file in OTHERS:
        pinned_too = compiled(file, "--constraint", str(MAIN), "--constraint", str(TORCH))
        # Not pip itself, of which an environment has its own.
        write(file, {name: lines for name, lines in pinned_too.items() if name not in {*pinned, "pip"}})


def compiled(file: Path, *options: str) -> dict[str, str]:
    """What uv pins for the requirements.in beside ``file``, by the package's name; earlier pins stay where they can."""
    command = [*COMPILE.split(), *options, "--output-file", str(file), str(file.with_suffix(".in"))]
    if subprocess.run(command).returncode:
        raise UserError(f"{file}: not pinned; what uv says stands above")
    lines = re.findall(r"^\w.*(?:\n .*)*", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {package.partition("==")[0]: package for package in lines}


def write(file: Path, packages: dict[str, str]) -> None:
    write_text(file, "".join(f"{package}\n" for package in packages.values()))


if __name__ == "__main__":
    run_stage(main)
