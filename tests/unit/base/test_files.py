"""Outputs appear whole or not at all, also where the process is killed in the middle."""

import csv
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from small_project import REPOSITORY

from threephase.base.errors import UserError
from threephase.base.files import (
    new_file,
    new_folder,
    read_csv,
    read_table,
    sha256_of,
    write_json,
    write_table,
    write_text,
)

# Each writes half of an output and dies as by kill -9.
DEATHS = {
    "file": """
        with new_file(path) as temporary:
            temporary.write_text("half")
            die()
        """,
    "folder": """
        with new_folder(path) as temporary:
            (temporary / "first").write_text("half")
            die()
        """,
    "table": """
        import pandas
        pandas.DataFrame.to_parquet = lambda frame, file, index: (file.write_text("half"), die())
        write_table(path, pandas.DataFrame({"x": [1]}))
        """,
}


def run_until_killed(path: Path, body: str) -> None:
    lines = ["import os, shutil, signal, sys", "from pathlib import Path", "from threephase.base.files import *"]
    lines += ["from threephase.base.files import shutil", "path = Path(sys.argv[1])"]
    lines += ["die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)"]
    indent = "        "
    lines += [line.removeprefix(indent) for line in body.strip("\n").splitlines()]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), str(path)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == -signal.SIGKILL, result.stderr


@pytest.mark.parametrize("death", DEATHS)
def test_a_kill_in_the_middle_leaves_nothing_under_the_final_name(tmp_path, death):
    run_until_killed(tmp_path / "output.parquet", DEATHS[death])
    left = list(tmp_path.iterdir())
    assert len(left) == 1 and left[0].name.startswith(".output.parquet.") and left[0].suffix == ".tmp"


@pytest.mark.parametrize("death", ["file", "table"])
def test_a_kill_in_the_middle_leaves_the_older_file_as_it_was(tmp_path, death):
    (tmp_path / "output.parquet").write_text("older")
    run_until_killed(tmp_path / "output.parquet", DEATHS[death])
    assert (tmp_path / "output.parquet").read_text() == "older"


def test_a_kill_in_the_middle_leaves_the_older_folder_as_it_was(tmp_path):
    with new_folder(tmp_path / "output") as new:
        (new / "older").write_text("whole")
    run_until_killed(tmp_path / "output", DEATHS["folder"])
    assert [file.name for file in (tmp_path / "output").iterdir()] == ["older"]


def test_a_kill_while_the_older_folder_is_removed_leaves_no_half_of_it(tmp_path):
    with new_folder(tmp_path / "output") as new:
        (new / "older").write_text("whole")
    body = """
        with new_folder(path) as temporary:
            (temporary / "newer").write_text("whole")
            shutil.rmtree = die
        """
    run_until_killed(tmp_path / "output", body)
    assert [file.name for file in (tmp_path / "output").iterdir()] == ["newer"]


@pytest.mark.parametrize("output", [new_file, new_folder])
def test_an_error_in_the_middle_leaves_nothing(tmp_path, output):
    with pytest.raises(ZeroDivisionError), output(tmp_path / "deep" / "output") as temporary:
        file = temporary / "first" if temporary.is_dir() else temporary
        file.write_text("half")
        raise ZeroDivisionError
    assert list((tmp_path / "deep").iterdir()) == []


def test_an_error_in_the_middle_leaves_the_older_output(tmp_path):
    write_text(tmp_path / "file", "older")
    with new_folder(tmp_path / "folder") as new:
        (new / "older").write_text("whole")
    with pytest.raises(ValueError), new_file(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise ValueError
    with pytest.raises(ValueError), new_folder(tmp_path / "folder") as temporary:
        raise ValueError
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")) == ["file", "folder", "folder/older"]
    assert (tmp_path / "file").read_text() == "older"


def test_a_folder_is_replaced_whole(tmp_path):
    for name in ("older", "newer"):
        with new_folder(tmp_path / "output") as new:
            assert list(new.iterdir()) == []
            (new / "inside").mkdir()
            (new / "inside" / name).write_text(name)
    assert [file.name for file in (tmp_path / "output/inside").iterdir()] == ["newer"]
    assert [file.name for file in tmp_path.iterdir()] == ["output"]


def test_nothing_is_seen_under_the_final_name_before_the_end(tmp_path):
    with new_file(tmp_path / "output") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "output").exists() and temporary.parent == tmp_path
    assert (tmp_path / "output").read_text() == "whole"


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_tables_come_back_as_they_were(tmp_path, name):
    frame = pd.DataFrame({"text": ["a", 'ü, "quoted"\nline'], "value": [0.1, 1e-17]})
    write_table(tmp_path / name, frame)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), frame, check_dtype=False)
    assert b"\r" not in (tmp_path / name).read_bytes()


def test_a_table_that_is_not_there_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"none.parquet: no such file; run the stage that makes it first \(dvc repro"):
        read_table(tmp_path / "none.parquet")


def test_json_is_readable_text_and_never_nan(tmp_path):
    write_json(tmp_path / "report.json", {"a": "ü"})
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == '{\n  "a": "ü"\n}\n'
    with pytest.raises(ValueError):
        write_json(tmp_path / "other.json", {"loss": float("nan")})
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_sha256_is_that_of_the_content(tmp_path):
    write_text(tmp_path / "file", "abc")
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


def test_a_spreadsheet_runs_no_text_of_a_table_and_each_comes_back_as_it_was(tmp_path):
    texts = ["=1+1", "+a", "-a", "@a", "\ta", "'=1", "''+a", "-", "'quoted'", "-1", "+2.5", "+1.5, -0.2", "plain", ""]
    frame = pd.DataFrame({"label": texts, "number": -1.5, "@name": ["=x", *texts[1:]]})
    write_table(tmp_path / "table.csv", frame)
    cells = [cells[0] for cells in csv.reader((tmp_path / "table.csv").read_text().splitlines()[1:])]
    assert cells == [
        "'=1+1", "'+a", "'-a", "'@a", "'\ta", "''=1", "'''+a", "'-", "'quoted'", "-1", "+2.5", "+1.5, -0.2",
        "plain", "",
    ]  # fmt: skip
    read = read_csv(tmp_path / "table.csv", dtype={"label": str, "@name": str}, keep_default_na=False)
    assert read.to_dict("list") == frame.to_dict("list")


def test_a_table_without_such_texts_is_the_bytes_that_pandas_writes(tmp_path):
    frame = pd.DataFrame({"label": ["a", None, "b-c", "-0.5"], "number": [-1.0, 2.0, None, 0.5], "flag": True})
    write_table(tmp_path / "table.csv", frame)
    assert (tmp_path / "table.csv").read_text() == frame.to_csv(index=False, lineterminator="\n")
