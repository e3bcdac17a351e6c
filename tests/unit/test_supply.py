"""What is installed and run is what was pinned: packages by the checksums of their files, actions by their commits."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
PINNED = re.search("^PINNED := (.*)$", MAKEFILE, flags=re.MULTILINE).group(1).split()
WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
PACKAGE = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==\S+( ; [^\\]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE
)


def packages(file: str) -> list[str]:
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    assert PACKAGE.sub("", text) == "", "all of it is packages with their checksums"
    return [match.group(1) for match in PACKAGE.finditer(text)]


def test_every_package_stands_once_with_its_checksums():
    names = [name for file in PINNED for name in packages(file)]
    assert len(names) == len(set(names)) and {"torch", "dvc", "nvidia-nccl-cu13", "setfit", "selenium"} <= set(names)


@pytest.mark.parametrize("file", [file for file in PINNED if "torch" not in file])
def test_what_is_asked_for_is_pinned(file):
    asked = (REPOSITORY / file).with_suffix(".in").read_text(encoding="utf-8")
    lines = [line.split("#")[0].split("==")[0].strip() for line in asked.splitlines()]
    known = {*packages(file), *packages("requirements-torch.txt")}
    assert {re.sub("[._]", "-", name.lower()) for name in lines if name} <= known


def test_the_build_for_cpus_is_of_the_same_version():
    lines = [(REPOSITORY / f"requirements-torch{of}.txt").read_text(encoding="utf-8").split() for of in ("", "-cpu")]
    (version,) = [word for word in lines[0] if word.startswith("torch==")]
    assert lines[1][0] == f"{version}+cpu" and lines[1][-1].startswith("--hash=sha256:")


def test_nothing_is_installed_without_checksums():
    scripts = [MAKEFILE, (REPOSITORY / "tests/acceptance/browser/set_up").read_text(encoding="utf-8")]
    lines = [line for script in scripts for line in script.splitlines() if "pip install" in line]
    assert len(lines) == 2 and all("--require-hashes --no-deps" in line for line in lines)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_only_read_and_runs_actions_of_one_commit(file):
    text = file.read_text(encoding="utf-8")
    used = re.findall("uses: (.*)", text)
    assert used and all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}  # v[0-9.]+", line) for line in used), used
    assert "\npermissions:\n  contents: read\n" in text
