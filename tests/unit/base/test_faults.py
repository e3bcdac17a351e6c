"""What system and machine refuse is one line with the path, what was got, what was expected, and what to do."""

import contextlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from threephase.base import errors
from threephase.base.files import new_file, new_folder, write_text

WEIGHTS = {"weight": np.ones(3, dtype=np.float32)}


def said(capsys, work) -> str:
    """The one line that a stage prints which does this work."""
    with pytest.raises(SystemExit) as end:
        errors.run_stage(work)
    line = capsys.readouterr().err
    assert end.value.code == 2 and line.startswith("error: ") and line.count("\n") == 1 and len(line) <= 308
    return line.removeprefix("error: ").rstrip("\n")


@pytest.fixture
def places(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a/folder").mkdir(parents=True)
    Path("a/file").write_text("kept")
    return tmp_path


def weights(path: str) -> None:
    with new_file(Path(path)) as file:
        save_file(WEIGHTS, file)


def folder(path: str) -> None:
    with new_folder(Path(path)) as new:
        (new / "part").write_text("new")


@pytest.mark.parametrize(
    ("work", "path", "words"),
    [
        (lambda path: write_text(Path(path), "new"), "a/file/b", "a/file: got a file, expected a folder; move"),
        (lambda path: write_text(Path(path), "new"), "a/file/b/c", "a/file: got a file, expected a folder; move"),
        (lambda path: write_text(Path(path), "new"), "a/folder", "a/folder: got a folder, expected a file; move"),
        (weights, "a/file/b", "a/file: got a file, expected a folder; move"),
        (folder, "a/file", "a/file: got a file, expected a folder; move"),
        (folder, "a/file/b", "a/file: got a file, expected a folder; move"),
        (lambda path: Path(path).read_text(), "a/folder", "a/folder: got a folder, expected a file; move"),
        (lambda path: write_text(Path(path), "new"), f"a/{'b' * 300}", f"a/{'b' * 118}...: got a name too long for"),
    ],
)
def test_a_path_that_is_not_what_it_should_be_is_named_and_left_as_it_is(capsys, places, work, path, words):
    assert said(capsys, lambda: work(path)).startswith(words)
    found = sorted(str(one.relative_to(places)) for one in places.rglob("*"))
    assert found == ["a", "a/file", "a/folder"] and Path("a/file").read_text() == "kept"


def test_too_many_open_files_are_told_with_the_file_that_was_one_too_many(capsys, places):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The files that are open keep their numbers, which lie below the first free one.
    with open("a/file") as first:
        resource.setrlimit(resource.RLIMIT_NOFILE, (first.fileno() + 1, limits[1]))
        try:
            line = said(capsys, lambda: write_text(Path("a/new"), "new"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert line.startswith("a/new: got too many open files") and line.endswith("ulimit -n 4096")
    assert not list(Path("a").glob("*new*"))


def raised(error: BaseException):
    def work() -> None:
        raise error

    return work


HUGE = 2**55
CPU = "run one training at a time (make repro WORKERS=1), or lower batch_size or max_length"


@pytest.mark.parametrize(
    ("work", "words", "remedy"),
    [
        (raised(MemoryError()), "got no more memory (MemoryError), expected", CPU),
        (lambda: np.ones(HUGE), "got no more memory (Unable to allocate ", CPU),
        (lambda: torch.ones(HUGE), "got no more memory ([enforce fail at ", CPU),
        (raised(OSError(12, "Cannot allocate memory")), "output: got no more memory, expected", CPU),
        (
            raised(torch.OutOfMemoryError("CUDA out of memory. Tried")),
            "got no more memory of the device (CUDA",
            "to cpu",
        ),
        (raised(RuntimeError("MPS backend out of memory (")), "got no more memory of the device (MPS", "to cpu"),
        (raised(OSError(30, "", "a/.b.12.tmp")), "a/b: got a read-only file system", "in a copy elsewhere"),
        (raised(OSError(13, "", "a/.b.12.tmp", None, "a/b")), "a/b: got no permission", "a copy that is yours"),
        (raised(Exception("Permission denied (os error 13)")), "output: got no permission", "a copy that is yours"),
    ],
)
def test_faults_of_the_machine_are_told_with_what_helps(capsys, work, words, remedy):
    line = said(capsys, work)
    assert line.startswith(words) and line.endswith(remedy)


@pytest.mark.parametrize("error", [OSError("odd"), FileNotFoundError(2, "missing", "a"), RuntimeError("a bug")])
def test_other_errors_keep_their_traceback(error):
    with pytest.raises(type(error)), contextlib.suppress(SystemExit):
        errors.run_stage(raised(error))


def test_ctrl_c_before_a_command_has_begun_is_one_line_too():
    words = [sys.executable, "-c", "import commands; raise KeyboardInterrupt"]
    result = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert result.returncode and result.stderr == f"{errors.STOPPED}\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(capsys, places):
    Path("a").chmod(0o500)
    assert said(capsys, lambda: write_text(Path("a/new"), "new")).startswith("a/new: got no permission")
