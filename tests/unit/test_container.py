"""The Dockerfile where no builder is: what it copies, runs and installs exists, and is what the README installs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LINES = [
    line.split(maxsplit=1)
    for line in (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
IGNORED = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()


def of(instruction: str) -> list[str]:
    return [rest for name, rest in LINES if name == instruction]


def commands() -> list[list[str]]:
    return [command.split() for line in of("RUN") for command in line.split(" && ")]


def test_it_starts_from_the_python_that_ci_tests():
    workflow = (REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    version = re.search(r'python-version: "(.+)"', workflow).group(1)
    assert of("FROM") == [f"python:{version}-slim"]


def test_only_what_is_copied_reaches_the_image_and_all_of_it_exists():
    copied = [source for line in of("COPY") for source in line.split()[:-1] if not source.startswith("--")]
    rules = [line for line in IGNORED if line and not line.startswith("#")]
    private = [".git/config", ".git/hooks", ".git/logs"]  # what git does not need, and may name people and passwords
    assert rules == ["*", *(f"!{source}" for source in sorted(copied)), *private]
    assert all((REPOSITORY / source).exists() for source in copied)


def test_packages_are_installed_by_the_makefile_alone():
    first_words = [command[0] for command in commands()]
    assert set(first_words) == {"apt-get", "rm", "useradd", "install", "make", "git"}
    targets = {command[1] for command in commands() if command[0] == "make"}
    assert targets == {".venv/installed"}
    rule = (REPOSITORY / "Makefile").read_text(encoding="utf-8").split("\n.venv/installed: ")[1].split("\n\n")[0]
    assert "$(INSTALL) -r requirements.txt" in rule and rule.startswith("requirements.txt requirements-torch.txt ")


def test_it_ends_as_a_user_without_rights_in_a_folder_of_its_own():
    (created,) = (command[-1] for command in commands() if command[0] == "useradd")
    assert of("USER") == [created] and of("WORKDIR") == ["/study"]
    after = [name for name, _ in LINES][[name for name, _ in LINES].index("USER") :]
    assert "COPY" not in [name for name, _ in LINES][: -len(after)]
    assert all(line.startswith(f"--chown={created}:{created} ") for line in of("COPY"))
    assert of("ENV") == ["PATH=/study/.venv/bin:$PATH"]


@pytest.mark.skipif(shutil.which("apt-cache") is None, reason="no apt-cache here")
def test_debian_has_the_packages_that_it_names():
    (install,) = (command for command in commands() if command[:2] == ["apt-get", "install"])
    packages = [word for word in install[2:] if not word.startswith("--")]
    assert packages == ["git", "make"]
    for package in packages:
        shown = subprocess.run(["apt-cache", "show", package], capture_output=True, text=True)
        assert f"Package: {package}\n" in shown.stdout, shown.stderr
